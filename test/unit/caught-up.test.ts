// After we were away the homeserver pushes what it could not, without the part about keys: what that said is asked for then. The store is real.
import { expect, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { Transactions, type TransactionsOptions } from '../../src/bridge/transactions.ts';
import type { RoomId, UserId } from '../../src/model/ids.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { openTestStore } from '../support/store.ts';

const counts = { 'org.matrix.msc3202.device_one_time_keys_count': { '@bot:example.org': { BOT: {} } } };
const typing = [{ room: '!room' as RoomId, users: ['@a:example.org' as UserId] }];

test.each([
  ['empty', {}, [], true],
  ['of empty lists', { to_device: [], device_lists: { changed: [], left: [] } }, [], true],
  ['with counts, as any that is pushed at once', { to_device: [], ...counts }, [], false],
  ['with somebody who types', {}, typing, false],
])('a transaction %s', async (_, body: JsonObject, who, isCatchUp) => {
  const store = await openTestStore();
  const settled = Promise.withResolvers<void>();
  const parts = {
    store: {
      ...store,
      commit: async (changes: Parameters<typeof store.commit>[0]) => {
        await store.commit(changes);
        if (changes.some(({ change }) => change === 'transaction.done')) settled.resolve();
      },
    },
    clock: new ManualClock(),
    logger: createLogger({ level: 'silent' }),
    bot: { user: '@bot:example.org' as UserId },
    settings: { ghostPrefix: 'wa_', serverName: 'example.org' },
    crypto: { receive: async () => {} },
  };
  let recovered = 0;
  const nothing = (): void => {};
  const options: TransactionsOptions = {
    context: parts as unknown as BridgeContext,
    wakeRoom: nothing,
    devicesChanged: nothing,
    wakeReceipts: nothing,
    left: nothing,
    visited: nothing,
    typing: nothing,
    recover: () => {
      recovered += 1;
    },
    missing: nothing,
    stranded: nothing,
  };
  const transactions = new Transactions(options);
  await transactions.store({ id: '1', body, events: [] }, { receipts: [], typing: who });
  await settled.promise;
  await transactions.stop();
  expect(recovered).toBe(isCatchUp ? 1 : 0);
});
