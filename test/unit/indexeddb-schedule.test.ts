// A transaction of the crypto stores goes on without waiting for the event loop, and neither outruns its promises nor keeps others waiting for ever.
import { indexedDB } from 'fake-indexeddb';
import { expect, onTestFinished, test } from 'vitest';
import '../../src/matrix/crypto/databases.ts';

function settled<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
}

async function database(): Promise<IDBDatabase> {
  const request = indexedDB.open(expect.getState().currentTestName ?? '', 1);
  request.onupgradeneeded = () => request.result.createObjectStore('rows');
  const db = await settled(request);
  onTestFinished(() => db.close());
  return db;
}

/** A count of the turns of the event loop from now on. */
function turns(): () => number {
  let count = 0;
  let counting = true;
  const next = () => {
    count += 1;
    if (counting) setImmediate(next);
  };
  setImmediate(next);
  onTestFinished(() => {
    counting = false;
  });
  return () => count;
}

test('a request that is made some promises after the last one still belongs to the transaction', async () => {
  const db = await database();
  const store = db.transaction('rows', 'readwrite').objectStore('rows');
  for (let row = 0; row < 20; row += 1) {
    await settled(store.put(row, row));
    for (let promise = 0; promise < 20; promise += 1) await undefined;
  }
  expect(await settled(db.transaction('rows').objectStore('rows').count())).toBe(20);
});

test('fifty requests, each after the answer to the last, take next to no turns; a thousand let others have theirs', async () => {
  const db = await database();
  const write = async (rows: number) => {
    const passed = turns();
    const store = db.transaction('rows', 'readwrite').objectStore('rows');
    for (let row = 0; row < rows; row += 1) await settled(store.put(row, row));
    return passed();
  };
  expect(await write(50)).toBeLessThanOrEqual(1);
  expect(await write(1_000)).toBeGreaterThanOrEqual(9);
});

test('what others schedule meanwhile is scheduled as ever', async () => {
  const db = await database();
  const { setImmediate: before } = globalThis;
  const transaction = db.transaction('rows', 'readwrite');
  transaction.objectStore('rows').put(1, 1);
  expect(globalThis.setImmediate).toBe(before);
  await new Promise((resolve) => {
    transaction.oncomplete = resolve;
  });
  expect(globalThis.setImmediate).toBe(before);
});
