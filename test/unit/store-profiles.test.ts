// Names of contacts: who had one first, and what a user calls somebody.

import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import type { ContactId } from '../../src/model/ids.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, aContact, anAccount, aPlace, departure, execute, openTestStore } from '../support/store.ts';

const anna = { text: 'Anna', looks: ['anna'] };
/** Looks like Anna, and like Anne. */
const annna = { text: 'ANNA', looks: ['anna', 'anne'] };
const bob = { text: 'Bob', looks: ['bob'] };

async function contactNamed(store: OpenStore, name: typeof anna | undefined): Promise<ContactId> {
  const made = aContact({ name });
  await store.commit([{ change: 'contact.create', ...made }]);
  return made.contact.id;
}
const rename = (store: OpenStore, contact: ContactId, name: typeof anna) =>
  store.commit([{ change: 'contact.name', contact, name }]);

describe('names that look alike', () => {
  it('whoever had it first keeps it plain', async () => {
    const store = await openTestStore();
    const [first, second, other] = [
      await contactNamed(store, anna),
      await contactNamed(store, annna),
      await contactNamed(store, bob),
    ];
    const alike = () => Promise.all([first, second, other].map(store.contacts.looksLikeAnother));
    expect(await alike()).toEqual([false, true, false]);
    await rename(store, other, annna);
    expect(await alike()).toEqual([false, true, true]);
    // The older contact is the newer Anna once it has been called something else.
    await rename(store, first, bob);
    expect(await alike()).toEqual([false, false, true]);
    await rename(store, first, anna);
    expect(await alike()).toEqual([true, false, true]);
    await store.commit([{ change: 'contact.erase', contact: second }]);
    expect(await alike()).toEqual([true, false, false]);
  });

  it('a name that goes on looking the same keeps its place', async () => {
    const store = await openTestStore();
    const [first, second] = [await contactNamed(store, anna), await contactNamed(store, anna)];
    await rename(store, first, annna);
    await rename(store, first, { text: 'Ánna', looks: ['anna'] });
    expect(await store.contacts.looksLikeAnother(first)).toBe(false);
    expect(await store.contacts.looksLikeAnother(second)).toBe(true);
  });

  it('who has no name looks like nobody, and takes over name and place of their other self', async () => {
    const store = await openTestStore();
    const nameless = await contactNamed(store, undefined);
    const [first, second] = [await contactNamed(store, anna), await contactNamed(store, anna)];
    expect(await store.contacts.looksLikeAnother(nameless)).toBe(false);
    await store.commit([{ change: 'contact.merge', into: nameless, from: first }]);
    expect((await store.contacts.get(nameless))?.name).toEqual(anna);
    expect(await store.contacts.looksLikeAnother(nameless)).toBe(false);
    expect(await store.contacts.looksLikeAnother(second)).toBe(true);
    // Their own name stays where both have one.
    await store.commit([{ change: 'contact.merge', into: nameless, from: second }]);
    expect((await store.contacts.get(nameless))?.name).toEqual(anna);
    expect(await store.contacts.looksLikeAnother(nameless)).toBe(false);
  });

  it('among those that look alike exactly one is plain, whatever they are called in which order', async () => {
    const store = await openTestStore();
    const everybody = [await contactNamed(store, bob), await contactNamed(store, bob), await contactNamed(store, bob)];
    const looks = fc.constantFrom('anna', 'bob', 'carol');
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.constantFrom(...everybody), looks)), async (renamings) => {
        const called = new Map<ContactId, string>();
        for (const contact of everybody) await rename(store, contact, { text: contact, looks: [contact] });
        for (const [contact, look] of renamings) {
          await rename(store, contact, { text: look, looks: [look] });
          called.set(contact, look);
        }
        for (const look of new Set(called.values())) {
          const those = everybody.filter((contact) => called.get(contact) === look);
          const plain = await Promise.all(those.map(store.contacts.looksLikeAnother));
          expect(plain.filter((alike) => !alike)).toHaveLength(1);
        }
      }),
      { numRuns: 50 },
    );
  });

  it('what a name looks like cannot be told from the file, nor compared with another installation', async () => {
    const hashes = await Promise.all(
      [await aPlace(), await aPlace()].map(async (place) => {
        const store = await openTestStore(place);
        await contactNamed(store, anna);
        await store.close();
        const rows = await execute(place, 'select hash from contact_look');
        return rows.map(({ hash }) => (hash as Buffer).toString('hex'));
      }),
    );
    expect(hashes.flat()).toHaveLength(2);
    expect(hashes[0]).not.toEqual(hashes[1]);
  });
});

test('what is known of a picture stays, and a look that has become due meanwhile stays due', async () => {
  const place = await aPlace();
  const before = await openTestStore(place);
  const { account, contact } = await aChat(before);
  const other = await aChat(before);
  expect(await before.pictures.get(contact.id)).toBeUndefined();
  const due = (at: number) => before.commit([{ change: 'picture.due', contact: contact.id, at }]);
  await due(5);
  await due(6);
  const looked = {
    contact: contact.id,
    uploaded: { id: '7', uri: 'mxc://x/7' },
    shown: false,
    lookedAt: 9,
    dueAt: undefined,
    failures: 2,
  } as const;
  await before.commit([{ change: 'picture.put', picture: looked, handled: 5 }]);
  await before.close();

  const store = await openTestStore(place);
  expect(await store.pictures.get(contact.id)).toEqual({ ...looked, dueAt: 6 });
  expect(await store.pictures.due(account.id)).toEqual([contact.id]);
  expect(await store.pictures.due(other.account.id)).toEqual([]);
  await store.commit([{ change: 'picture.put', picture: looked, handled: 6 }]);
  expect(await store.pictures.get(contact.id)).toEqual(looked);
  expect(await store.pictures.due(account.id)).toEqual([]);
  await store.commit([departure(account), { change: 'contact.erase', contact: contact.id }]);
  expect(await store.pictures.get(contact.id)).toBeUndefined();
  const gone = store.commit([{ change: 'picture.put', picture: looked, handled: undefined }]);
  await expect(gone).rejects.toMatchObject({ code: 'store.gone' });
});

test('a given name belongs to one chat, and goes with its account', async () => {
  const store = await openTestStore();
  const contact = aContact();
  const mine = await aChat(store, { account: anAccount(), contact });
  const theirs = await aChat(store, { account: anAccount(), contact });
  await store.commit([{ change: 'portal.name', portal: mine.portal.id, givenName: 'Mum' }]);
  expect(await store.portals.ofContact(contact.contact.id)).toEqual([
    { ...mine.portal, givenName: 'Mum' },
    theirs.portal,
  ]);
  expect(await store.contacts.get(contact.contact.id)).toEqual(contact.contact);
});
