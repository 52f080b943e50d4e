// Rotation of the master key: every data key of every file is wrapped anew. What they seal stays as it is.
import { createSecretKey, type KeyObject } from 'node:crypto';
import { existsSync } from 'node:fs';
import { wrongKey } from './errors.ts';
import { unwrapKey, wrapKey } from './keyring.ts';
import { SqliteConnection } from './sqlite/connection.ts';
import { lockDatabase } from './sqlite/lock.ts';

interface WrappedKey {
  readonly id: string;
  readonly wrapped: Buffer;
}

/**
 * Rewraps the keys of these database files (the store's and the crypto journal's), which no process may have open. Each file changes
 * in one transaction and carries its own key check, so an interrupted rotation is finished by running it again with the same two
 * keys: a file that has the new key already is left alone. Keep both keys until it has resolved. A file that does not exist is skipped.
 *
 * Rejects with BridgeError `store.wrong-key` where neither key fits a file, before any file is changed, and with `store.locked`
 * where one is in use.
 */
export async function rotateMasterKey(paths: readonly string[], oldKey: Uint8Array, newKey: Uint8Array): Promise<void> {
  const [old, next] = [createSecretKey(oldKey), createSecretKey(newKey)];
  const closing: (() => void)[] = [];
  try {
    const files = paths.filter(existsSync).map((path) => {
      closing.push(lockDatabase(path));
      const connection = new SqliteConnection(path);
      closing.push(() => connection.close());
      return { connection, pending: pendingKeys(connection, path, old, next) };
    });
    for (const { connection, pending } of files) rewrap(connection, pending, old, next);
  } finally {
    for (const close of closing.reverse()) close();
  }
}

/** The keys that are still wrapped by the old master key: all of the file's or none. */
function pendingKeys(connection: SqliteConnection, path: string, old: KeyObject, next: KeyObject): WrappedKey[] {
  const table = connection.raw.prepare("select 1 from sqlite_master where type = 'table' and name = 'data_key'");
  if (!table.get()) return [];
  const keys = connection.raw.prepare<[], WrappedKey>('select id, wrapped from data_key').all();
  const check = keys.find(({ id }) => id === 'check');
  if (!check || fits(next, check)) return [];
  if (!fits(old, check)) throw wrongKey(path);
  return keys;
}

function rewrap(connection: SqliteConnection, keys: readonly WrappedKey[], old: KeyObject, next: KeyObject): void {
  if (keys.length > 0) {
    connection.transaction(() => {
      const update = connection.raw.prepare('update data_key set wrapped = ? where id = ?');
      for (const { id, wrapped } of keys) update.run(wrapKey(next, id, unwrapKey(old, id, wrapped)), id);
    });
  }
  // Also after an interrupted run: the log must not keep keys wrapped by the old master key.
  connection.emptyLog();
}

function fits(master: KeyObject, { id, wrapped }: WrappedKey): boolean {
  try {
    unwrapKey(master, id, wrapped);
    return true;
  } catch {
    return false;
  }
}
