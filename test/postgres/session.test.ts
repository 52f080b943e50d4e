// Connections that are lost: what was committed stays, what was not is refused, and whoever has lost the database writes no more.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, inject, it, onTestFinished, vi } from 'vitest';
import { CryptoDatabases } from '../../src/matrix/crypto/databases.ts';
import { BridgeError } from '../../src/model/errors.ts';
import { type ActorId, newMessageId } from '../../src/model/ids.ts';
import { openCryptoJournal } from '../../src/store/crypto-journal.ts';
import { openStore } from '../../src/store/open-store.ts';
import { postgresAddress } from '../../src/store/postgres/client.ts';
import { CuttingProxy } from '../support/cutting-proxy.ts';
import { crash, createSchema, dropSchema, query, startPostgres } from '../support/postgres-server.ts';
import { aChat, masterKey, message, openTestJournal, openTestStore, temporaryDirectory } from '../support/store.ts';

const clock = { now: () => 1_000 };
const payload = new Uint8Array([1, 2, 3]);
const actor = 'ghost-1' as ActorId;
const put = (n: number) =>
  ({ op: 'put', database: 'd', store: 's', key: Uint8Array.of(n), value: Uint8Array.of(n) }) as const;
const schema = { op: 'schema', database: 'd', schema: '{}' } as const;

async function place(server = inject('postgres')) {
  if (server === undefined) throw new Error('these tests need a PostgreSQL server');
  const direct = await createSchema(server);
  onTestFinished(() => dropSchema(direct));
  const proxy = await CuttingProxy.start(direct);
  onTestFinished(() => proxy.stop());
  return { direct, proxy };
}

/** Until it succeeds; everything else than "try again later" is an error. */
async function persistently<Result>(work: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      expect(error).toMatchObject({ code: 'store.unavailable', retry: 'later' });
    }
  }
}

it('goes on, reading and writing, after every connection was lost', async () => {
  const { proxy } = await place();
  const store = await openTestStore({ postgres: proxy.url });
  const { portal } = await aChat(store);
  for (let round = 1; round <= 3; round += 1) {
    proxy.cutAll();
    const row = message(portal, payload);
    await persistently(() => store.commit([{ change: 'inbox.add', row }]));
    expect(await persistently(() => store.inbox.waiting(portal.id))).toBe(round);
  }
});

it('reads over another connection after one that hangs', async () => {
  const { proxy, direct } = await place();
  await (await openTestStore({ postgres: direct })).close();
  const url = new URL(proxy.url);
  // Half a minute otherwise.
  url.searchParams.set('query_timeout', '3000');
  const store = await openTestStore({ postgres: url.href });
  const { portal } = await aChat(store);
  expect(await store.inbox.waiting(portal.id)).toBe(0);
  proxy.hangAll();
  await expect(store.inbox.waiting(portal.id)).rejects.toMatchObject({ code: 'store.unavailable', retry: 'later' });
  expect(await store.inbox.waiting(portal.id)).toBe(0);
  proxy.cutAll();
});

it('knows of a commit whose answer was lost that it was made', async () => {
  const { proxy } = await place();
  const store = await openTestStore({ postgres: proxy.url });
  const { portal } = await aChat(store);
  proxy.cutAt('after-commit');
  const rows = [newMessageId(), newMessageId()].map((id) => message(portal, payload, id));
  await Promise.all(rows.map((row) => store.commit([{ change: 'inbox.add', row }])));
  expect(await persistently(() => store.inbox.waiting(portal.id))).toBe(2);
});

it('refuses what did not reach the server, and nothing of it is there', async () => {
  const { proxy } = await place();
  const store = await openTestStore({ postgres: proxy.url });
  const { portal } = await aChat(store);
  const row = message(portal, payload);
  proxy.cutAt('before-commit');
  await expect(store.commit([{ change: 'inbox.add', row }])).rejects.toMatchObject({
    code: 'store.unavailable',
    retry: 'later',
  });
  expect(await persistently(() => store.inbox.waiting(portal.id))).toBe(0);
  await store.commit([{ change: 'inbox.add', row }]);
});

