// Transfers at once: bounded, fair between accounts, broken off with their account.
import { expect, test } from 'vitest';
import { TransferSlots } from '../../src/bridge/files/slots.ts';
import type { AccountId } from '../../src/model/ids.ts';

const [anna, ben] = ['anna', 'ben'] as AccountId[] as [AccountId, AccountId];

/** A transfer that runs until it is told to end. */
function transfer(slots: TransferSlots, account: AccountId, name: string, started: string[]) {
  const { promise, resolve: end } = Promise.withResolvers<void>();
  const begun = Promise.withResolvers<void>();
  const done = slots.run(account, async (signal) => {
    started.push(name);
    begun.resolve();
    const broken = new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
    await Promise.race([promise, broken]);
    return name;
  });
  return { begun: begun.promise, end, done };
}

const brokenOff = { code: 'store.gone' };

test('no more run at once than there are slots, and accounts take turns', async () => {
  const slots = new TransferSlots(1);
  const started: string[] = [];
  const all = [
    ...['a1', 'a2', 'a3'].map((name) => transfer(slots, anna, name, started)),
    transfer(slots, ben, 'b1', started),
  ];
  await all[0]?.begun;
  expect(started).toEqual(['a1']);
  for (const { end } of all) end();
  await Promise.all(all.map(({ done }) => done));
  expect(started).toEqual(['a1', 'a2', 'b1', 'a3']);
});

test('an account that ends takes its transfers with it, running and waiting, and leaves the slot to others', async () => {
  const slots = new TransferSlots(1);
  const started: string[] = [];
  const running = transfer(slots, anna, 'a1', started);
  const waiting = transfer(slots, anna, 'a2', started);
  const other = transfer(slots, ben, 'b1', started);
  await running.begun;
  slots.abort(anna);
  await Promise.all([
    expect(running.done).rejects.toMatchObject(brokenOff),
    expect(waiting.done).rejects.toMatchObject(brokenOff),
  ]);
  other.end();
  expect(await other.done).toBe('b1');
  expect(started).toEqual(['a1', 'b1']);
});

test('nothing begins once everything has stopped', async () => {
  const slots = new TransferSlots(1);
  const started: string[] = [];
  const running = transfer(slots, anna, 'a1', started);
  await running.begun;
  slots.stop();
  await expect(running.done).rejects.toMatchObject(brokenOff);
  await expect(transfer(slots, ben, 'b1', started).done).rejects.toMatchObject(brokenOff);
  expect(started).toEqual(['a1']);
});
