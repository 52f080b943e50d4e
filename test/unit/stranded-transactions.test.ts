// A transaction that the homeserver has left behind is fetched by refusing the next one, once, and only where that helps.
import { expect, test } from 'vitest';
import { StrandedTransactions } from '../../src/bridge/stranded-transactions.ts';
import { openTestStore } from '../support/store.ts';

/** A homeserver that pushes these ids, one after another; answers those that were refused. */
async function pushing(known: readonly string[] = []) {
  const store = await openTestStore();
  const keep = async (id: string) =>
    store.commit([{ change: 'transaction.store', transaction: { id, body: {}, events: [] } }]);
  for (const id of known) await keep(id);
  let provoked = 0;
  const stranded = new StrandedTransactions({
    isKnown: (id) => store.events.isTransactionKnown(id),
    refused: () => {
      provoked += 1;
    },
  });
  const push = async (...ids: readonly string[]): Promise<string[]> => {
    const refused: string[] = [];
    for (const id of ids) {
      const answer = await stranded.check(id).then(
        () => keep(id),
        (error: unknown) => {
          expect(error).toMatchObject({ code: 'bridge.transaction-missing', retry: 'later' });
          refused.push(id);
        },
      );
      expect(answer).toBeUndefined();
    }
    return refused;
  };
  return { push, provoked: () => provoked };
}

test('one after another, nothing is refused', async () => {
  const { push } = await pushing();
  expect(await push('1', '2', '3')).toEqual([]);
});

test('before a gap the next one is refused once, then both are taken', async () => {
  const { push, provoked } = await pushing();
  expect(await push('1', '2', '4')).toEqual(['4']);
  expect(provoked()).toBe(1);
  expect(await push('3', '4', '5')).toEqual([]);
});

test('what was stored before a start is no gap; what was not, is', async () => {
  expect(await (await pushing(['41', '42'])).push('43')).toEqual([]);
  expect(await (await pushing(['4', '41'])).push('43')).toEqual(['43']);
});

test('a gap that comes again and again in vain is somebody else’s', async () => {
  const { push } = await pushing();
  expect(await push('1', '3', '3', '5', '5', '7', '7', '9', '11', '13')).toEqual(['3', '5', '7']);
});

test('where it has helped, it goes on', async () => {
  const { push } = await pushing();
  const found = await push('1', '3', '2', '3', '5', '4', '5', '7', '6', '7', '9', '8', '9', '11');
  expect(found).toEqual(['3', '5', '7', '9', '11']);
});

test('a homeserver that counts from the beginning again, or names them otherwise, is left alone', async () => {
  const { push } = await pushing(['500']);
  expect(await push('501', '1', '2', 'a-name', '0', '3')).toEqual([]);
});
