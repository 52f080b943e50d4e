// What users have switched on, how far each side of a chat has read, and marks to be set: kept, forwards only, gone with the account.
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { expect, it } from 'vitest';
import { allOff } from '../../src/model/account.ts';
import type { Change } from '../../src/model/change.ts';
import type { EventId, MessageId, RoomId } from '../../src/model/ids.ts';
import type { Portal } from '../../src/model/portal.ts';
import { migrations } from '../../src/store/migrations/all.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, aContact, anAccount, departure, openTestStore } from '../support/store.ts';

const room = '!room' as RoomId;
const event = (name: string) => `$${name}` as EventId;

/** A message that is known by this name; of the contact, unless `fromUser`. */
const known = (portal: Portal, name: string, over: { fromUser?: boolean; room?: RoomId } = {}): Change => ({
  change: 'reference.put',
  reference: {
    portal: portal.id,
    messageId: name as MessageId,
    event: event(name),
    fromUser: false,
    room,
    sentAt: 5,
    ...over,
  },
});

const names = async (store: OpenStore, portal: Portal, after: number, limit = 10) =>
  (await store.references.shownAfter(portal.id, room, after, limit)).map(({ messageId }) => messageId);

it('everything is off until it is switched on, and off again with a new account', async () => {
  const store = await openTestStore();
  const { account } = await aChat(store);
  expect(await store.accounts.preferences(account.id)).toEqual(allOff);
  const chosen = { reach: 'known', arrangement: 'separate' } as const;
  const preferences = { readReceipts: true, typing: false, deliveryMarks: true, ...chosen } as const;
  await store.commit([{ change: 'account.preferences', account: account.id, preferences }]);
  // An account that is put again, as at the end of its enlistment, keeps them.
  await store.commit([{ change: 'account.put', account }]);
  expect(await store.accounts.preferences(account.id)).toEqual(preferences);
  const typing = { ...preferences, typing: true };
  await store.commit([{ change: 'account.preferences', account: account.id, preferences: typing }]);
  expect(await store.accounts.preferences(account.id)).toEqual(typing);
  await store.commit([departure(account)]);
  expect(await store.accounts.preferences(account.id)).toEqual(allOff);
  await expect(
    store.commit([{ change: 'account.preferences', account: account.id, preferences }]),
  ).rejects.toMatchObject({ code: 'store.gone' });
});

it('finds what the contact wrote in this room: after a position, and by a time', async () => {
  const clock = { time: 1_000 };
  const store = await openTestStore(undefined, clock);
  const [{ portal }, other] = [await aChat(store), await aChat(store)];
  await store.commit([known(portal, 'A'), known(other.portal, 'X'), known(portal, 'mine', { fromUser: true })]);
  clock.time = 2_000;
  await store.commit([known(portal, 'elsewhere', { room: '!earlier' as RoomId }), known(portal, 'B')]);
  clock.time = 3_000;
  await store.commit([known(portal, 'C')]);
  expect(await names(store, portal, 0)).toEqual(['A', 'B', 'C']);
  expect(await names(store, portal, 0, 2)).toEqual(['A', 'B']);
  const a = await store.references.byEvent(portal.id, event('A'));
  expect(await names(store, portal, a?.position ?? 0)).toEqual(['B', 'C']);
  expect(await store.references.byPosition(portal.id, a?.position ?? 0)).toEqual(a);
  expect(await store.references.byPosition(other.portal.id, a?.position ?? 0)).toBeUndefined();
  for (const [time, last] of [
    [999, undefined],
    [1_000, 'A'],
    [2_999, 'B'],
    [9_000, 'C'],
  ] as const) {
    expect((await store.references.shownAt(portal.id, room, time))?.messageId).toBe(last);
  }
});

it('what the user has read waits until it is told; a later event is not lost meanwhile', async () => {
  const store = await openTestStore();
  const { account, portal } = await aChat(store);
  const read = (name: string): Change => ({ change: 'reading.user', portal: portal.id, event: event(name) });
  const confirmed = (upTo: number, settled?: string): Change => ({
    change: 'reading.confirmed',
    portal: portal.id,
    upTo,
    settled: settled === undefined ? undefined : event(settled),
  });
  await store.commit([read('A')]);
  expect(await store.reading.toConfirm(account.id)).toMatchObject([
    { portal: portal.id, userRead: '$A', confirmed: 0 },
  ]);
  expect(await store.reading.toConfirm(anAccount().id)).toEqual([]);
  await store.commit([confirmed(3)]);
  await store.commit([read('B')]);
  await store.commit([confirmed(5, 'A')]);
  expect(await store.reading.toConfirm(account.id)).toMatchObject([{ userRead: '$B', confirmed: 5 }]);
  await store.commit([confirmed(4, 'B')]);
  expect(await store.reading.toConfirm(account.id)).toEqual([]);
  expect(await store.reading.of(portal.id)).toMatchObject({ userRead: undefined, confirmed: 5 });
});

