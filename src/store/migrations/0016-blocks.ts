// Whom accounts have blocked.
import type { Kysely } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { bytes } = columnTypes(db);
  await db.schema
    .createTable('block')
    .addColumn('id', 'text', (column) => column.notNull().primaryKey())
    .addColumn('account', 'text', (column) => column.notNull().references('account.id').onDelete('cascade'))
    .addColumn('label', bytes, (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('block_of_account').on('block').columns(['account']).execute();
  await db.schema
    .createTable('block_pattern')
    .addColumn('account', 'text', (column) => column.notNull().references('account.id').onDelete('cascade'))
    .addColumn('hash', bytes, (column) => column.notNull())
    .addColumn('block', 'text', (column) => column.notNull().references('block.id').onDelete('cascade'))
    .addPrimaryKeyConstraint('block_pattern_key', ['account', 'hash'])
    .execute();
  await db.schema.createIndex('pattern_of_block').on('block_pattern').columns(['block']).execute();
}
