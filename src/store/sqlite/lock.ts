// One process per database: a lock on a file beside it, held as an exclusive SQLite transaction, which the kernel ends with the process.
import { existsSync } from 'node:fs';
import { dirname } from 'node:path';
import Database from 'better-sqlite3';
import { fromSqlite, locked, noDirectory } from '../errors.ts';

/** Returns what releases the lock. Throws BridgeError `store.locked` where another process, or this one, holds it. */
export function lockDatabase(path: string): () => void {
  if (path === ':memory:') return () => undefined;
  if (!existsSync(dirname(path))) throw noDirectory(path);
  let lock: Database.Database | undefined;
  try {
    lock = new Database(`${path}.lock`, { timeout: 0 });
    lock.exec('BEGIN EXCLUSIVE');
  } catch (error) {
    lock?.close();
    const busy = error instanceof Database.SqliteError && error.code.startsWith('SQLITE_BUSY');
    throw busy ? locked(path) : fromSqlite(error);
  }
  const held = lock;
  return () => held.close();
}
