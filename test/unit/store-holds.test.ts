// What holds chats, what is known of room keys and of keys that were compared.
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { Change } from '../../src/model/change.ts';
import type { RoomId, UserId } from '../../src/model/ids.ts';
import { aChat, message, openTestStore, present } from '../support/store.ts';

const mallory = '@mallory:localhost' as UserId;

it('somebody else in a chat holds it until they are gone, allowed, or the room is given up', async () => {
  const store = await openTestStore();
  const [{ portal }] = [await aChat(store), await aChat(store)];
  const visitor = { portal: portal.id, user: mallory };
  const held = async () => [await store.visitors.hold(portal.id), await store.counts.heldChats()];
  await store.commit([{ change: 'visitor.add', ...visitor }]);
  expect(await held()).toEqual([true, 1]);
  await store.commit([{ change: 'visitor.allow', ...visitor }]);
  await store.commit([{ change: 'visitor.add', ...visitor }]);
  expect(await held()).toEqual([false, 0]);
  expect(await store.visitors.of(portal.id)).toEqual([{ user: mallory, allowed: true }]);
  await store.commit([
    { change: 'visitor.gone', ...visitor },
    { change: 'visitor.add', ...visitor },
  ]);
  expect(await held()).toEqual([true, 1]);
  await store.commit([{ change: 'portal.state', portal: portal.id, state: { at: 'wanted' } }]);
  expect(await held()).toEqual([false, 0]);
});

it('chats with changed keys, and all of a user whose identity has changed, are counted as held', async () => {
  const store = await openTestStore();
  const [{ portal, account }] = [await aChat(store), await aChat(store)];
  const peer = { account: portal.account, contact: portal.contact, device: 0 };
  const [key, seen] = [randomBytes(33), randomBytes(33)];
  await store.commit([{ change: 'peer.trust', peer, trust: { state: 'changed', key, seen } }]);
  expect(await store.counts.heldChats()).toBe(1);
  await store.commit([{ change: 'peer.trust', peer, trust: { state: 'pinned', key } }]);
  expect(await store.counts.heldChats()).toBe(0);
  const { user } = account;
  await store.commit([{ change: 'user.trust', trust: { state: 'changed', user, masterKey: 'a', seen: 'b' } }]);
  expect(await store.counts.heldChats()).toBe(1);
});

it('since when a chat waits for a decision is known of each journal, until it does no longer', async () => {
  const store = await openTestStore();
  const [{ portal }] = [await aChat(store), await aChat(store)];
  const held = (journal: 'inbox' | 'outbox', since: number | undefined) =>
    store.commit([{ change: 'portal.held', portal: portal.id, journal, since }]);
  const seen = async () => [
    (await store.portals.get(portal.id))?.heldSince,
    ...(await Promise.all([store.portals.heldSince(7), store.portals.heldSince(6)])).map((all) =>
      all.map(({ id }) => id),
    ),
  ];
  expect(await seen()).toEqual([undefined, [], []]);
  await held('inbox', 6);
  expect(await seen()).toEqual([{ inbox: 6, outbox: undefined }, [portal.id], []]);
  await held('outbox', 5);
  await held('inbox', undefined);
  expect(await seen()).toEqual([{ inbox: undefined, outbox: 5 }, [portal.id], [portal.id]]);
  await held('outbox', undefined);
  expect(await seen()).toEqual([undefined, [], []]);
});

