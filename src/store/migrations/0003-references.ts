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
    .createTable('message_reaction')
    .addColumn('id', rowId.type, rowId.constraint)
    .addColumn('portal', 'text', (column) => column.notNull().references('portal.id').onDelete('cascade'))
    .addColumn('message_id', 'text', (column) => column.notNull())
    .addColumn('from_user', 'integer', (column) => column.notNull())
    .addColumn('by_user', 'integer', (column) => column.notNull())
    .addColumn('event', 'text', (column) => column.notNull())
    .addColumn('settled_at', 'bigint')
    .addUniqueConstraint('message_reaction_event', ['portal', 'event'])
    .execute();
  const target = db.schema.createIndex('message_reaction_target').on('message_reaction');
  await target.columns(['portal', 'message_id', 'from_user', 'by_user']).execute();
  for (const table of ['message_reference', 'message_reaction']) {
    const settled = db.schema.createIndex(`${table}_settled`).on(table).columns(['settled_at']);
    await settled.where(sql<boolean>`settled_at is not null`).execute();
  }
}
