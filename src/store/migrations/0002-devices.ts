// Several devices for each contact: what is known of them, and which of them wait for a message.
import { type Kysely, sql } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { bytes } = columnTypes(db);
  await db.schema
    .createTable('device_list')
    .addColumn('contact', 'text', (column) => column.notNull().references('contact.id').onDelete('cascade'))
    .addColumn('account', 'text', (column) => column.notNull().references('account.id').onDelete('cascade'))
    .addColumn('list', bytes, (column) => column.notNull())
    .addPrimaryKeyConstraint('device_list_key', ['contact', 'account'])
    .execute();
  await db.schema.createIndex('devices_of_account').on('device_list').columns(['account']).execute();
  await db.schema
    .alterTable('outbox')
    .addColumn('retry_for', 'text', (column) => column.notNull().defaultTo('[]'))
    .execute();
  await db.schema
    .alterTable('outbox')
    .addColumn('confirmed', 'integer', (column) => column.notNull().defaultTo(0))
    .execute();
  // A retry that was under way concerned every device that the message waited for.
  await sql`update outbox set retry_for = waiting_for where state = 'ready' and retries > 0`.execute(db);
}
