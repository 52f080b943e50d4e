// Who else has got into a chat, and whether the user lets them stay.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('portal_visitor')
    .addColumn('portal', 'text', (column) => column.notNull().references('portal.id').onDelete('cascade'))
    .addColumn('user', 'text', (column) => column.notNull())
    .addColumn('allowed', 'integer', (column) => column.notNull())
    .addPrimaryKeyConstraint('portal_visitor_key', ['portal', 'user'])
    .execute();
}
