// Rate limits over the real store: who may do how much, what counts, and what is left of it after a restart.
import { beforeEach, expect, test } from 'vitest';
import { metered } from '../../src/bridge/files/metered.ts';
import type { Limits } from '../../src/bridge/limits/limits.ts';
import { exportUser } from '../../src/bridge/user-export.ts';
import type { Account } from '../../src/model/account.ts';
import type { FileBytes } from '../../src/model/media.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { testLimits } from '../support/limits.ts';
import { aChat, aContact, anAccount, aPlace, departure, openTestStore } from '../support/store.ts';

const hour = 3_600_000;
const day = 24 * hour;
const time = { time: 0 };
const clock = { now: () => time.time };

let store: OpenStore;
let old: Account;
let young: Account;

beforeEach(async () => {
  time.time = 1_000 * day;
  store = await openTestStore(undefined, time);
  old = anAccount({ createdAt: time.time - 30 * day });
  young = anAccount({ createdAt: time.time });
  await store.commit([old, young].map((account) => ({ change: 'account.put', account })));
});

/** Does as much as may be done, at most `tries` times; returns how much that was. */
async function done(limits: Limits, account: Account, tries = 10): Promise<number> {
  for (let count = 0; count < tries; count += 1) {
    if (await limits.wait('messages', { account })) return count;
    await limits.count('messages', { account });
  }
  return tries;
}

test('an account may do so much in a window, which begins with the first, and a young one less', async () => {
  const limits = testLimits({ store, clock }, { messages: { account: 3, young: 2, perMs: hour } });
  expect(await done(limits, old, 1)).toBe(1);
  time.time += 20 * 60_000;
  expect([await done(limits, old), await done(limits, young)]).toEqual([2, 2]);
  expect(await limits.wait('messages', { account: old })).toEqual({
    limit: 'messages',
    scope: 'account',
    most: 3,
    perMs: hour,
    waitMs: 40 * 60_000,
    until: time.time + 40 * 60_000,
  });
  time.time += 40 * 60_000 - 1;
  expect(await done(limits, old)).toBe(0);
  time.time += 1;
  expect([await done(limits, old), await done(limits, young)]).toEqual([3, 0]);
  // It comes of age.
  time.time = young.createdAt + day - 1;
  expect(await done(limits, young)).toBe(2);
  time.time += 1;
  expect(await done(limits, young)).toBe(1);
});

test('what is refused does not count', async () => {
  const limits = testLimits({ store, clock }, { messages: { account: 2, perMs: hour } });
  expect(await done(limits, old)).toBe(2);
  for (let tries = 0; tries < 20; tries += 1) expect(await done(limits, old)).toBe(0);
  await limits.flush();
  expect(await store.limitUses.of(old.id)).toEqual([
    { limit: 'messages', scope: 'account', subject: old.id, points: 2, until: time.time + hour },
  ]);
});

test('all accounts together have a limit of their own; the longest wait counts', async () => {
  const limits = testLimits({ store, clock }, { messages: { account: 2, young: 2, everybody: 3, perMs: hour } });
  expect(await done(limits, old)).toBe(2);
  time.time += 1;
  expect(await done(limits, young)).toBe(1);
  expect(await limits.wait('messages', { account: young })).toMatchObject({ scope: 'everybody', waitMs: hour - 1 });
  expect(await limits.wait('messages', { account: anAccount() })).toMatchObject({ scope: 'everybody' });
});

test('the requests of one contact count together, whomever they write to', async () => {
  const limits = testLimits({ store, clock }, { requests: { contact: 2, perMs: hour } });
  const [one, other] = [aContact().contact.id, aContact().contact.id];
  for (const account of [old, young]) await limits.count('requests', { account, contact: one });
  expect(await limits.wait('requests', { account: old, contact: one })).toMatchObject({ scope: 'contact', most: 2 });
  expect(await limits.wait('requests', { account: old, contact: other })).toBeUndefined();
});

test('what was written down survives a restart, and ends when it would have', async () => {
  const place = await aPlace();
  const first = await openTestStore(place, time);
  await first.commit([{ change: 'account.put', account: old }]);
  const given = { messages: { account: 2, perMs: hour } };
  const before = testLimits({ store: first, clock }, given);
  await before.count('messages', { account: old });
  await before.flush();
  // Of this one a crash knows nothing.
  await before.count('messages', { account: old });
  await first.close();
  time.time += hour / 2;
  const second = await openTestStore(place, time);
  const after = testLimits({ store: second, clock }, given);
  expect(await done(after, old)).toBe(1);
  expect((await after.wait('messages', { account: old }))?.waitMs).toBe(hour / 2);
  await after.flush();
  time.time += hour / 2;
  expect(await done(after, old)).toBe(2);
  while ((await second.prune(0)) > 0);
  expect(await second.limitUses.of(old.id)).toEqual([]);
});

