// How statements are made: built once, prepared once, and right for whatever values come.
import { join } from 'node:path';
import { constants, DatabaseSync } from 'node:sqlite';
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import { expect, it, vi } from 'vitest';
import type { OutboxId } from '../../src/model/ids.ts';
import { built } from '../../src/store/built.ts';
import { SqliteConnection } from '../../src/store/sqlite/connection.ts';
import type { Tables } from '../../src/store/tables.ts';
import { aChat, dialect, openTestStore, temporaryDirectory } from '../support/store.ts';

const database = (): Kysely<Tables> =>
  new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });

type Given = { readonly id: OutboxId; readonly retries?: number; readonly failure?: string | null };

it('builds a statement once for each database and each set of values, and fills in what comes', () => {
  const build = vi.fn((db: Kysely<Tables>, { id, ...columns }: Given) =>
    db.updateTable('outbox').set(columns).where('id', '=', id).where('state', '=', 'ready'),
  );
  const update = built(build);
  const [one, other] = [database(), database()];
  const made = (db: Kysely<Tables>, given: Given) => {
    const { sql, parameters } = update(db, given).compile();
    return { sql, parameters };
  };
  const [first, second] = [1 as OutboxId, 2 as OutboxId];
  const retriesOnly = 'update "outbox" set "retries" = ? where "id" = ? and "state" = ?';
  expect(made(one, { id: first, retries: 3 })).toEqual({ sql: retriesOnly, parameters: [3, first, 'ready'] });
  expect(made(one, { id: second, retries: 4 })).toEqual({ sql: retriesOnly, parameters: [4, second, 'ready'] });
  expect(made(one, { id: second, failure: null })).toEqual({
    sql: 'update "outbox" set "failure" = ? where "id" = ? and "state" = ?',
    parameters: [null, second, 'ready'],
  });
  expect(build).toHaveBeenCalledTimes(2);
  expect(made(other, { id: first, retries: 3 }).sql).toBe(retriesOnly);
  expect(build).toHaveBeenCalledTimes(3);
});

it.runIf(dialect === 'sqlite')('has SQLite prepare a statement once, whatever is bound to it', async () => {
  const path = join(temporaryDirectory(), 'bridge.db');
  const prepared = vi.spyOn(SqliteConnection.prototype, 'prepare');
  const store = await openTestStore({ path });
  const { account, portal } = await aChat(store);
  prepared.mockClear();
  await store.inbox.receiptsDue(account.id, 10);
  await store.inbox.next(portal.id);
  const statements = prepared.mock.calls.map(([sql]) => sql).filter((sql) => sql.includes('limit'));
  prepared.mockRestore();
  await store.close();

  const file = new DatabaseSync(path);
  let lookedAt = 0;
  // SQLite asks while it prepares, also when it does so by itself before it runs what has been prepared.
  file.setAuthorizer(() => {
    lookedAt += 1;
    return constants.SQLITE_OK;
  });
  expect(statements).toHaveLength(2);
  for (const sql of statements) {
    const statement = file.prepare(sql);
    const once = lookedAt;
    const values = Array.from(sql.matchAll(/\?/g), () => 5);
    statement.all(...values);
    statement.all(...values.map((value) => value + 1));
    expect(lookedAt).toBe(once);
  }
  file.close();
});
