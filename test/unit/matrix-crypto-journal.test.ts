// The journal under the crypto stores: whatever is done to a database, what is replayed is what was there.
import { spawnSync } from 'node:child_process';
import { IDBKeyRange, indexedDB } from 'fake-indexeddb';
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { CryptoDatabases, mainDatabase } from '../../src/matrix/crypto/databases.ts';
import { decodeKey, encodeKey } from '../../src/matrix/crypto/indexeddb-codec.ts';
import { botActorId } from '../../src/model/ids.ts';
import type { OpenCryptoJournal } from '../../src/store/crypto-journal.ts';
import { openTestJournal } from '../support/store.ts';

let journal: OpenCryptoJournal;
let databases: CryptoDatabases;
let fatal: Error[];

beforeEach(async () => {
  journal = await openTestJournal();
  fatal = [];
  databases = new CryptoDatabases(journal, (error) => void fatal.push(error));
});

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

/** Opens the database that Rust would use; `upgrade` runs where `version` is newer than what is there. */
async function open(
  storeName: string,
  version: number,
  upgrade: (db: IDBDatabase, tx: IDBTransaction) => void = () => {},
) {
  const request = indexedDB.open(`${storeName}::${mainDatabase}`, version);
  request.onupgradeneeded = () => {
    if (request.transaction) upgrade(request.result, request.transaction);
  };
  return settled(request);
}

/** Everything in the database: what a kill at this moment must not change. */
async function content(db: IDBDatabase): Promise<object> {
  const names = [...db.objectStoreNames];
  const stores = await Promise.all(
    names.map(async (name) => {
      const store = db.transaction(name).objectStore(name);
      const indexes = [...store.indexNames].map((index) => {
        const { keyPath, unique, multiEntry } = store.index(index);
        return { index, keyPath, unique, multiEntry };
      });
      const [keys, values] = [store.getAllKeys(), store.getAll()];
      return { name, keyPath: store.keyPath, indexes, keys: await settled(keys), values: await settled(values) };
    }),
  );
  return { version: db.version, stores };
}

/** As after SIGKILL: nothing is known but the journal. */
async function replayed(version: number): Promise<object> {
  const next = new CryptoDatabases(journal, (error) => void fatal.push(error));
  const { storeName } = await next.open(botActorId);
  const db = await open(storeName, version);
  const found = await content(db);
  await next.close(botActorId);
  return found;
}

function rowsAndIndexed(db: IDBDatabase): void {
  db.createObjectStore('rows');
  const indexed = db.createObjectStore('indexed', { keyPath: 'id' });
  indexed.createIndex('by', ['group', 'n'], { unique: false });
  indexed.createIndex('n', 'n', { multiEntry: true });
}

const key = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.integer(),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.date({ noInvalidDate: true }),
  fc.uint8Array({ maxLength: 9 }).map((bytes) => bytes.slice().buffer),
  fc.array(fc.string({ maxLength: 3 }), { maxLength: 3 }),
);
const small = fc.constantFrom('a', 'b', 'c', 'd', 'e', 'f');
type Step = [
  'put' | 'add' | 'delete' | 'range' | 'clear' | 'update' | 'remove',
  string,
  string,
  { group: string; n: number },
];
const step: fc.Arbitrary<Step> = fc.tuple(
  fc.constantFrom('put', 'put', 'put', 'add', 'delete', 'range', 'clear', 'update', 'remove'),
  small,
  small,
  fc.record({ group: small, n: fc.nat(9) }),
);

/** One transaction with these steps; aborted at the end, or by itself when an `add` finds its key taken. */
function transact(db: IDBDatabase, steps: readonly Step[], abort: boolean): Promise<void> {
  const transaction = db.transaction(['rows', 'indexed'], 'readwrite');
  const [rows, indexed] = [transaction.objectStore('rows'), transaction.objectStore('indexed')];
  const range = (a: string, b: string) => IDBKeyRange.bound(a < b ? a : b, a < b ? b : a);
  for (const [what, a, b, value] of steps) {
    if (what === 'put') {
      rows.put(value, a);
      indexed.put({ id: b, ...value });
    } else if (what === 'add') rows.add(value, a);
    else if (what === 'delete') rows.delete(a);
    else if (what === 'range') indexed.delete(range(a, b));
    else if (what === 'clear') rows.clear();
    else {
      // Once over the index, so that key and primary key differ.
      const request = indexed.index('by').openCursor();
      request.onsuccess = () => {
        const cursor = request.result;
        if (cursor === null) return;
        if (what === 'update') cursor.update({ ...cursor.value, extra: a });
        else if (cursor.primaryKey === b) cursor.delete();
        cursor.continue();
      };
    }
  }
  return new Promise((resolve) => {
    transaction.oncomplete = () => resolve();
    transaction.onabort = () => resolve();
    if (abort) transaction.abort();
  });
}

