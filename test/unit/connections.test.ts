// What follows on a connection is done although something was away when it came. Store, Signal and workers are real.
import { expect, onTestFinished, test, vi } from 'vitest';
import { type ConnectionEffects, Connections } from '../../src/bridge/connections.ts';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { answerWaitMs } from '../../src/bridge/inbox-steps.ts';
import { Listening } from '../../src/bridge/listening.ts';
import { workersOf } from '../../src/bridge/workers-of.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { InteropClient, InteropEvents, InteropNetwork } from '../../src/model/interop.ts';
import type { Store } from '../../src/model/store.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { RequestRefused } from '../../src/whatsapp/requests.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, openTestStore, outgoing, present } from '../support/store.ts';

const firstBackOffMs = 500;

async function connecting() {
  const real = await openTestStore();
  const { account, portal } = await aChat(real);
  if (account.state.at !== 'active') throw new Error(account.state.at);
  const clock = new ManualClock();
  const signal = createSignal({ reads: real.signal, clock });
  await real.commit([
    { change: 'outbox.add', row: outgoing(portal, Uint8Array.of(1)) },
    ...signal.createIdentity(account.id, 0).changes,
  ]);
  const database = { reads: true, writes: true };
  const away = () => new BridgeError('store.unavailable', 'not now', { retry: 'later' });
  const store: Store = {
    ...real,
    commit: async (changes) => {
      if (!database.writes) throw away();
      await real.commit(changes);
    },
    outbox: {
      ...real.outbox,
      portalsWithWork: async (id) => {
        if (!database.reads) throw away();
        return real.outbox.portalsWithWork(id);
      },
    },
  };
  const network = {
    connected: true,
    events: undefined as InteropEvents | undefined,
    refuses: undefined as BridgeError | undefined,
    looked: () => {},
    uploaded: (_id: number) => {},
  };
  const client: Partial<InteropClient> = {
    get connected() {
      network.looked();
      return network.connected;
    },
    start: () => {},
    uploadSignedPreKey: async ({ id }) => {
      network.uploaded(id);
      if (network.refuses !== undefined) throw network.refuses;
    },
  };
  const port: Partial<InteropNetwork> = {
    client: (_network, _token, events) => {
      network.events = events;
      return client as InteropClient;
    },
  };
  const listening = new Listening(clock);
  const parts: Partial<BridgeContext> = {
    store,
    listening,
    network: port as InteropNetwork,
    signal,
    clock,
    logger: createLogger({ level: 'silent' }),
  };
  const context = parts as BridgeContext;
  const woken: unknown[] = [];
  const heard = Promise.withResolvers<void>();
  const effects: Partial<ConnectionEffects> = {
    connected: (id, portals) => {
      woken.push([id, portals]);
      heard.resolve();
    },
  };
  const connections = new Connections(context, workersOf(context), effects as ConnectionEffects);
  onTestFinished(() => connections.followUps.stop());
  connections.open({ ...account, state: account.state });
  return {
    connections,
    clock,
    database,
    network,
    online: () => present(network.events).online(),
    offline: () => present(network.events).offline({ reason: 'network', retry: 'later' }),
    isInVain: () => listening.isInVain(account.id, 'anything'),
    woken,
    heard: heard.promise,
    expected: [account.id, [portal.id]],
  };
}

test('what waits for a connection that came while the database was away goes on when that is back', async () => {
  const { connections, clock, database, online, woken, heard, expected } = await connecting();
  database.writes = false;
  online();
  await clock.sleeping(firstBackOffMs);
  expect(woken).toEqual([]);
  database.writes = true;
  connections.followUps.resumeAll();
  await heard;
  expect(woken).toEqual([expected]);
});

test('what waits for a connection goes on although the database could not be read when that came, and nobody says that it is back', async () => {
  const { clock, database, online, woken, heard, expected } = await connecting();
  database.reads = false;
  online();
  for (const doubling of [1, 2, 4]) clock.advance(await clock.sleeping(doubling * firstBackOffMs));
  await clock.sleeping(8 * firstBackOffMs);
  expect(woken).toEqual([]);
  database.reads = true;
  clock.advance(8 * firstBackOffMs);
  await heard;
  expect(woken).toEqual([expected]);
});

test('a connection that has ended by then is not followed up: the next one is', async () => {
  const { clock, database, network, online, woken, heard, expected } = await connecting();
  database.writes = false;
  online();
  await clock.sleeping(firstBackOffMs);
  network.connected = false;
  database.writes = true;
  const looked = new Promise<void>((resolve) => {
    network.looked = resolve;
  });
  clock.advance(firstBackOffMs);
  await looked;
  network.connected = true;
  online();
  await heard;
  expect(woken).toEqual([expected]);
});

test('a signed pre-key that the network could not take just then is uploaded again on the same connection', async () => {
  const { clock, network, online } = await connecting();
  network.refuses = new RequestRefused(503);
  online();
  await clock.sleeping(firstBackOffMs);
  network.refuses = undefined;
  const uploaded = new Promise<number>((resolve) => {
    network.uploaded = resolve;
  });
  clock.advance(firstBackOffMs);
  expect(await uploaded).toBe(1);
});

test('one that the network will not have is not offered again before the next connection', async () => {
  const { clock, connections, network, online } = await connecting();
  const sleeps = vi.spyOn(clock, 'sleep');
  network.refuses = new RequestRefused(405);
  const uploaded = new Promise<number>((resolve) => {
    network.uploaded = resolve;
  });
  online();
  await uploaded;
  await connections.followUps.stop();
  expect(sleeps).not.toHaveBeenCalled();
});

test('answers are listened for as long as there is a connection, also while it cannot be followed up', async () => {
  const { online, offline, clock, database, isInVain } = await connecting();
  database.writes = false;
  clock.advance(answerWaitMs);
  expect(isInVain()).toBe(false);
  online();
  await clock.sleeping(firstBackOffMs);
  expect(isInVain()).toBe(false);
  clock.advance(answerWaitMs);
  expect(isInVain()).toBe(true);
  offline();
  expect(isInVain()).toBe(false);
});
