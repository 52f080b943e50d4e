// A connection that comes while the database is away: what waits for it goes on when the database is back. The store is real.
import { expect, test } from 'vitest';
import { type ConnectionEffects, Connections } from '../../src/bridge/connections.ts';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { answerWaitMs } from '../../src/bridge/inbox-steps.ts';
import { Listening } from '../../src/bridge/listening.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { InteropClient, InteropEvents, InteropNetwork } from '../../src/model/interop.ts';
import type { Signal } from '../../src/model/signal.ts';
import type { Store } from '../../src/model/store.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, openTestStore, outgoing, present } from '../support/store.ts';

async function connecting() {
  const real = await openTestStore();
  const { account, portal } = await aChat(real);
  if (account.state.at !== 'active') throw new Error(account.state.at);
  await real.commit([{ change: 'outbox.add', row: outgoing(portal, Uint8Array.of(1)) }]);
  const database = { away: true };
  const store: Store = {
    ...real,
    commit: async (changes) => {
      if (database.away) throw new BridgeError('store.unavailable', 'the disk is full', { retry: 'later' });
      await real.commit(changes);
    },
  };
  const connection = { connected: true, events: undefined as InteropEvents | undefined };
  const client: Partial<InteropClient> = {
    get connected() {
      return connection.connected;
    },
    start: () => {},
    redeliver: () => {},
    uploadSignedPreKey: async () => {},
  };
  const network: Partial<InteropNetwork> = {
    client: (_network, _token, events) => {
      connection.events = events;
      return client as InteropClient;
    },
  };
  const signal = { rotateSignedPreKey: async () => undefined, createPreKeys: async () => ({ keys: {} }) };
  const clock = new ManualClock();
  const listening = new Listening(clock);
  const context: Partial<BridgeContext> = {
    store,
    listening,
    network: network as InteropNetwork,
    signal: signal as unknown as Signal,
    logger: createLogger({ level: 'silent' }),
  };
  const woken: unknown[] = [];
  const heard = Promise.withResolvers<void>();
  const effects: Partial<ConnectionEffects> = {
    connected: (id, portals) => {
      woken.push([id, portals]);
      heard.resolve();
    },
  };
  const connections = new Connections(context as BridgeContext, effects as ConnectionEffects);
  connections.open({ ...account, state: account.state });
  const { online, offline } = present(connection.events);
  return {
    connections,
    database,
    connection,
    online,
    offline,
    clock,
    isInVain: () => listening.isInVain(account.id, 'anything'),
    woken,
    heard: heard.promise,
    expected: [account.id, [portal.id]],
  };
}

test('what waits for a connection that came while the database was away goes on when that is back', async () => {
  const { connections, database, online, woken, heard, expected } = await connecting();
  await expect(online()).rejects.toMatchObject({ code: 'store.unavailable' });
  expect(woken).toEqual([]);
  database.away = false;
  connections.databaseIsBack();
  await heard;
  expect(woken).toEqual([expected]);
});

test('a connection that has ended by then is not followed up: the next one is', async () => {
  const { connections, database, connection, online, woken, expected } = await connecting();
  await expect(online()).rejects.toMatchObject({ code: 'store.unavailable' });
  connection.connected = false;
  database.away = false;
  connections.databaseIsBack();
  connection.connected = true;
  await online();
  expect(woken).toEqual([expected]);
});

test('answers are listened for as long as there is a connection, also while it cannot be followed up', async () => {
  const { online, offline, clock, isInVain } = await connecting();
  clock.advance(answerWaitMs);
  expect(isInVain()).toBe(false);
  await expect(online()).rejects.toMatchObject({ code: 'store.unavailable' });
  expect(isInVain()).toBe(false);
  clock.advance(answerWaitMs);
  expect(isInVain()).toBe(true);
  offline({ reason: 'network', retry: 'later' });
  expect(isInVain()).toBe(false);
});
