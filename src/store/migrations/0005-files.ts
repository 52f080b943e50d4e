// Files on their way between the networks, and messages that take several events.
import { type Kysely, sql } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { bytes, rowId } = columnTypes(db);
  await db.schema.alterTable('inbox').addColumn('file', bytes).execute();
  await db.schema.alterTable('outbox').addColumn('hosted', 'text').execute();
  await db.schema
    .createTable('message_part')
    .addColumn('id', rowId.type, rowId.constraint)
    .addColumn('portal', 'text', (column) => column.notNull().references('portal.id').onDelete('cascade'))
    .addColumn('message_id', 'text', (column) => column.notNull())
    .addColumn('event', 'text', (column) => column.notNull())
    .addColumn('settled_at', 'bigint')
    .addUniqueConstraint('message_part_event', ['portal', 'event'])
    .execute();
  const ofMessage = db.schema.createIndex('message_part_message').on('message_part');
  await ofMessage.columns(['portal', 'message_id']).execute();
  const settled = db.schema.createIndex('message_part_settled').on('message_part').columns(['settled_at']);
  await settled.where(sql<boolean>`settled_at is not null`).execute();
  await db.schema.dropIndex('outbox_open').execute();
  const open = db.schema.createIndex('outbox_open').on('outbox').columns(['portal', 'id']);
  await open.where(sql<boolean>`state in ('transfer', 'ready', 'encrypted')`).execute();
}
