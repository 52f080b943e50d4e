// Who may begin a chat with a user.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('preference')
    .addColumn('reach', 'text', (column) => column.notNull().defaultTo('everyone'))
    .execute();
}