it.runIf(inject('postgresAuthority'))(
  'knows after a crash of the server what was committed and what was not, whoever has used it since',
  async () => {
    const server = await startPostgres();
    onTestFinished(server.stop);
    // What is not committed stays in memory, so that the crash forgets which transaction ids were given out.
    await query(server.url, "alter system set wal_writer_delay = '10s'");
    await query(server.url, 'select pg_reload_conf()');
    const { direct, proxy } = await place(server.url);
    const store = await openTestStore({ postgres: proxy.url });
    const { portal } = await aChat(store);
    const others = async (transactions: number): Promise<void> => {
      await query(server.url, 'create table if not exists others (n integer)');
      for (let n = 0; n < transactions; n += 1) await query(server.url, `insert into others values (${n})`);
    };
    const waiting = async () => (await query(direct, 'select id from inbox')).length;
    for (const [moment, transactions, outcome, rows] of [
      ['before-commit', 0, 'store.unavailable', 0],
      ['before-commit', 30, 'store.unavailable', 0],
      ['after-commit', 30, 'made', 1],
    ] as const) {
      const away = proxy.goAwayAt(moment);
      const committed = store.commit([{ change: 'inbox.add', row: message(portal, payload) }]).then(
        () => 'made',
        (error: unknown) => error,
      );
      await away;
      await crash(server.url);
      if (transactions > 0) await others(transactions);
      proxy.setAway(false);
      const found = await committed;
      expect(found instanceof BridgeError ? found.code : found).toBe(outcome);
      expect(await waiting()).toBe(rows);
    }
  },
  90_000,
);

it.runIf(inject('postgresAuthority'))(
  'remembers nothing from before a commit that was called failed and is seen after all',
  async () => {
    const server = await startPostgres();
    onTestFinished(server.stop);
    const { direct } = await place(server.url);
    await (await openTestStore({ postgres: direct })).close();
    const url = new URL(direct);
    url.searchParams.set('query_timeout', '3000');
    const store = await openTestStore({ postgres: url.href });
    const { portal } = await aChat(store);
    const standby = async (statement: string): Promise<void> => {
      await query(server.url, `alter system ${statement}`);
      await query(server.url, 'select pg_reload_conf()');
    };
    // Every commit waits for a standby that is not there.
    await standby("set synchronous_standby_names = 'away'");
    // The minute for which the outcome is asked for passes at once.
    vi.useFakeTimers({ toFake: ['Date'] });
    onTestFinished(() => void vi.useRealTimers());
    const passing = setInterval(() => vi.setSystemTime(Date.now() + 10_000), 50);
    onTestFinished(() => clearInterval(passing));
    const renamed = (n: number) =>
      store.commit([{ change: 'portal.name', portal: portal.id, givenName: `name ${n}` }]).then(
        () => undefined,
        (error: unknown) => error,
      );
    let n = 1;
    let error = await renamed(n);
    // It takes the server a moment to know that it has a standby.
    while (error === undefined) error = await renamed(++n);
    expect(error).toMatchObject({ code: 'store.unavailable' });
    const name = async () => (await store.portals.get(portal.id))?.givenName;
    expect(await name()).toBe(n === 1 ? undefined : `name ${n - 1}`);

    await standby('reset synchronous_standby_names');
    await persistently(() => store.commit([{ change: 'inbox.add', row: message(portal, payload) }]));
    expect(await name()).toBe(`name ${n}`);
  },
  60_000,
);

it('writes no more once another process has taken the database over, and says so', async () => {
  const { direct, proxy } = await place();
  const taken: unknown[] = [];
  const onTakenOver = (error: Error) => void taken.push(error);
  const first = await openStore({ postgres: proxy.url, masterKey, clock, onTakenOver });
  onTestFinished(() => first.close());
  const { portal } = await aChat(first);
  proxy.cutAll();
  const second = await openTestStore({ postgres: direct });
  const late = first.commit([{ change: 'inbox.add', row: message(portal, payload) }]);
  await expect(late).rejects.toMatchObject({ code: expect.stringMatching(/^store\.(locked|unavailable)$/) });
  await second.close();
  // Also when the lock is free again: what this process has in memory is out of date.
  const later = first.commit([{ change: 'inbox.add', row: message(portal, payload) }]);
  await expect(later).rejects.toMatchObject({ code: 'store.locked', retry: 'after-action' });
  expect(taken).toEqual([expect.objectContaining({ code: 'store.locked' })]);
});

