// Brings a database to the schema of this version, or refuses it where it is newer.
import type { Kysely } from 'kysely';
import { DEFAULT_MIGRATION_TABLE, Migrator } from 'kysely/migration';
import { newerSchema } from './errors.ts';
import { migrations } from './migrations/all.ts';
import type { SqliteConnection } from './sqlite.ts';

/** Whether it has a schema of ours at all. Throws BridgeError `store.newer-schema`. */
export function inspectSchema(connection: SqliteConnection, path: string): 'empty' | 'known' {
  const table = connection.raw.prepare("select 1 from sqlite_master where type = 'table' and name = ?");
  if (!table.get(DEFAULT_MIGRATION_TABLE)) return 'empty';
  const names = connection.raw.prepare<[], string>(`select name from ${DEFAULT_MIGRATION_TABLE}`).pluck().all();
  if (names.some((name) => !(name in migrations))) throw newerSchema(path);
  return names.length === 0 ? 'empty' : 'known';
}

/**
 * Runs what is missing, all or nothing. Nobody else uses the connection yet, so this one transaction may stay open across awaits;
 * kysely does not open one itself on SQLite.
 */
export async function migrate<Schema>(connection: SqliteConnection, db: Kysely<Schema>): Promise<void> {
  connection.exec('BEGIN IMMEDIATE');
  const { error } = await new Migrator({ db, provider: { getMigrations: async () => migrations } }).migrateToLatest();
  connection.exec(error === undefined ? 'COMMIT' : 'ROLLBACK');
  if (error !== undefined) throw error;
}
