// Since when nobody needs a row: what is not dealt with, but leads nowhere any more, is forgotten as well.
import type { Kysely } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  for (const table of ['pending_command', 'user_trust', 'bot_message']) {
    await db.schema.alterTable(table).addColumn('idle_since', 'bigint').execute();
  }
}
