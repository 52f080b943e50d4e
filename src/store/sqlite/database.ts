// The store's database as a SQLite file.
import { Kysely } from 'kysely';
import { DEFAULT_MIGRATION_TABLE } from 'kysely/migration';
import type { Database } from '../database.ts';
import { migrateToLatest } from '../migrate.ts';
import type { Tables } from '../tables.ts';
import { createPrivateFile, SqliteConnection } from './connection.ts';
import { BlindDialect } from './dialect.ts';
import { lockDatabase } from './lock.ts';
import { SqliteWriter } from './writer.ts';

/** Throws BridgeError `store.locked`, `store.no-directory`, `store.unavailable` or `store.corrupt`. */
export function openSqlite(path: string): Database {
  const unlock = lockDatabase(path);
  try {
    createPrivateFile(path);
    return database(path, new SqliteConnection(path), unlock);
  } catch (error) {
    unlock();
    throw error;
  }
}

function database(path: string, connection: SqliteConnection, unlock: () => void): Database {
  const db = new Kysely<Tables>({ dialect: new BlindDialect({ database: connection }) });
  const writer = new SqliteWriter(connection);
  return {
    name: path,
    db,
    writer,
    migrated: async () => {
      const table = connection.raw.prepare("select 1 from sqlite_master where type = 'table' and name = ?");
      if (!table.get(DEFAULT_MIGRATION_TABLE)) return [];
      return connection.raw.prepare<[], string>(`select name from ${DEFAULT_MIGRATION_TABLE}`).pluck().all();
    },
    // Nobody else uses the connection yet, so this one transaction may stay open across awaits; kysely does not open one on SQLite.
    migrate: async () => {
      connection.exec('BEGIN IMMEDIATE');
      try {
        await migrateToLatest(db);
        connection.exec('COMMIT');
      } catch (error) {
        // On a full disk SQLite has done so itself.
        if (connection.raw.inTransaction) connection.exec('ROLLBACK');
        throw error;
      }
    },
    scrub: async () => connection.emptyLog(),
    compact: async () => {
      connection.exec('VACUUM');
      connection.emptyLog();
    },
    examine: async () => {
      const found = connection.raw.prepare<[], string>('pragma quick_check(10)').pluck().all();
      return found.filter((text) => text !== 'ok');
    },
    close: async () => {
      await writer.close();
      connection.emptyLog();
      connection.close();
      unlock();
    },
  };
}
