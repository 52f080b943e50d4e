// Messages that cannot be decrypted yet keep their place in the chat.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('inbox').addColumn('since', 'bigint').execute();
  await db.schema.dropIndex('inbox_open').execute();
  const open = sql<boolean>`state in ('received', 'encrypted', 'awaited')`;
  await db.schema.createIndex('inbox_open').on('inbox').columns(['portal', 'id']).where(open).execute();
}
