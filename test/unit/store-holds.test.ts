// What holds chats, what is known of room keys and of keys that were compared.
import { randomBytes } from 'node:crypto';
import { expect, it } from 'vitest';
import type { RoomId, UserId } from '../../src/model/ids.ts';
import { aChat, openTestStore } from '../support/store.ts';

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
