// Reports of messages on their way to the moderators.
import { type Kysely, sql } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { bytes } = columnTypes(db);
  await db.schema
    .createTable('report')
    .addColumn('id', 'text', (column) => column.notNull().primaryKey())
    .addColumn('account', 'text', (column) => column.notNull().references('account.id').onDelete('cascade'))
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('chosen', bytes)
    .addColumn('sending', bytes)
    .addColumn('made_at', 'bigint', (column) => column.notNull())
    .addColumn('settled_at', 'bigint')
    .execute();
  await db.schema.createIndex('report_of_account').on('report').columns(['account', 'made_at']).execute();
  const open = db.schema.createIndex('report_open').on('report').columns(['account']);
  await open.where(sql<boolean>`settled_at is null`).execute();
  const settled = db.schema.createIndex('report_settled').on('report').columns(['settled_at']);
  await settled.where(sql<boolean>`settled_at is not null`).execute();
}
