// Rotation of the master key over SQLite files.
import { existsSync } from 'node:fs';
import { moved } from '../errors.ts';
import type { Rotation, WrappedKey } from '../rotation.ts';
import { SqliteConnection } from './connection.ts';
import { lockDatabase } from './lock.ts';

export function rotateFiles(paths: readonly string[], rotation: Rotation): void {
  const closing: (() => void)[] = [];
  try {
    const files = paths.filter(existsSync).map((path) => {
      closing.push(lockDatabase(path));
      const connection = new SqliteConnection(path);
      closing.push(() => connection.close());
      // Their keys live elsewhere now: the old master key would be gone that opens them there.
      const elsewhere = movedTo(connection);
      if (elsewhere !== undefined) throw moved(path, elsewhere);
      return { connection, pending: rotation.pending(keysOf(connection), path) };
    });
    for (const { connection, pending } of files) rewrap(connection, pending, rotation);
  } finally {
    for (const close of closing.reverse()) close();
  }
}

function movedTo(connection: SqliteConnection): string | undefined {
  const setting = "select 1 from sqlite_master where type = 'table' and name = 'setting'";
  if (!connection.raw.prepare(setting).get()) return undefined;
  return connection.raw.prepare<[], string>("select value from setting where name = 'moved'").pluck().get();
}

function keysOf(connection: SqliteConnection): WrappedKey[] {
  const table = connection.raw.prepare("select 1 from sqlite_master where type = 'table' and name = 'data_key'");
  return table.get() ? connection.raw.prepare<[], WrappedKey>('select id, wrapped from data_key').all() : [];
}

function rewrap(connection: SqliteConnection, keys: readonly WrappedKey[], rotation: Rotation): void {
  if (keys.length > 0) {
    connection.transaction(() => {
      const update = connection.raw.prepare('update data_key set wrapped = ? where id = ?');
      for (const key of keys) update.run(rotation.rewrap(key), key.id);
    });
  }
  // Also after an interrupted run: the log must not keep keys wrapped by the old master key.
  connection.emptyLog();
}
