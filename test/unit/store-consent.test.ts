// Consent on record: whatever is done to it past the program is seen, and an erased record leads to nobody.
import { describe, expect, it } from 'vitest';
import type { ConsentEvent } from '../../src/model/consent.ts';
import type { UserId } from '../../src/model/ids.ts';
import type { StoreLocation } from '../../src/store/database.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { anAccount, aPlace, execute, openTestStore, storedBytes } from '../support/store.ts';

const anna = '@anna-of-the-ledger:example.org' as UserId;
const ben = '@ben:example.org' as UserId;
const explanation = { version: 1, digest: 'd1' };
const explained: ConsentEvent = { what: 'explained', network: 'whatsapp', explanation };
const given: ConsentEvent = { what: 'given', network: 'whatsapp', explanation };
const withdrawn: ConsentEvent = { what: 'withdrawn', network: 'whatsapp' };

const record = (store: OpenStore, user: UserId, ...events: readonly ConsentEvent[]): Promise<void> =>
  store.commit(events.map((event) => ({ change: 'consent.record', user, event })));

interface Written {
  readonly place: StoreLocation;
  /** Under which they are stored. */
  readonly annas: string;
  readonly bens: string;
}

/** Two users with three entries each, in a database that is closed. */
async function written(): Promise<Written> {
  const place = await aPlace();
  const store = await openTestStore(place);
  await record(store, anna, explained, given, withdrawn);
  const [first] = await execute(place, 'select id from consent_record');
  await record(store, ben, explained, given, withdrawn);
  const both = await execute(place, 'select id from consent_record');
  const [other] = both.filter(({ id }) => id !== first?.id);
  await store.close();
  return { place, annas: String(first?.id), bens: String(other?.id) };
}

/** What is found after these statements were run past the program. */
async function checked(place: StoreLocation, ...statements: readonly string[]) {
  for (const statement of statements) await execute(place, statement);
  const store = await openTestStore(place);
  const check = await store.consent.check();
  const intact = { anna: await store.consent.isIntact(anna), ben: await store.consent.isIntact(ben) };
  await store.close();
  return { ...check, intact };
}

describe('a record', () => {
  it('has what was added, in order, with its time, and is intact', async () => {
    const clock = { time: 5 };
    const store = await openTestStore(undefined, clock);
    await record(store, anna, explained);
    clock.time = 7;
    await record(store, anna, given);
    await record(store, ben, { what: 'attested', until: 99 });
    expect(await store.consent.entries(anna)).toEqual([
      { ...explained, at: 5 },
      { ...given, at: 7 },
    ]);
    expect(await store.consent.entries(ben)).toEqual([{ what: 'attested', until: 99, at: 7 }]);
    expect(await store.consent.entries('@carl:example.org' as UserId)).toEqual([]);
    expect(await store.consent.check()).toEqual({ records: 2, damaged: [], headIntact: true });
  });

  it('is committed with what it is about, or not at all', async () => {
    const store = await openTestStore();
    const account = anAccount();
    const twice = { change: 'account.put', account: { ...account, id: anAccount().id } } as const;
    await store.commit([{ change: 'account.put', account }]);
    const change = { change: 'consent.record', user: account.user, event: given } as const;
    await expect(store.commit([change, twice])).rejects.toMatchObject({ code: 'store.conflict' });
    expect(await store.consent.entries(account.user)).toEqual([]);
    await store.commit([change]);
    expect(await store.consent.check()).toEqual({ records: 1, damaged: [], headIntact: true });
  });

  it('survives a restart, and names no user in the clear', async () => {
    const { place } = await written();
    expect((await storedBytes(place)).includes(anna)).toBe(false);
    const store = await openTestStore(place);
    await record(store, anna, given);
    expect((await store.consent.entries(anna)).map(({ what }) => what)).toEqual([
      'explained',
      'given',
      'withdrawn',
      'given',
    ]);
    expect(await store.consent.check()).toEqual({ records: 2, damaged: [], headIntact: true });
  });
});

