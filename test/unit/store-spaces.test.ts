// Spaces in the store: chats keep the order in which they began, and a start finds every Space that is not as it is to be.
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { describe, expect, it } from 'vitest';
import { type Account, type Arrangement, allOff } from '../../src/model/account.ts';
import type { RoomId } from '../../src/model/ids.ts';
import type { Portal } from '../../src/model/portal.ts';
import { migrations } from '../../src/store/migrations/all.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, anAccount, aPlace, departure, openTestStore, unique } from '../support/store.ts';

const choose = (account: Account, arrangement: Arrangement | undefined) =>
  ({ change: 'account.preferences', account: account.id, preferences: { ...allOff, arrangement } }) as const;
const openSpace = (account: Account) => {
  const room = `!space${unique()}` as RoomId;
  return { change: 'space.put', space: { account: account.id, state: { at: 'open', room } } } as const;
};
const roomOf = ({ state }: Portal): RoomId => {
  if (state.at !== 'open') throw new Error('the chat has no room');
  return state.room;
};
const rooms = async (store: OpenStore, { id }: Account) => (await store.spaces.chats(id)).map(({ room }) => room);

describe('chats', () => {
  it('stay in the order in which they began, whatever becomes of their rooms', async () => {
    const place = await aPlace();
    const before = await openTestStore(place);
    const { account, portal: first } = await aChat(before);
    const { portal: second } = await aChat(before, { account });
    const { portal: third } = await aChat(before, { account });
    await aChat(before);
    const reopened = '!another-room' as RoomId;
    await before.commit([
      { change: 'portal.state', portal: first.id, state: { at: 'wanted' } },
      { change: 'portal.acceptance', portal: second.id, acceptance: { at: 'declined' } },
    ]);
    expect(await rooms(before, account)).toEqual([roomOf(third)]);
    await before.commit([
      { change: 'portal.state', portal: first.id, state: { at: 'open', room: reopened, labelled: true } },
    ]);
    await before.close();

    const store = await openTestStore(place);
    await store.commit([{ change: 'portal.acceptance', portal: second.id, acceptance: { at: 'accepted' } }]);
    expect(await store.spaces.chats(account.id)).toEqual([
      { room: reopened, position: 1 },
      { room: roomOf(second), position: 2 },
      { room: roomOf(third), position: 3 },
    ]);
  });

  it('of people who turn out to be one keep one place', async () => {
    const store = await openTestStore();
    const { account, contact: older, portal: kept } = await aChat(store);
    const { contact: newer } = await aChat(store, { account });
    const { portal: other } = await aChat(store, { account });
    await store.commit([{ change: 'contact.merge', into: older.id, from: newer.id }]);
    expect(await rooms(store, account)).toEqual([roomOf(kept), roomOf(other)]);
  });
});

it('of a database from before they are in the order in which their people were known, each account’s for itself', async () => {
  const database = new Database(':memory:');
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) });
  for (const [name, { up }] of Object.entries(migrations)) {
    if (name === '0033-spaces') {
      database.pragma('foreign_keys = off');
      database.exec(
        `insert into contact (id, network) values ('c1', 'whatsapp'), ('c2', 'whatsapp'), ('c3', 'whatsapp')`,
      );
      database.exec(`insert into portal (id, account, contact, labelled)
        values ('p3', 'a', 'c3', 0), ('p1', 'a', 'c1', 0), ('q2', 'b', 'c2', 0), ('p2', 'a', 'c2', 0)`);
    }
    await up(db);
  }
  expect(database.prepare('select id, position from portal order by id').all()).toEqual([
    { id: 'p1', position: 1 },
    { id: 'p2', position: 2 },
    { id: 'p3', position: 3 },
    { id: 'q2', position: 1 },
  ]);
});

describe('at a start, there is work for', () => {
  it('whoever has chosen, or has not where the server does it so, and has no Space yet or still has one', async () => {
    const store = await openTestStore();
    const silent = anAccount();
    const enlisting = anAccount({ state: { at: 'enlisting' } });
    const apart = anAccount();
    const together = anAccount();
    const all = [silent, enlisting, apart, together];
    await store.commit([
      ...all.map((account) => ({ change: 'account.put', account }) as const),
      choose(apart, 'separate'),
      choose(together, 'combined'),
    ]);
    const toArrange = async (byDefault: Arrangement) => new Set(await store.spaces.toArrange(byDefault));
    expect(await toArrange('combined')).toEqual(new Set([apart.id]));
    expect(await toArrange('separate')).toEqual(new Set([apart.id, silent.id]));
    await store.commit([
      { change: 'space.put', space: { account: apart.id, state: { at: 'making' } } },
      openSpace(silent),
      openSpace(together),
    ]);
    expect(await toArrange('combined')).toEqual(new Set([apart.id, silent.id, together.id]));
    expect(await toArrange('separate')).toEqual(new Set([apart.id, together.id]));
  });

  it('a Space in which something is missing, not known to be there, or too much', async () => {
    const store = await openTestStore();
    const { account, portal } = await aChat(store);
    const child = { room: roomOf(portal), position: 1 };
    const toArrange = () => store.spaces.toArrange('separate');
    await store.commit([openSpace(account)]);
    expect(await toArrange()).toEqual([account.id]);
    await store.commit([{ change: 'space.child-noted', account: account.id, child }]);
    expect(await toArrange()).toEqual([account.id]);
    await store.commit([{ change: 'space.child-put', account: account.id, room: child.room }]);
    expect(await toArrange()).toEqual([]);
    await store.commit([{ change: 'portal.state', portal: portal.id, state: { at: 'wanted' } }]);
    expect(await toArrange()).toEqual([account.id]);
    await store.commit([{ change: 'space.child-gone', account: account.id, room: child.room }]);
    expect(await toArrange()).toEqual([]);
  });
});

it('opting out takes the Space along, and leaves its room to be left', async () => {
  const place = await aPlace();
  const before = await openTestStore(place);
  const { account, portal } = await aChat(before);
  const opening = openSpace(account);
  const { room } = opening.space.state;
  await before.commit([
    opening,
    { change: 'space.child-noted', account: account.id, child: { room: roomOf(portal), position: 1 } },
  ]);
  expect(await before.spaces.byRoom(room)).toEqual(opening.space);
  const erased = departure(account);
  if (erased.change !== 'account.erase') throw new Error('an erasure');
  await before.commit([{ ...erased, departure: { ...erased.departure, space: { room } } }]);
  await before.close();

  const store = await openTestStore(place);
  expect(await store.spaces.byRoom(room)).toBeUndefined();
  const [left] = await store.accounts.departures();
  expect(left?.space).toEqual({ room });
  await store.commit([{ change: 'departure.put', departure: { ...erased.departure, space: { room: undefined } } }]);
  expect((await store.accounts.departures())[0]?.space).toEqual({ room: undefined });
  await store.commit([{ change: 'departure.put', departure: erased.departure }]);
  expect((await store.accounts.departures())[0]?.space).toBeUndefined();
});