it('what was read while it was off is never told: up to the event, or all that has come where that is not known', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const withheld = (name: string): Change => ({ change: 'reading.withheld', portal: portal.id, event: event(name) });
  await store.commit([withheld('A')]);
  expect(await store.reading.of(portal.id)).toBeUndefined();
  await store.commit([known(portal, 'A'), known(portal, 'B'), known(portal, 'C')]);
  const rest = async () => names(store, portal, (await store.reading.of(portal.id))?.confirmed ?? 0);
  await store.commit([withheld('B')]);
  expect(await rest()).toEqual(['C']);
  await store.commit([withheld('A')]);
  expect(await rest()).toEqual(['C']);
  await store.commit([withheld('a notice')]);
  expect(await rest()).toEqual([]);
});

it('what the contact has read only goes forwards, and is to be shown until it is', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const contact = (upTo: number): Change => ({ change: 'reading.contact', portal: portal.id, upTo });
  expect(await store.reading.portalsToMark()).toEqual([]);
  await store.commit([contact(7), contact(4)]);
  expect(await store.reading.of(portal.id)).toMatchObject({ contactRead: 7, contactShown: 0 });
  expect(await store.reading.portalsToMark()).toEqual([portal.id]);
  await store.commit([{ change: 'reading.shown', portal: portal.id, upTo: 7 }]);
  expect(await store.reading.portalsToMark()).toEqual([]);
});

it('a mark of delivery is set once, and forgotten with the account', async () => {
  const store = await openTestStore();
  const { account, portal } = await aChat(store);
  const mark = { portal: portal.id, event: event('mine') };
  await store.commit([
    { change: 'delivery-mark.add', mark },
    { change: 'delivery-mark.add', mark },
  ]);
  expect(await store.reading.nextMark(portal.id)).toEqual(mark);
  expect(await store.reading.portalsToMark()).toEqual([portal.id]);
  await store.commit([{ change: 'delivery-mark.done', mark }]);
  expect(await store.reading.nextMark(portal.id)).toBeUndefined();
  await store.commit([{ change: 'delivery-mark.add', mark }]);
  await store.commit([departure(account)]);
  expect(await store.reading.portalsToMark()).toEqual([]);
});

it('two contacts that turn out to be one: nothing that was withheld from either is told', async () => {
  const store = await openTestStore();
  const account = anAccount();
  const [older, younger] = [aContact(), aContact()];
  const kept = await aChat(store, { account, contact: older });
  const twin = await aChat(store, { account, contact: younger });
  await store.commit([known(kept.portal, 'A'), known(twin.portal, 'B'), known(twin.portal, 'C')]);
  const mark = { portal: twin.portal.id, event: event('mine') };
  await store.commit([
    { change: 'reading.withheld', portal: twin.portal.id, event: event('B') },
    { change: 'delivery-mark.add', mark },
    { change: 'contact.merge', into: older.contact.id, from: younger.contact.id },
  ]);
  const { confirmed = 0 } = (await store.reading.of(kept.portal.id)) ?? {};
  expect(await names(store, kept.portal, confirmed)).toEqual(['C']);
  expect(await store.reading.nextMark(kept.portal.id)).toEqual({ ...mark, portal: kept.portal.id });
});

it('a database from before takes all that it knows as read', async () => {
  const database = new Database(':memory:');
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) });
  for (const [name, { up }] of Object.entries(migrations)) {
    if (name === '0006-preferences') {
      database.pragma('foreign_keys = off');
      database.exec(
        `insert into portal (id, account, contact, labelled) values ('p', 'a', 'c', 0);
         insert into message_reference (portal, message_id, from_user, event, room, sent_at)
           values ('p', 'A', 0, '$A', '!r', 1), ('p', 'B', 1, '$B', '!r', 1)`,
      );
    }
    await up(db);
  }
  expect(database.prepare('select portal, confirmed, contact_read from reading').all()).toEqual([
    { portal: 'p', confirmed: 2, contact_read: 0 },
  ]);
});