test('every sequence of transactions, aborted ones among them, is replayed as it was', async () => {
  const transactions = fc.array(
    fc.tuple(fc.array(step, { maxLength: 8 }), fc.constantFrom(false, false, false, true)),
    {
      maxLength: 6,
    },
  );
  await fc.assert(
    fc.asyncProperty(transactions, async (list) => {
      journal.erase(botActorId);
      const { storeName } = await databases.open(botActorId);
      const db = await open(storeName, 3, rowsAndIndexed);
      for (const [steps, abort] of list) {
        await transact(db, steps, abort);
        expect(await replayed(3)).toEqual(await content(db));
      }
      await databases.close(botActorId);
    }),
    { numRuns: 60 },
  );
  expect(fatal).toEqual([]);
});

test('a schema is journaled before there are rows, and an upgrade with all that it moves', async () => {
  const { storeName } = await databases.open(botActorId);
  const first = await open(storeName, 1, rowsAndIndexed);
  expect(await replayed(1)).toEqual(await content(first));
  await transact(first, [['put', 'a', 'b', { group: 'c', n: 1 }]], false);
  first.close();
  const second = await open(storeName, 2, (db, transaction) => {
    db.createObjectStore('moved').put('value', 'key');
    transaction.objectStore('indexed').deleteIndex('n');
    transaction.objectStore('indexed').createIndex('group', 'group');
    transaction.objectStore('rows').put('lost', 'lost');
    db.deleteObjectStore('rows');
  });
  expect([...second.objectStoreNames]).toEqual(['indexed', 'moved']);
  expect(await replayed(2)).toEqual(await content(second));
  second.close();
  // An upgrade that changes nothing but the version.
  const third = await open(storeName, 5);
  expect(await replayed(5)).toEqual(await content(third));
});

test('a deleted database is gone for good', async () => {
  const { storeName } = await databases.open(botActorId);
  const db = await open(storeName, 1, rowsAndIndexed);
  await transact(db, [['put', 'a', 'b', { group: 'c', n: 1 }]], false);
  db.close();
  await settled(indexedDB.deleteDatabase(`${storeName}::${mainDatabase}`));
  expect(await databases.exists(botActorId)).toBe(false);
  expect((await journal.load(botActorId)).rows).toEqual([]);
});

test('what the journal refuses is fatal, and nothing counts as durable any more', async () => {
  const { storeName } = await databases.open(botActorId);
  const db = await open(storeName, 1, rowsAndIndexed);
  await databases.flushed();
  const append = journal.append.bind(journal);
  journal.append = () => {
    throw new Error('disk full');
  };
  await transact(db, [['put', 'a', 'b', { group: 'c', n: 1 }]], false);
  journal.append = append;
  expect(fatal).toEqual([expect.objectContaining({ code: 'crypto.journal-failed' })]);
  await expect(databases.flushed()).rejects.toMatchObject({ code: 'crypto.journal-failed' });
});

describe('the encoding of keys', () => {
  test('is reversible', () => {
    const property = fc.property(key, (value) => {
      expect(decodeKey(encodeKey(value))).toEqual(Object.is(value, -0) ? 0 : value);
    });
    fc.assert(property);
  });

  test('is canonical: the same text has the same bytes, however it is held in memory', () => {
    const twoByte = `${'\u{1F600}'}plain`.slice(2);
    expect(Buffer.compare(encodeKey(twoByte), encodeKey('plain'))).toBe(0);
  });
});

test('a panic inside the crypto library is reported as fatal; another uncaught error still ends the process', () => {
  const run = (code: string) => {
    const script = `
      import { reportPanics } from './src/matrix/crypto/panic.ts';
      import * as wasm from '@matrix-org/matrix-sdk-crypto-wasm';
      reportPanics((error) => { console.log('fatal', error.code); process.exit(9); });
      ${code}`;
    return spawnSync(process.execPath, ['--input-type=module-typescript', '-e', script], { encoding: 'utf8' });
  };
  const panic = run(`
    await wasm.initAsync();
    const machine = await wasm.OlmMachine.initialize(new wasm.UserId('@a:b'), new wasm.DeviceId('D'));
    setTimeout(() => {}, 30000);
    await machine.encryptRoomEvent(new wasm.RoomId('!r:b'), 'm.room.message', '{}');`);
  expect(panic).toMatchObject({ status: 9, stdout: 'fatal crypto.panic\n' });
  const other = run(`setTimeout(() => { throw new Error('something else'); });`);
  expect(other.status).not.toBe(0);
  expect(other.status).not.toBe(9);
  expect(other.stderr).toContain('something else');
});
