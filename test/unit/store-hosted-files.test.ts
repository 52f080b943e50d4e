// What is recorded of the files that we host: found by name, summed up, expired in order, gone with their account.
import { expect, it } from 'vitest';
import type { HostedFile, HostedName } from '../../src/model/media.ts';
import type { StoreLocation } from '../../src/store/database.ts';
import { anAccount, aPlace, departure, openTestStore } from '../support/store.ts';

const name = (text: string) => text as HostedName;

async function opened(place?: StoreLocation) {
  const store = await openTestStore(place);
  const [anna, ben] = [anAccount(), anAccount()];
  await store.commit([
    { change: 'account.put', account: anna },
    { change: 'account.put', account: ben },
  ]);
  const file = (text: string, over: Partial<HostedFile> = {}): HostedFile => ({
    name: name(text),
    account: anna.id,
    size: 100,
    expiresAt: 1_000,
    ...over,
  });
  return { store, hosted: store.hostedFiles, anna, ben, file };
}

it('finds a file by its name after a restart, and replaces one of the same name', async () => {
  const place = await aPlace();
  const { store, hosted, ben, file } = await opened(place);
  const large = file('large', { size: 5 * 2 ** 30, expiresAt: Date.UTC(2030, 0, 1) });
  await hosted.put(large);
  await hosted.put(file('b'));
  await hosted.put(file('b', { account: ben.id, size: 7, expiresAt: 2_000 }));
  await store.close();
  const { hostedFiles: again } = await openTestStore(place);
  expect(await again.find(name('large'))).toEqual(large);
  expect(await again.find(name('b'))).toEqual(file('b', { account: ben.id, size: 7, expiresAt: 2_000 }));
  expect(await again.find(name('c'))).toBeUndefined();
  expect(await again.total()).toBe(5 * 2 ** 30 + 7);
  expect(await again.known([name('b'), name('c'), name('large')])).toEqual(new Set(['b', 'large']));
  expect(await again.known([])).toEqual(new Set());
});

it('tells what has expired, the oldest first, and counts nothing where there is nothing', async () => {
  const { hosted, file } = await opened();
  expect(await hosted.total()).toBe(0);
  for (const [text, expiresAt] of Object.entries({ later: 300, first: 100, second: 200 })) {
    await hosted.put(file(text, { expiresAt }));
  }
  const expired = async (now: number, limit = 10) => (await hosted.expired(now, limit)).map((each) => each.name);
  expect(await expired(99)).toEqual([]);
  expect(await expired(200)).toEqual(['first', 'second']);
  expect(await expired(1_000, 1)).toEqual(['first']);
  await hosted.remove(name('first'));
  await hosted.remove(name('unknown'));
  expect(await expired(1_000)).toEqual(['second', 'later']);
});

it('forgets the files of an erased account and refuses new ones', async () => {
  const { store, hosted, anna, ben, file } = await opened();
  await hosted.put(file('hers'));
  await hosted.put(file('his', { account: ben.id }));
  await store.commit([departure(anna)]);
  expect(await hosted.known([name('hers'), name('his')])).toEqual(new Set(['his']));
  await expect(hosted.put(file('late'))).rejects.toMatchObject({ code: 'store.gone' });
});
