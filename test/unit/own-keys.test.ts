// Keys of an account that go to the network: what is made, what is uploaded, and what becomes of a try that failed. Store and Signal are real.
import { expect, test } from 'vitest';
import { OwnKeys } from '../../src/bridge/own-keys.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { PublicKeys } from '../../src/model/signal.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, openTestStore } from '../support/store.ts';

const month = 31 * 24 * 3_600_000;

async function uploading() {
  const clock = new ManualClock();
  const store = await openTestStore();
  const { account } = await aChat(store);
  const signal = createSignal({ reads: store.signal, clock });
  await store.commit(signal.createIdentity(account.id, 0).changes);
  const own = new OwnKeys({ store, signal });
  const network = { answers: true, preKeys: [] as PublicKeys[], signed: [] as number[] };
  const answer = (): void => {
    if (!network.answers) throw new BridgeError('interop.timeout', 'no answer', { retry: 'later' });
  };
  const client = {
    uploadPreKeys: async (keys: PublicKeys) => {
      network.preKeys.push(keys);
      answer();
    },
    uploadSignedPreKey: async ({ id }: PublicKeys['signedPreKey']) => {
      network.signed.push(id);
      answer();
    },
  };
  const replenish = () => own.replenish(account.id, client);
  const rotate = () => own.rotate(account.id, client);
  return { account: account.id, store, clock, network, replenish, rotate };
}

test('one-time pre-keys that the network did not take are uploaded again, under the signed pre-key of that day; no others are made', async () => {
  const { account, store, clock, network, replenish, rotate } = await uploading();
  network.answers = false;
  for (let tries = 0; tries < 3; tries += 1)
    await expect(replenish()).rejects.toMatchObject({ code: 'interop.timeout' });
  expect(await store.signal.preKey(account, 100)).toBeDefined();
  expect(await store.signal.preKey(account, 101)).toBeUndefined();
  network.answers = true;
  clock.advance(month);
  await rotate();
  await replenish();
  await replenish();
  const [first, , , again, others] = network.preKeys;
  expect(first).toMatchObject({ preKeys: { length: 100, 0: { id: 1 } }, signedPreKey: { id: 1 } });
  expect(again?.preKeys).toEqual(first?.preKeys);
  expect(again?.signedPreKey.id).toBe(2);
  expect(others?.preKeys).toMatchObject({ length: 100, 0: { id: 101 } });
});

test('where only the answer to an upload was lost, which shows when one of the keys is used, others are made', async () => {
  const { account, store, network, replenish } = await uploading();
  network.answers = false;
  await expect(replenish()).rejects.toMatchObject({ code: 'interop.timeout' });
  network.answers = true;
  await store.commit([{ change: 'signal.pre-key-used', account, id: 7 }]);
  await replenish();
  expect(network.preKeys.map(({ preKeys }) => preKeys[0]?.id)).toEqual([1, 101]);
});

test('the network is given each signed pre-key until it has answered, and then no more', async () => {
  const { clock, network, rotate } = await uploading();
  network.answers = false;
  await expect(rotate()).rejects.toMatchObject({ code: 'interop.timeout' });
  network.answers = true;
  for (let times = 0; times < 2; times += 1) await rotate();
  clock.advance(month);
  for (let times = 0; times < 2; times += 1) await rotate();
  expect(network.signed).toEqual([1, 1, 2]);
});
