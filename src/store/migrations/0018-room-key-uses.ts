// Which messages under each room key have been handled: the same one under another event id is a repetition.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .createTable('room_key_use')
    .addColumn('portal', 'text', (column) => column.notNull().references('portal.id').onDelete('cascade'))
    .addColumn('session', 'text', (column) => column.notNull())
    .addColumn('used', 'text', (column) => column.notNull())
    .addPrimaryKeyConstraint('room_key_use_key', ['portal', 'session'])
    .execute();
}
