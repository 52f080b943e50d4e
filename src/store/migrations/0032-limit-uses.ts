// How much of its rate limits each account and contact has used, and everybody together.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('limit_use')
    .addColumn('name', 'text', (column) => column.notNull())
    .addColumn('scope', 'text', (column) => column.notNull())
    .addColumn('subject', 'text', (column) => column.notNull())
    .addColumn('points', 'bigint', (column) => column.notNull())
    .addColumn('until', 'bigint', (column) => column.notNull())
    .addPrimaryKeyConstraint('limit_use_key', ['subject', 'name', 'scope'])
    .execute();
  await db.schema.createIndex('limit_use_until').on('limit_use').columns(['until']).execute();
}
