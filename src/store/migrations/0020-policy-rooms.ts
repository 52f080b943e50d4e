// Policy rooms and who subscribes to them.
import type { Kysely } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { bytes } = columnTypes(db);
  await db.schema
    .createTable('policy_room')
    .addColumn('room', 'text', (column) => column.notNull().primaryKey())
    .addColumn('state', 'text', (column) => column.notNull())
    .addColumn('rules', bytes)
    .execute();
  await db.schema
    .createTable('policy_subscription')
    .addColumn('id', 'text', (column) => column.notNull().primaryKey())
    .addColumn('account', 'text', (column) => column.references('account.id').onDelete('cascade'))
    .addColumn('room', 'text', (column) => column.notNull().references('policy_room.room').onDelete('cascade'))
    .addColumn('name', bytes, (column) => column.notNull())
    .addColumn('created_at', 'bigint', (column) => column.notNull())
    .execute();
  await db.schema.createIndex('subscription_of_account').on('policy_subscription').columns(['account']).execute();
  await db.schema.createIndex('subscription_to_room').on('policy_subscription').columns(['room']).execute();
}
