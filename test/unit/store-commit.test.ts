// Commits: all or nothing, each by itself although they share a transaction, durable when they resolve.
import { CompiledQuery } from 'kysely';
import { expect, it } from 'vitest';
import type { TransactionSeq } from '../../src/model/ids.ts';
import { SqliteConnection } from '../../src/store/sqlite/connection.ts';
import { SqliteWriter } from '../../src/store/sqlite/writer.ts';
import type { Steps } from '../../src/store/steps.ts';
import { aChat, aContact, anAccount, aPortal, departure, message, openTestStore, outgoing } from '../support/store.ts';

const payload = new Uint8Array([1, 2, 3]);

it('rolls the whole commit back when one change conflicts', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const row = message(portal, payload);
  const peer = { account: portal.account, contact: portal.contact, device: 0 };
  await store.commit([
    { change: 'signal.session', peer, record: new Uint8Array([1]) },
    { change: 'inbox.add', row },
  ]);

  const again = store.commit([
    { change: 'signal.session', peer, record: new Uint8Array([2]) },
    { change: 'inbox.add', row },
  ]);
  await expect(again).rejects.toMatchObject({ code: 'store.conflict' });
  expect([...((await store.signal.session(peer)) ?? [])]).toEqual([1]);
});

it('lets one commit fail and its neighbours in the same transaction succeed', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const row = message(portal, payload);
  const orphan = message(aPortal(portal.account, portal.contact), payload);
  const results = await Promise.allSettled([
    store.commit([{ change: 'inbox.add', row }]),
    store.commit([{ change: 'inbox.add', row: orphan }]),
    store.commit([{ change: 'inbox.add', row }]),
    store.commit([{ change: 'inbox.add', row: message(portal, payload) }]),
  ]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected', 'fulfilled']);
  expect(results[1]).toMatchObject({ reason: { code: 'store.gone' } });
  expect(results[2]).toMatchObject({ reason: { code: 'store.conflict' } });
  expect(await store.inbox.waiting(portal.id)).toBe(2);
});

it('uses a data key in the commit that makes it, and forgets it when that commit fails', async () => {
  const store = await openTestStore();
  const account = anAccount();
  const identity = { keyPair: payload, registrationId: 1, nextPreKeyId: 2 };
  const put = { change: 'account.put', account } as const;
  const withIdentity = { change: 'signal.identity', account: account.id, identity } as const;

  const failing = [put, withIdentity, { change: 'transaction.done', seq: 99 as TransactionSeq } as const];
  await expect(store.commit(failing)).rejects.toMatchObject({ code: 'store.gone' });
  expect(await store.accounts.get(account.id)).toBeUndefined();

  await store.commit([put, withIdentity]);
  expect(await store.signal.identity(account.id)).toMatchObject({ registrationId: 1, nextPreKeyId: 2 });
  expect(await store.accounts.get(account.id)).toEqual(account);
});

it('refuses what belongs to an erased account, and does not bring it back', async () => {
  const store = await openTestStore();
  const { account, portal } = await aChat(store);
  await store.commit([{ change: 'inbox.add', row: message(portal, payload) }]);
  const row = await store.inbox.next(portal.id);
  if (!row) throw new Error('no row');
  await store.commit([departure(account)]);

  const late = [
    [{ change: 'account.put', account }],
    [{ change: 'inbox.add', row: message(portal, payload) }],
    [{ change: 'inbox.state', id: row.id, state: { at: 'done', event: undefined } }],
    [{ change: 'outbox.add', row: outgoing(portal, payload) }],
    [{ change: 'signal.pre-keys', account: account.id, keys: [{ id: 1, record: payload }] }],
    [departure(account)],
  ] as const;
  for (const changes of late) await expect(store.commit(changes)).rejects.toMatchObject({ code: 'store.gone' });
  expect(await store.accounts.ids()).toEqual([]);
  expect(await store.accounts.departures()).toMatchObject([
    { account: account.id, interopAccountId: expect.stringMatching(/^\d+$/), attempts: 0 },
  ]);
});

it('spends a one-time pre-key once', async () => {
  const store = await openTestStore();
  const { account } = await aChat(store);
  await store.commit([{ change: 'signal.pre-keys', account: account.id, keys: [{ id: 5, record: payload }] }]);
  const use = { change: 'signal.pre-key-used', account: account.id, id: 5 } as const;
  const results = await Promise.allSettled([store.commit([use]), store.commit([use])]);
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected']);
});

it('keeps one account per user and network, and one owner per address', async () => {
  const store = await openTestStore();
  const { account, contact } = await aChat(store);
  const second = store.commit([{ change: 'account.put', account: anAccount({ user: account.user }) }]);
  await expect(second).rejects.toMatchObject({ code: 'store.conflict' });

  const other = aContact({ addresses: contact.addresses.slice(0, 1) });
  await expect(store.commit([{ change: 'contact.create', ...other }])).rejects.toMatchObject({
    code: 'store.conflict',
  });
  expect(await store.contacts.get(other.contact.id)).toBeUndefined();
});

it('answers reads while commits are queued, from what is committed', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const commits = Array.from({ length: 250 }, () =>
    store.commit([{ change: 'inbox.add', row: message(portal, payload) }]),
  );
  expect(await store.inbox.waiting(portal.id)).toBe(0);
  await Promise.all(commits);
  expect(await store.inbox.waiting(portal.id)).toBe(250);
});

it('finishes what was handed over before it closes, and refuses what comes later', async () => {
  const store = await openTestStore();
  const commit = store.commit([{ change: 'account.put', account: anAccount() }]);
  await store.close();
  await expect(commit).resolves.toBeUndefined();
  await expect(store.commit([])).rejects.toMatchObject({ code: 'store.closed' });
});

it('says that a full disk may be tried again, and works on when there is room', async () => {
  const connection = new SqliteConnection(':memory:');
  const writer = new SqliteWriter(connection);
  connection.exec('create table t (id integer primary key, data blob)');
  function* insert(size: number): Steps {
    yield { query: CompiledQuery.raw('insert into t (data) values (?)', [Buffer.alloc(size)]), awaited: false };
  }
  connection.raw.pragma('max_page_count = 20');
  await expect(writer.submit(() => insert(1_000_000))).rejects.toMatchObject({
    code: 'store.unavailable',
    retry: 'later',
  });
  connection.raw.pragma('max_page_count = 10000');
  await writer.submit(() => insert(1_000_000));
  expect(connection.raw.prepare('select count(*) from t').pluck().get()).toBe(1);
  connection.close();
});
