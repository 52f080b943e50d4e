// What reads have answered is remembered: nobody may ever notice, but by the time it takes.
import { DatabaseSync } from 'node:sqlite';
import fc from 'fast-check';
import { DummyDriver, Kysely, SqliteAdapter, SqliteIntrospector, SqliteQueryCompiler } from 'kysely';
import { expect, it } from 'vitest';
import { allOff } from '../../src/model/account.ts';
import type { Change } from '../../src/model/change.ts';
import type { RoomId, UserId } from '../../src/model/ids.ts';
import { lidJid, phoneJid } from '../../src/model/jid.ts';
import type { PeerDevice } from '../../src/model/signal.ts';
import { Memory, parents } from '../../src/store/memory.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { run } from '../../src/store/steps.ts';
import type { Tables } from '../../src/store/tables.ts';
import {
  aContact,
  anAccount,
  aPlace,
  aPortal,
  departure,
  dialect,
  message,
  openTestStore,
  outgoing,
} from '../support/store.ts';

const mallory = '@mallory:localhost' as UserId;
const policyRoom = '!policy:localhost' as RoomId;
const bytes = (text: string): Buffer => Buffer.from(text);

/** Two accounts, three contacts and their chats, and all that can be changed about them and asked, as far as answers to it are remembered. */
function world() {
  const accounts = [anAccount(), anAccount()] as const;
  const contacts = [aContact(), aContact(), aContact()] as const;
  const portals = accounts.flatMap(({ id }) => contacts.map(({ contact }) => aPortal(id, contact.id)));
  const peers = portals.map(({ account, contact }): PeerDevice => ({ account, contact, device: 0 }));
  const spare = lidJid('4711');
  const rows = portals.map((portal) => [message(portal, bytes('in')), outgoing(portal, bytes('out'))] as const);

  const changes: Change[][] = [
    ...accounts.flatMap((account): Change[][] => {
      const { id, user, state } = account;
      const paused = {
        ...account,
        state: state.at === 'active' ? { ...state, at: 'paused', why: 'withdrawn' } : state,
      };
      const subscription = { id: `policy of ${id}`, subscriber: id, room: policyRoom, name: 'rules', createdAt: 1 };
      const block = { id: `block of ${id}`, label: 'spare', createdAt: 1 };
      return [
        [{ change: 'account.put', account }],
        [{ change: 'account.put', account: paused as typeof account }],
        [{ change: 'account.preferences', account: id, preferences: { ...allOff, typing: true } }],
        [{ change: 'account.preferences', account: id, preferences: allOff }],
        [departure(account)],
        [{ change: 'departure.done', account: id }],
        [{ change: 'user.trust', trust: { state: 'pinned', user, masterKey: 'a' } }],
        [{ change: 'user.trust', trust: { state: 'changed', user, masterKey: 'a', seen: 'b' } }],
        [{ change: 'user.erase', user }],
        [{ change: 'block.add', account: id, block, patterns: ['address:spare'] }],
        [{ change: 'block.remove', account: id, id: block.id }],
        [{ change: 'policy.subscribe', subscription }],
        [{ change: 'policy.unsubscribe', id: subscription.id }],
        [{ change: 'signal.identity', account: id, identity: identity(1) }],
        [{ change: 'signal.identity', account: id, identity: identity(2) }],
      ];
    }),
    ...contacts.flatMap(({ contact, ghost }): Change[][] => [
      [{ change: 'contact.create', contact, ghost }],
      [{ change: 'contact.address', contact: contact.id, address: spare }],
      [{ change: 'contact.name', contact: contact.id, name: { text: 'Anna', looks: ['anna'] } }],
      [{ change: 'contact.erase', contact: contact.id }],
      [{ change: 'contact.merge', into: contacts[0].contact.id, from: contact.id }],
      [{ change: 'ghost.put', ghost: { ...ghost, ready: true } }],
      [{ change: 'picture.due', contact: contact.id, at: 5 }],
    ]),
    ...portals.flatMap((portal, at): Change[][] => {
      const peer = { account: portal.account, contact: portal.contact, device: 0 };
      const [incoming, outward] = rows[at] ?? [];
      const visitor = { portal: portal.id, user: mallory };
      return [
        [{ change: 'portal.create', portal }],
        [{ change: 'portal.state', portal: portal.id, state: { at: 'wanted' } }],
        [{ change: 'portal.name', portal: portal.id, givenName: 'Anna' }],
        [{ change: 'portal.acceptance', portal: portal.id, acceptance: { at: 'declined' } }],
        [{ change: 'visitor.add', ...visitor }],
        [{ change: 'visitor.allow', ...visitor }],
        [{ change: 'peer.trust', peer, trust: { state: 'pinned', key: bytes('a') } }],
        [{ change: 'peer.trust', peer, trust: { state: 'changed', key: bytes('a'), seen: bytes('b') } }],
        [{ change: 'peer.verified', peer, key: bytes('a') }],
        [{ change: 'devices.put', ...peer, list: { since: at, checkedAt: 1, devices: [] } }],
        ...(incoming && outward
          ? [
              [{ change: 'inbox.add', row: incoming } as const],
              [{ change: 'outbox.add', row: outward } as const],
              // The second fails where the first one has been done: then neither is.
              [{ change: 'visitor.add', ...visitor } as const, { change: 'inbox.add', row: incoming } as const],
            ]
          : []),
      ];
    }),
    [{ change: 'policy.rules', room: policyRoom, read: { rules: [{ about: 'user', entity: '@a:b' }], leftOut: 0 } }],
    [{ change: 'policy.unreadable', room: policyRoom }],
    [{ change: 'policy.forget', room: policyRoom }],
  ];

  const reads = (store: OpenStore): (() => Promise<unknown>)[] => [
    ...accounts.flatMap(({ id, network, user }) => [
      () => store.accounts.get(id),
      () => store.accounts.find(network, user),
      () => store.accounts.ofUser(user),
      () => store.accounts.preferences(id),
      () => store.trust.ofUser(user),
      () => store.blocks.matching(id, ['address:spare']),
      () => store.policyRooms.rules(id),
      () => store.signal.identity(id),
    ]),
    ...contacts.flatMap(({ contact, ghost }) => [
      () => store.contacts.get(contact.id),
      () => store.contacts.byAddress('whatsapp', [...contact.addresses, spare, phoneJid('4912')]),
      () => store.contacts.ghost(contact.id),
      () => store.contacts.ghostByUser(ghost.actor.user),
      () => store.contacts.looksLikeAnother(contact.id),
      () => store.pictures.get(contact.id),
    ]),
    ...portals.flatMap((portal, at) => [
      () => store.portals.get(portal.id),
      () => store.portals.find(portal.account, portal.contact),
      () => store.portals.byRoom(portal.state.at === 'open' ? portal.state.room : policyRoom),
      () => store.visitors.hold(portal.id),
      () => store.trust.ofContact(portal.account, portal.contact),
      () => store.trust.devices(portal.account, portal.contact),
      ...peers
        .slice(at, at + 1)
        .flatMap((peer) => [() => store.trust.isVerified(peer), () => store.signal.peerTrust(peer)]),
    ]),
    () => store.policyRooms.get(policyRoom),
  ];
  const first: Change[] = [
    ...accounts.map((account): Change => ({ change: 'account.put', account })),
    ...contacts.map(({ contact, ghost }): Change => ({ change: 'contact.create', contact, ghost })),
    ...portals.map((portal): Change => ({ change: 'portal.create', portal })),
  ];
  return { changes, reads, first };
}