it('journals every append once and in order, whatever happens to the connection', async () => {
  const { proxy } = await place();
  const journal = await openTestJournal({ postgres: proxy.url });
  journal.append(actor, [schema, put(1), put(2)]);
  proxy.cutAll();
  journal.append(actor, [{ op: 'delete', database: 'd', store: 's', key: Uint8Array.of(1) }, put(3)]);
  await journal.flushed();
  for (const moment of ['after-commit', 'before-commit'] as const) {
    proxy.cutAt(moment);
    journal.append(actor, [put(4)]);
    journal.append(actor, [{ op: 'delete', database: 'd', store: 's', key: Uint8Array.of(3) }]);
    await journal.flushed();
  }
  expect((await journal.load(actor)).rows.map(({ value }) => [...value])).toEqual([[2], [4]]);
});

it('ends the process where what a machine has changed can no longer be written', async () => {
  const { direct, proxy } = await place();
  const journal = await openTestJournal({ postgres: proxy.url });
  const fatal: unknown[] = [];
  const databases = new CryptoDatabases(journal, (error) => void fatal.push(error));
  journal.append(actor, [schema, put(1)]);
  await databases.flushed();
  proxy.cutAll();
  await (await openCryptoJournal({ postgres: direct, masterKey })).close();
  journal.append(actor, [put(2)]);
  await expect(databases.flushed()).rejects.toMatchObject({ code: 'crypto.journal-failed' });
  expect(fatal).toEqual([expect.objectContaining({ code: 'crypto.journal-failed' })]);
  await expect(journal.load(actor)).rejects.toMatchObject({ code: 'store.locked' });
});

it.runIf(inject('postgresAuthority'))('checks the certificate of the server, and is encrypted', async () => {
  const { direct } = await place();
  const file = join(temporaryDirectory(), 'authority.pem');
  writeFileSync(file, inject('postgresAuthority') ?? '');
  const url = new URL(direct);
  url.searchParams.set('sslmode', 'verify-full');
  await expect(openStore({ postgres: url.href, masterKey, clock })).rejects.toMatchObject({
    code: 'store.refused',
    message: expect.stringMatching(/certificate of the server is not trusted/),
  });
  url.searchParams.set('sslrootcert', file);
  const store = await openTestStore({ postgres: url.href });
  await aChat(store);
  // Every other connection of these tests stays on this machine, and is plain.
  const encrypted = await query(
    direct,
    "select 1 from pg_stat_ssl join pg_stat_activity using (pid) where ssl and application_name = 'matrix-appservice-whatsapp'",
  );
  expect(encrypted.length).toBeGreaterThan(0);
});

it('uses TLS by itself where the server is not on this machine', () => {
  const { config } = postgresAddress('postgres://bridge:secret@db.example.org/bridge');
  expect(config.ssl).toBe(true);
  expect(postgresAddress('postgres://bridge@db.example.org/bridge?sslmode=disable').config.ssl).toBeUndefined();
  expect(postgresAddress('postgres://bridge@localhost/bridge').config.ssl).toBeUndefined();
});

it('says why it cannot connect, and never the password', async () => {
  const { direct } = await place();
  const changed = (change: (url: URL) => void): string => {
    const url = new URL(direct);
    url.password = 'pass-canary-77';
    change(url);
    return url.href;
  };
  const cases: [string, string, RegExp][] = [
    [changed(() => undefined), 'store.refused', /wrong user or password/],
    [changed((url) => (url.port = '1')), 'store.unavailable', /ECONNREFUSED/],
    [changed((url) => url.searchParams.set('sslmode', 'prefer')), 'store.address', /sslmode is verify-full/],
    [changed((url) => url.searchParams.set('sslrootcert', '/nowhere.pem')), 'store.address', /nowhere\.pem .*ENOENT/],
    ['postgres://user:pass-canary-77@ho st/db', 'store.address', /no postgres:\/\/ address/],
  ];
  for (const [postgres, code, text] of cases) {
    const error = await openStore({ postgres, masterKey, clock }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, message: expect.stringMatching(text) });
    const cause = error instanceof Error && error.cause instanceof Error ? error.cause : undefined;
    expect(`${JSON.stringify(error)}${String(error)}${JSON.stringify(cause)}${String(cause)}`).not.toContain('canary');
  }
});
