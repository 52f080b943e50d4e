// Which key of a contact's device the user has compared with the other person.
import type { Kysely } from 'kysely';
import { columnTypes } from './column-types.ts';

export async function up(db: Kysely<unknown>): Promise<void> {
  await db.schema.alterTable('peer_trust').addColumn('verified', columnTypes(db).bytes).execute();
}
