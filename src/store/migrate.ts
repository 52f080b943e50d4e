// Brings a database to the schema of this version, or refuses it where it is newer.
import type { Kysely } from 'kysely';
import { Migrator } from 'kysely/migration';
import type { Database } from './database.ts';
import { newerSchema } from './errors.ts';
import { migrations } from './migrations/all.ts';

/** Whether it has a schema of ours at all. Rejects with BridgeError `store.newer-schema`. */
export async function inspectSchema(database: Database): Promise<'empty' | 'known'> {
  const names = await database.migrated();
  if (names.some((name) => !(name in migrations))) throw newerSchema(database.name);
  return names.length === 0 ? 'empty' : 'known';
}

/** Runs what is missing; on a dialect whose schema changes are transactional, all or nothing. `schema` is where PostgreSQL keeps it. */
export async function migrateToLatest<Schema>(db: Kysely<Schema>, schema?: string): Promise<void> {
  const place = schema === undefined ? {} : { migrationTableSchema: schema };
  const provider = { getMigrations: async () => migrations };
  const { error } = await new Migrator({ db, provider, ...place }).migrateToLatest();
  if (error !== undefined) throw error;
}
