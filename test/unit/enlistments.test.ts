// Enlistment is tried as often as it takes, with the same keys. The store and Signal are real.
import { expect, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { type Enlisted, enlist, initialPreKeys } from '../../src/bridge/enlistments.ts';
import { systemClock } from '../../src/model/clock.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { EnlistmentApi } from '../../src/model/interop.ts';
import { interopJid } from '../../src/model/jid.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { anAccount, aPlace, execute, openTestStore } from '../support/store.ts';

test('a service that is away does not fill the database with keys, and gets in the end those that are kept', async () => {
  const place = await aPlace();
  const store = await openTestStore(place);
  const account = { ...anAccount(), state: { at: 'enlisting' } } as const;
  await store.commit([{ change: 'account.put', account }]);
  const offered: string[] = [];
  let away = true;
  const api: Partial<EnlistmentApi> = {
    enlist: async ({ keys }) => {
      offered.push(keys.preKeys.map(({ id }) => id).join());
      if (away) throw new BridgeError('enlistment.unreachable', 'away', { retry: 'later' });
      return { interopAccountId: '1', jid: interopJid(7, '1') };
    },
  };
  const parts = {
    store,
    signal: createSignal({ reads: store.signal, clock: systemClock }),
    network: { enlistment: () => api, now: () => 5 },
    minter: { mint: async () => 'token' },
    homeserver: { displayName: async () => 'A' },
    logger: createLogger({ level: 'silent' }),
  };
  const then: Enlisted = { keys: new Map(), connect: () => {}, wakeBot: () => {} };
  const attempt = () => enlist(parts as unknown as BridgeContext, account.id, then, new AbortController().signal);
  for (let n = 0; n < 3; n += 1) await expect(attempt()).rejects.toMatchObject({ code: 'enlistment.unreachable' });
  away = false;
  expect(await attempt()).toBe('idle');
  expect(await store.accounts.get(account.id)).toMatchObject({ state: { at: 'active' } });
  expect(new Set(offered).size).toBe(1);
  expect(then.keys.size).toBe(0);
  await store.close();
  const [row] = await execute(place, 'select count(*) as count from signal_pre_key');
  expect(Number(row?.count)).toBe(initialPreKeys);
});