const identity = (nextPreKeyId: number) => ({ keyPair: bytes('pair'), registrationId: 1, nextPreKeyId });

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : error);

it('a store that remembers answers as one that does not, whatever is read and written at the same time', async () => {
  const turn = fc.record({
    before: fc.array(fc.nat(), { maxLength: 6 }),
    commits: fc.array(fc.nat(), { minLength: 1, maxLength: 3 }),
    during: fc.array(fc.nat(), { maxLength: 6 }),
    /** Turns of the event loop that pass while both are under way. */
    pause: fc.nat({ max: 2 }),
  });
  await fc.assert(
    fc.asyncProperty(fc.array(turn, { minLength: 5, maxLength: 25 }), async (turns) => {
      const { changes, reads, first } = world();
      const [remembers, forgets] = [await openTestStore(), await openTestStore(undefined, undefined, 0)];
      const [asked, plain] = [reads(remembers), reads(forgets)];
      const everything = (questions: (() => Promise<unknown>)[]) => Promise.all(questions.map((ask) => ask()));
      for (const store of [remembers, forgets]) await store.commit(first);
      for (const { before, commits, during, pause } of turns) {
        const some = (numbers: number[]) => Promise.all(numbers.map((number) => asked[number % asked.length]?.()));
        const commit = (store: OpenStore) =>
          Promise.all(commits.map((number) => store.commit(changes[number % changes.length] ?? []).catch(codeOf)));
        const early = some(before);
        const committed = commit(remembers);
        for (let left = pause; left > 0; left -= 1) await new Promise((next) => setImmediate(next));
        const late = some(during);
        expect(await committed).toEqual(await commit(forgets));
        const expected = await everything(plain);
        // Right after the commit, while what was asked for earlier may still be on its way.
        expect(await everything(asked)).toEqual(expected);
        await Promise.all([early, late]);
        expect(await everything(asked)).toEqual(expected);
      }
      await Promise.all([remembers.close(), forgets.close()]);
    }),
    { numRuns: dialect === 'sqlite' ? 12 : 4, endOnFailure: true },
  );
}, 60_000);

