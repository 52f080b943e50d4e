// Which files our media host keeps, for whom and until when.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('hosted_file')
    .addColumn('name', 'text', (column) => column.primaryKey())
    .addColumn('account', 'text', (column) => column.notNull().references('account.id').onDelete('cascade'))
    .addColumn('size', 'bigint', (column) => column.notNull())
    .addColumn('expires_at', 'bigint', (column) => column.notNull())
    .execute();
  for (const column of ['account', 'expires_at']) {
    await db.schema.createIndex(`hosted_file_${column}`).on('hosted_file').column(column).execute();
  }
}
