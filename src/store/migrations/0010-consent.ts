// Consent on record, and accounts that carry nothing until somebody acts.
import type { Kysely } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { bytes } = columnTypes(db);
  await db.schema
    .createTable('consent_record')
    .addColumn('id', 'text', (column) => column.notNull().primaryKey())
    .addColumn('hash', bytes, (column) => column.unique())
    .addColumn('user', bytes)
    .execute();
  await db.schema
    .createTable('consent_entry')
    .addColumn('record', 'text', (column) => column.notNull().references('consent_record.id').onDelete('cascade'))
    .addColumn('position', 'integer', (column) => column.notNull())
    .addColumn('entry', bytes, (column) => column.notNull())
    .addColumn('mac', bytes, (column) => column.notNull())
    .addPrimaryKeyConstraint('consent_entry_key', ['record', 'position'])
    .execute();
  await db.schema
    .createTable('consent_page')
    .addColumn('page', 'text', (column) => column.notNull().primaryKey())
    .addColumn('links', bytes, (column) => column.notNull())
    .execute();
  await db.schema
    .createTable('consent_head')
    .addColumn('id', 'integer', (column) => column.notNull().primaryKey())
    .addColumn('digests', bytes, (column) => column.notNull())
    .execute();
  await db.schema.alterTable('account').addColumn('paused', 'text').execute();
}
