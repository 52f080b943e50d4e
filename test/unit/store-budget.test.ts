// The metadata budget names every column that there is, and no other.
import Database from 'better-sqlite3';
import { expect, test } from 'vitest';
import { namesIn } from '../../src/model/budget/recipients.ts';
import { storedTables } from '../../src/model/budget/stored-fields.ts';
import { aPlace, execute, openTestJournal, openTestStore } from '../support/store.ts';

/** The journal's tables have other names in a file of their own. */
const names: Readonly<Record<string, string>> = { data_key: 'journal_key', sync_token: 'journal_sync_token' };

async function columns(): Promise<Record<string, readonly string[]>> {
  const place = await aPlace();
  await (await openTestStore(place)).close();
  if ('postgres' in place) {
    await (await openTestJournal(place)).close();
    const all = await execute(
      place,
      'select table_name as name, column_name as column from information_schema.columns where table_schema = current_schema()',
    );
    return grouped(all.map(({ name, column }) => [String(name), String(column)]));
  }
  const crypto = place.path.replace('bridge.db', 'crypto.db');
  await (await openTestJournal({ path: crypto })).close();
  return { ...read(place.path, (name) => name), ...read(crypto, (name) => names[name] ?? name) };
}

function read(path: string, rename: (name: string) => string): Record<string, readonly string[]> {
  const database = new Database(path, { readonly: true });
  const sql = `select t.name, c.name as "column" from sqlite_master t, pragma_table_info(t.name) c where t.type = 'table'`;
  const all = database.prepare<[], { name: string; column: string }>(sql).all();
  database.close();
  return grouped(all.map(({ name, column }) => [rename(name), column]));
}

/** Of the database's own bookkeeping: a version, which process writes, and a random mark of what it wrote last. */
const internal: ReadonlySet<string> = new Set(['journal_version', 'lock_holder', 'last_write']);

function grouped(all: readonly (readonly [string, string])[]): Record<string, readonly string[]> {
  const ours = all.filter(([name]) => !/^(sqlite_|kysely_)/.test(name) && !internal.has(name));
  const byTable = Map.groupBy(ours, ([name]) => name);
  return Object.fromEntries([...byTable].map(([name, rows]) => [name, rows.map(([, column]) => column).sort()]));
}

test('every column has an entry in src/model/budget/stored-fields.ts, and every entry a column', async () => {
  const budgeted = Object.entries(storedTables).map(([name, { plain, sealed = '', hashed = '' }]) => [
    name,
    [...namesIn(`${plain} ${sealed} ${hashed}`)].sort(),
  ]);
  expect(await columns()).toEqual(Object.fromEntries(budgeted));
});