test('what could not be written down is written down later', async () => {
  const failing = { ...store, commit: () => Promise.reject(new Error('the database is away')) };
  let now: typeof failing = failing;
  const limits = testLimits(
    { clock, store: { limitUses: store.limitUses, commit: (changes) => (now.commit as OpenStore['commit'])(changes) } },
    { messages: { account: 2, perMs: hour } },
  );
  await limits.count('messages', { account: old });
  await expect(limits.flush()).rejects.toThrow('away');
  expect(await store.limitUses.of(old.id)).toEqual([]);
  now = store as never;
  await limits.flush();
  expect(await store.limitUses.of(old.id)).toMatchObject([{ points: 1 }]);
});

test('a clock that is set back makes nobody wait longer than a window', async () => {
  const limits = testLimits({ store, clock }, { messages: { account: 1, perMs: hour } });
  await done(limits, old);
  time.time -= day;
  expect((await limits.wait('messages', { account: old }))?.waitMs).toBe(hour);
  time.time += hour;
  expect(await done(limits, old)).toBe(1);
});

test('a file passes while anything is left, however large; what has passed counts, and no more', async () => {
  const limits = testLimits({ store, clock }, { media: { account: 10, perMs: hour } });
  const account = old as Parameters<typeof metered>[1];
  const transfer = (claimed: number, sizes: readonly number[], failing = false): Promise<number> =>
    metered({ limits }, account, claimed, async (passing) => {
      let read = 0;
      for await (const chunk of passing(chunks(sizes))) read += chunk.length;
      if (failing) throw new Error('cut off');
      return read;
    });
  expect(await transfer(100, [4])).toBe(4);
  await expect(transfer(100, [3, 2], true)).rejects.toThrow('cut off');
  expect(await limits.wait('media', { account })).toBeUndefined();
  expect(await transfer(50, [30, 20])).toBe(50);
  expect((await limits.wait('media', { account }))?.waitMs).toBe(hour);
  time.time += hour;
  expect(await limits.wait('media', { account })).toBeUndefined();
});

test('files that wait for their turn count already', async () => {
  const limits = testLimits({ store, clock }, { media: { account: 10, perMs: hour } });
  const account = old as Parameters<typeof metered>[1];
  const begun = Promise.withResolvers<void>();
  const running = metered({ limits }, account, 10, () => begun.promise);
  await expect.poll(() => limits.wait('media', { account })).toBeDefined();
  begun.resolve();
  await running;
  expect(await limits.wait('media', { account })).toBeUndefined();
});

test('chats that wait are known, once in each window, until they may go on', async () => {
  const began: string[] = [];
  const onWait = (limit: string, scope: string) => void began.push(`${limit} ${scope}`);
  const limits = testLimits({ store, clock, onWait }, { messages: { account: 1, perMs: hour } });
  const [one, two] = [await aChat(store, { account: old }), await aChat(store, { account: old })];
  expect(await limits.hold(one.portal.id, 'messages', { account: old })).toBeUndefined();
  await limits.count('messages', { account: old });
  expect(await limits.hold(one.portal.id, 'messages', { account: old })).toMatchObject({ isNew: true, waitMs: hour });
  expect(await limits.hold(one.portal.id, 'messages', { account: old })).toMatchObject({ isNew: false });
  await limits.hold(two.portal.id, 'messages', { account: old });
  expect(began).toEqual(['messages account', 'messages account']);
  expect(limits.heldOf(old.id)).toEqual([{ limit: 'messages', chats: 2, until: time.time + hour }]);
  expect(limits.heldOf(young.id)).toEqual([]);
  expect(limits.heldChats()).toEqual({ messages: 2, requests: 0, media: 0 });
  time.time += hour;
  expect(limits.heldChats()).toEqual({ messages: 0, requests: 0, media: 0 });
  expect(await limits.hold(one.portal.id, 'messages', { account: old })).toBeUndefined();
});

test('it stands in the export, and goes with the account or the contact; what is counted afterwards is not written down', async () => {
  const { contact, portal } = await aChat(store, { account: old });
  const limits = testLimits({ store, clock }, { requests: { contact: 9, perMs: hour }, messages: { perMs: hour } });
  await limits.count('requests', { account: old, contact: contact.id });
  await limits.count('messages', { account: young });
  await limits.flush();
  const [exported] = (await exportUser(store, old.user, time.time)).accounts;
  const until = new Date(time.time + hour).toISOString();
  expect(exported?.limits).toEqual([{ limit: 'requests', used: 1, until }]);
  await store.commit([departure(old)]);
  expect(await store.portals.get(portal.id)).toBeUndefined();
  await store.commit([{ change: 'contact.erase', contact: contact.id }]);
  await limits.count('requests', { account: old, contact: contact.id });
  await limits.flush();
  expect(await store.limitUses.of(old.id)).toEqual([]);
  expect(await store.limitUses.get('requests', 'contact', contact.id)).toBeUndefined();
  expect(await store.limitUses.get('requests', 'everybody', 'everybody')).toMatchObject({ points: 2 });
  expect(await store.limitUses.of(young.id)).toHaveLength(1);
});

async function* chunks(sizes: readonly number[]): FileBytes & AsyncGenerator<Uint8Array> {
  for (const size of sizes) yield new Uint8Array(size);
}