it('what has waited too long to be shown is parked: not what is younger, a notice, half sent, or still to come', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const at = (timestamp: number) => ({ ...message(portal, Uint8Array.of(timestamp)), timestamp });
  const [halfSent, old, older, young] = [at(1), at(2), at(3), at(9)];
  const notice = { ...at(1), body: { kind: 'notice', notice: { code: 'test', text: 'notice' } } } as const;
  const missing = { ...message(portal, Uint8Array.of(1)), since: 1, timestamp: 1 };
  const { body: _, ...awaited } = missing;
  await store.commit([
    ...[halfSent, old, older, young, notice].map((row): Change => ({ change: 'inbox.add', row })),
    { change: 'inbox.await', row: awaited },
  ]);
  const find = async ({ messageId }: typeof old) => present(await store.inbox.find(portal.id, messageId));
  const events = [{ sendId: 'x', type: 'm.room.message', content: {} }] as never;
  const { id } = await find(halfSent);
  await store.commit([{ change: 'inbox.state', id, state: { at: 'encrypted', events, body: halfSent.body } }]);
  expect(await store.inbox.receivedBefore(portal.id, 9)).toBe(2);
  await store.commit([{ change: 'inbox.park-received', portal: portal.id, before: 9, code: 'waited-too-long' }]);
  expect(await store.inbox.receivedBefore(portal.id, 9)).toBe(0);
  const parked = await store.queue.list({ which: 'parked', limit: 10 });
  expect(parked.map(({ messageId, code }) => [messageId, code])).toEqual([
    [old.messageId, 'waited-too-long'],
    [older.messageId, 'waited-too-long'],
  ]);
  expect((await store.queue.list({ which: 'waiting', limit: 10 })).map(({ messageId }) => messageId).sort()).toEqual(
    [halfSent.messageId, young.messageId, missing.messageId].sort(),
  );
  // The administrator may try again, or give it up.
  const [first, second] = parked;
  await store.commit([
    { change: 'queue.retry', item: present(first).item },
    { change: 'queue.drop', item: present(second).item },
  ]);
  expect((await find(old)).state).toMatchObject({ at: 'received', body: { kind: 'message' } });
  expect((await find(older)).state).toEqual({ at: 'done', event: undefined });
});

it('a key counts as compared only while it is the pinned one', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const peer = { account: portal.account, contact: portal.contact, device: 0 };
  const [key, other] = [randomBytes(33), randomBytes(33)];
  const pin = (pinned: Uint8Array) =>
    store.commit([{ change: 'peer.trust', peer, trust: { state: 'pinned', key: pinned } }]);
  await pin(key);
  expect(await store.trust.isVerified(peer)).toBe(false);
  await store.commit([{ change: 'peer.verified', peer, key }]);
  expect(await store.trust.isVerified(peer)).toBe(true);
  await pin(other);
  expect(await store.trust.isVerified(peer)).toBe(false);
});

it('a message under a room key is known once it was handled, in whatever order they come', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  for (const index of [3, 0, 1, 5, 2, 2]) {
    await store.commit([{ change: 'room-key.used', portal: portal.id, use: { session: 'a', index } }]);
  }
  const known = (session: string) =>
    Promise.all([0, 1, 2, 3, 4, 5, 6].map((index) => store.roomKeyUses.has(portal.id, { session, index })));
  expect(await known('a')).toEqual([true, true, true, true, false, true, false]);
  expect(await known('b')).not.toContain(true);
});

it('a command is known once it was handled, for as long as an account listens to its room', async () => {
  const clock = { time: 1_000 };
  const store = await openTestStore(undefined, clock);
  const { account } = await aChat(store);
  const left = '!left:localhost' as RoomId;
  const use = { session: 'a', index: 3 };
  for (const room of [account.managementRoom, left]) await store.commit([{ change: 'command-key.used', room, use }]);
  expect(await store.roomKeyUses.hasCommand(left, use)).toBe(true);
  expect(await store.roomKeyUses.hasCommand(left, { session: 'a', index: 4 })).toBe(false);
  await store.prune(clock.time);
  expect(await store.roomKeyUses.hasCommand(left, use)).toBe(true);
  clock.time += 1_000;
  await store.prune(clock.time);
  expect(await store.roomKeyUses.hasCommand(left, use)).toBe(false);
  expect(await store.roomKeyUses.hasCommand(account.managementRoom, use)).toBe(true);
});
