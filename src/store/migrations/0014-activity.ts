// When each account last carried a message, to the hour: who writes is connected first. And indexes that a planner without statistics takes.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema
    .alterTable('account')
    .addColumn('active_at', 'bigint', (column) => column.notNull().defaultTo(0))
    .execute();
  await sql`update account set active_at = created_at`.execute(db);
  await db.schema.createIndex('account_activity').on('account').columns(['active_at', 'id']).execute();
  await db.schema.dropIndex('ghost_ready').execute();
  const ready = db.schema.createIndex('ghost_ready').on('ghost').columns(['actor']);
  await ready.where(sql<boolean>`ready = 1`).execute();
  await db.schema.dropIndex('inbox_receipt').execute();
  const due = db.schema.createIndex('inbox_receipt').on('inbox').columns(['account', 'state', 'id']);
  await due.where(sql<boolean>`state = 'accepted' and notice = 0`).execute();
  const open = db.schema.createIndex('outbox_open_of_account').on('outbox').columns(['account', 'portal']);
  await open.where(sql<boolean>`state in ('transfer', 'ready', 'encrypted')`).execute();
}
