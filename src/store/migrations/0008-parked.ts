// Messages that cannot be carried are parked with their content, for as long as their ids are remembered.
import { type Kysely, sql } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  const { bytes } = columnTypes(db);
  await db.schema.alterTable('inbox').addColumn('failure', 'text').execute();
  await db.schema.alterTable('outbox').addColumn('file', bytes).execute();
  await sql`update outbox set state = 'parked' where state = 'failed'`.execute(db);
  for (const journal of ['inbox', 'outbox']) {
    const parked = db.schema.createIndex(`${journal}_parked`).on(journal).columns(['id']);
    await parked.where(sql<boolean>`state = 'parked'`).execute();
  }
}