describe('damage is seen, and whose record it is', () => {
  it.each([
    [
      'its newest entry is cut off',
      'cut',
      (id: string) => `delete from consent_entry where record = '${id}' and position = 3`,
    ],
    ['all of its entries are cut off', 'cut', (id: string) => `delete from consent_entry where record = '${id}'`],
    [
      'an entry in the middle is taken out',
      'altered',
      (id: string) => `delete from consent_entry where record = '${id}' and position = 2`,
    ],
    [
      'an entry is another one than was written',
      'altered',
      (id: string) =>
        `update consent_entry set entry = (select entry from consent_entry where record = '${id}' and position = 2) where record = '${id}' and position = 3`,
    ],
    [
      'the MAC of an entry is another one',
      'altered',
      (id: string) =>
        `update consent_entry set mac = (select mac from consent_entry where record = '${id}' and position = 2) where record = '${id}' and position = 3`,
    ],
    [
      'an entry is put in',
      'altered',
      (id: string) =>
        `insert into consent_entry (record, position, entry, mac) select record, 4, entry, mac from consent_entry where record = '${id}' and position = 2`,
    ],
    [
      'it is given to somebody else',
      'altered',
      (id: string) =>
        `update consent_record set "user" = (select "user" from consent_record where id <> '${id}') where id = '${id}'`,
    ],
  ])('where %s', async (_, damage, statement) => {
    const { place, bens } = await written();
    const { intact, damaged, headIntact } = await checked(place, statement(bens));
    expect(damaged).toMatchObject([{ record: bens, damage }]);
    expect({ intact, headIntact }).toEqual({ intact: { anna: true, ben: false }, headIntact: true });
  });

  it('where it is taken away whole', async () => {
    const { place, annas } = await written();
    const { damaged } = await checked(
      place,
      `delete from consent_entry where record = '${annas}'`,
      `delete from consent_record where id = '${annas}'`,
    );
    expect(damaged).toEqual([{ record: annas, user: undefined, damage: 'missing' }]);
  });

  it('where everything of it that is stored is set back to an earlier moment', async () => {
    const { place, annas } = await written();
    const page = annas.slice(0, 2);
    const held = await execute(place, `select * from consent_page where page = '${page}'`);
    const store = await openTestStore(place);
    await record(store, anna, given);
    await store.close();
    const earlier = held.map(({ links }) => Buffer.from(links as Buffer).toString('hex'));
    const literal = 'path' in place ? `x'${earlier}'` : `'\\x${earlier}'`;
    const { damaged, headIntact } = await checked(
      place,
      `delete from consent_entry where record = '${annas}' and position = 4`,
      `update consent_page set links = ${literal} where page = '${page}'`,
    );
    expect(headIntact).toBe(false);
    expect(damaged).toContainEqual({ record: annas, user: anna, damage: 'cut' });
  });

  it.each([
    ['the head', 'delete from consent_head'],
    ['a page', 'delete from consent_page'],
  ])('where %s is taken away: then nothing can be relied on', async (_, statement) => {
    const { place } = await written();
    const { intact, damaged, headIntact } = await checked(place, statement);
    expect(intact).toEqual({ anna: false, ben: false });
    expect(damaged).toHaveLength(2);
    expect(headIntact).toBe(false);
  });
});

describe('what is damaged', () => {
  it('is not continued, and may be given up for a new record', async () => {
    const { place, bens } = await written();
    await execute(place, `delete from consent_entry where record = '${bens}' and position = 2`);
    const store = await openTestStore(place);
    await store.commit([{ change: 'consent.record', user: ben, event: given, anew: true }]);
    expect((await store.consent.entries(ben)).map(({ what }) => what)).toEqual(['begun-anew', 'given']);
    expect(await store.consent.check()).toEqual({ records: 2, damaged: [], headIntact: true });
  });

  it('is given up also where the head is', async () => {
    const { place } = await written();
    await execute(place, 'delete from consent_head');
    const store = await openTestStore(place);
    for (const user of [anna, ben]) await store.commit([{ change: 'consent.record', user, event: given, anew: true }]);
    expect(await store.consent.check()).toEqual({ records: 2, damaged: [], headIntact: true });
  });
});

describe('erasure', () => {
  it('leaves that there was a record, and nothing that leads to the user', async () => {
    const { place, annas } = await written();
    const store = await openTestStore(place);
    await store.commit([{ change: 'consent.erase', user: anna }]);
    expect(await store.consent.entries(anna)).toEqual([]);
    expect(await store.consent.check()).toEqual({ records: 2, damaged: [], headIntact: true });
    await store.commit([{ change: 'consent.erase', user: anna }]);
    await record(store, anna, given);
    expect(await store.consent.entries(anna)).toHaveLength(1);
    expect(await store.consent.check()).toEqual({ records: 3, damaged: [], headIntact: true });
    await store.close();
    expect(await execute(place, `select id from consent_record where id = '${annas}'`)).toEqual([]);
  });

  it('is seen where the tombstone is given a user again', async () => {
    const { place, bens } = await written();
    const store = await openTestStore(place);
    await store.commit([{ change: 'consent.erase', user: anna }]);
    await store.close();
    const { damaged } = await checked(
      place,
      `update consent_record set "user" = (select "user" from consent_record where id = '${bens}') where hash is null`,
    );
    expect(damaged).toMatchObject([{ damage: 'altered' }]);
  });
});
