// Processes: one per database, nothing left behind by a killed one, and what a killed one had written is there.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { expect, it, onTestFinished } from 'vitest';
import type { ActorId, UserId } from '../../src/model/ids.ts';
import { openCryptoJournal } from '../../src/store/crypto-journal.ts';
import type { StoreLocation } from '../../src/store/database.ts';
import { openStore } from '../../src/store/open-store.ts';
import { aPlace, masterKey, openTestJournal, openTestStore, storedBytes } from '../support/store.ts';

const clock = { now: () => 1_000 };
const actor = 'ghost-1' as ActorId;
const source = (file: string): string => JSON.stringify(new URL(`../../src/store/${file}`, import.meta.url).href);

/** Runs a module in a process of its own; resolves with the process when it prints its first line. */
async function child(code: string): Promise<{ readonly process: ChildProcess; readonly line: string }> {
  const process_ = spawn(process.execPath, ['--input-type=module', '--eval', code], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  onTestFinished(() => void process_.kill('SIGKILL'));
  const [line] = await once(createInterface({ input: process_.stdout }), 'line');
  return { process: process_, line: String(line) };
}

async function kill(process_: ChildProcess): Promise<void> {
  const exited = once(process_, 'exit');
  process_.kill('SIGKILL');
  await exited;
}

const holdsStore = (place: StoreLocation): string => `
  import { openStore } from ${source('open-store.ts')};
  const store = await openStore({ ...${JSON.stringify(place)}, masterKey: new Uint8Array(32).fill(7), clock: { now: () => 1 } });
  await store.commit([{ change: 'pending-command', user: '@u:example.org', command: 'opt-in' }]);
  console.log('open');
  setInterval(() => {}, 1000);`;

it('refuses a database that another process uses, and takes it over once that was killed', async () => {
  const place = await aPlace();
  const { process: holder } = await child(holdsStore(place));
  await expect(openStore({ ...place, masterKey, clock })).rejects.toMatchObject({
    code: 'store.locked',
    retry: 'after-action',
  });
  await kill(holder);
  const store = await openTestStore(place);
  expect(await store.accounts.pendingCommand('@u:example.org' as UserId)).toBe('opt-in');
  await expect(openStore({ ...place, masterKey, clock })).rejects.toMatchObject({ code: 'store.locked' });
  await store.close();
  await (await openStore({ ...place, masterKey, clock })).close();
});

it('has in the crypto journal everything that a killed process had appended', async () => {
  const place = await aPlace();
  const { process: writer, line } = await child(`
    import { openCryptoJournal } from ${source('crypto-journal.ts')};
    const journal = await openCryptoJournal({ ...${JSON.stringify(place)}, masterKey: new Uint8Array(32).fill(7) });
    const key = Buffer.from(await journal.storeKey('ghost-1')).toString('hex');
    const row = (n) => ({ op: 'put', database: 'd', store: 's', key: Uint8Array.of(n), value: new Uint8Array(5000).fill(n) });
    journal.append('ghost-1', [{ op: 'schema', database: 'd', schema: '{}' }, row(1), row(2)]);
    for (let n = 3; n <= 200; n += 1) journal.append('ghost-1', [row(n), { op: 'delete', database: 'd', store: 's', key: Uint8Array.of(n - 1) }]);
    journal.setSyncToken('ghost-1', 's5');
    await journal.flushed();
    console.log(key);
    setInterval(() => {}, 1000);`);
  await expect(openCryptoJournal({ ...place, masterKey })).rejects.toMatchObject({ code: 'store.locked' });
  await kill(writer);
  const journal = await openTestJournal(place);
  const { schemas, rows } = await journal.load(actor);
  expect([...schemas]).toEqual([['d', '{}']]);
  expect(rows.map(({ key, value }) => [...key, value.length, value[0]])).toEqual([
    [1, 5000, 1],
    [200, 5000, 200],
  ]);
  expect(await journal.syncToken(actor)).toBe('s5');
  expect(Buffer.from(await journal.storeKey(actor)).toString('hex')).toBe(line);
});

it('applies clear and drop to what they name, and erases an actor with its key', async () => {
  const place = await aPlace();
  const journal = await openTestJournal(place);
  const other = 'ghost-2' as ActorId;
  const value = Buffer.from('value-canary-91c');
  const put = (database: string, store: string) =>
    ({ op: 'put', database, store, key: Uint8Array.of(1), value }) as const;
  for (const each of [actor, other]) {
    journal.append(each, [
      { op: 'schema', database: 'd', schema: 'x' },
      { op: 'schema', database: 'e', schema: 'y' },
      put('d', 's'),
      put('d', 't'),
      put('e', 's'),
    ]);
  }
  const stores = async (of: ActorId): Promise<string[]> =>
    (await journal.load(of)).rows.map(({ database, store }) => database + store);
  journal.append(actor, [{ op: 'clear', database: 'd', store: 's' }]);
  expect(await stores(actor)).toEqual(['dt', 'es']);
  journal.append(actor, [{ op: 'drop', database: 'd' }]);
  expect(await stores(actor)).toEqual(['es']);
  expect([...(await journal.load(actor)).schemas.keys()]).toEqual(['e']);

  const key = await journal.storeKey(other);
  expect(await journal.storeKey(other)).toEqual(key);
  journal.erase(actor);
  journal.erase(other);
  expect(await stores(other)).toEqual([]);
  expect(await journal.storeKey(other)).not.toEqual(key);
  await journal.flushed();
  expect((await storedBytes(place)).includes(value)).toBe(false);
});

it('rolls a failed append back as a whole', async () => {
  const journal = await openTestJournal();
  const put = { op: 'put', database: 'd', store: 's', key: Uint8Array.of(1), value: Uint8Array.of(1) } as const;
  const broken = {
    ...put,
    get value(): Uint8Array {
      throw new TypeError('broken');
    },
  };
  expect(() => journal.append(actor, [put, broken])).toThrow();
  expect((await journal.load(actor)).rows).toEqual([]);
  journal.append(actor, [put]);
  expect((await journal.load(actor)).rows).toHaveLength(1);
});

it('refuses a journal under another master key', async () => {
  const place = await aPlace();
  await (await openCryptoJournal({ ...place, masterKey })).close();
  await expect(openTestJournal(place, new Uint8Array(32))).rejects.toMatchObject({ code: 'store.wrong-key' });
});
