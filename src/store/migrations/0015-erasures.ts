// Users who are being erased, until that is done.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('erasure')
    .addColumn('user', 'text', (column) => column.primaryKey())
    .addColumn('rooms', 'text', (column) => column.notNull())
    .execute();
}
