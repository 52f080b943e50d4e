// What replies, reactions, edits and deletions refer to.
import type { Kysely } from 'kysely';
import { sql } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { rowId } = columnTypes(db);
  await db.schema
    .createTable('message_reference')
    .addColumn('id', rowId.type, rowId.constraint)
    .addColumn('portal', 'text', (column) => column.notNull().references('portal.id').onDelete('cascade'))
    .addColumn('message_id', 'text', (column) => column.notNull())
    .addColumn('from_user', 'integer', (column) => column.notNull())
    .addColumn('event', 'text', (column) => column.notNull())
    .addColumn('room', 'text', (column) => column.notNull())
    .addColumn('sent_at', 'bigint', (column) => column.notNull())
    .addColumn('settled_at', 'bigint')
    .addUniqueConstraint('message_reference_message', ['portal', 'message_id', 'from_user'])
    .execute();
  const index = db.schema.createIndex('message_reference_event').on('message_reference');
  await index.columns(['portal', 'event']).execute();
  await db.schema
    .createIndex('message_reference_settled')
    .on('message_reference')
    .columns(['settled_at'])
    .where(sql<boolean>`settled_at is not null`)
    .execute();
}
