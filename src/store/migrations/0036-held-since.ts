// Since when a chat waits for a decision of its user, each way for itself.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const column of ['inbox_held_since', 'outbox_held_since']) {
    await db.schema.alterTable('portal').addColumn(column, 'bigint').execute();
    await db.schema.createIndex(`portal_${column}`).on('portal').column(column).execute();
  }
}
