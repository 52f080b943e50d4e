// Events whose room key has not come stand aside after a while, and the room goes on without them.
import { type Kysely, sql } from 'kysely';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('matrix_event').addColumn('late_since', 'bigint').execute();
  const late = db.schema.createIndex('event_late').on('matrix_event').columns(['room', 'id']);
  await late.where(sql<boolean>`late_since is not null and event is not null`).execute();
}