/** A memory over nothing but a table that is read and written when the test says so. */
function table() {
  const db = new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => new DummyDriver(),
      createIntrospector: (own) => new SqliteIntrospector(own),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
  const memory = new Memory(10);
  let value = 1;
  const read = async (until?: Promise<void>): Promise<number> =>
    memory.read('key', async (tables) => {
      const seen = value;
      await db.withPlugin(tables).selectFrom('portal_visitor').selectAll().execute();
      await until;
      return seen;
    });
  const write = (until?: Promise<void>): Promise<void> =>
    memory.writing(
      () => run(db.updateTable('portal_visitor').set({ allowed: 1 })),
      async (steps) => {
        const statements = steps();
        while (!statements.next({ rows: [], changes: 1 }).done) value += 1;
        await until;
      },
    );
  return { read, write };
}

it('an answer that a commit has overtaken is not given again', async () => {
  const { read, write } = table();
  const slow = Promise.withResolvers<void>();
  const early = read(slow.promise);
  await write();
  slow.resolve();
  expect([await early, await read()]).toEqual([1, 2]);
});

it('what is read while a commit is under way is not remembered, before its end or after it', async () => {
  const { read, write } = table();
  const [slowRead, slowWrite] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  await read();
  const first = write(slowWrite.promise);
  expect(await read()).toBe(2);
  const late = read(slowRead.promise);
  slowWrite.resolve();
  await first;
  await write();
  slowRead.resolve();
  expect([await late, await read()]).toEqual([2, 3]);
});

it('is asked of the database once, until something of it is written', async () => {
  const memory = new Memory(2);
  let asked = 0;
  const ask = async (): Promise<number> => ++asked;
  expect([await memory.read('a', ask), await memory.read('a', ask)]).toEqual([1, 1]);
  // The one that was asked for longest ago goes first.
  await memory.read('b', ask);
  await memory.read('a', ask);
  await memory.read('c', ask);
  expect(await memory.read('a', ask)).toBe(1);
  expect(await memory.read('b', ask)).toBe(4);
});

it.runIf(dialect === 'sqlite')('every table that takes rows of others along is known as one', async () => {
  const place = await aPlace();
  if (!('path' in place)) return;
  await (await openTestStore(place)).close();
  const database = new DatabaseSync(place.path);
  const referenced = database
    .prepare(
      `select distinct key."table" as name from sqlite_master, pragma_foreign_key_list(sqlite_master.name) as key where sqlite_master.type = 'table'`,
    )
    .all();
  database.close();
  for (const { name } of referenced) expect([...parents]).toContain(name);
});
