// When two contacts turn out to be one person, whoever has chats with them hears of it, and the ghost that stands for nobody leaves. The store is real.
import { expect, onTestFinished, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { leaveRooms, type Merged, mergeWorkers, tellingOfMerges } from '../../src/bridge/merged-contacts.ts';
import { workersOf } from '../../src/bridge/workers-of.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { PortalId, RoomId } from '../../src/model/ids.ts';
import type { Homeserver, MatrixCrypto } from '../../src/model/matrix.ts';
import type { Store } from '../../src/model/store.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, aContact, openTestStore } from '../support/store.ts';

test('a merge is told with the rooms that its ghost is in; other commits, and one that fails, are not', async () => {
  const store = await openTestStore();
  const told: Merged[] = [];
  const telling = tellingOfMerges(store, (merged) => void told.push(merged));
  const kept = await aChat(store);
  const lost = aContact();
  const one = await aChat(store, { contact: lost });
  const other = await aChat(store, { contact: lost });
  const rooms = [one, other].flatMap(({ portal }) => (portal.state.at === 'open' ? [portal.state.room] : []));
  const merge = { change: 'contact.merge', into: kept.contact.id, from: lost.contact.id } as const;
  await telling.commit([{ change: 'ghost.put', ghost: { ...lost.ghost, ready: true } }]);
  expect(told).toEqual([]);
  await telling.commit([merge]);
  expect(told).toEqual([{ into: kept.contact.id, ghost: lost.ghost.actor, rooms }]);
  await expect(telling.commit([merge])).rejects.toMatchObject({ code: 'store.gone' });
  expect(told).toHaveLength(1);
});

test('a room that cannot be left does not keep the ghost from leaving the others', async () => {
  const { ghost, contact } = aContact();
  const left: RoomId[] = [];
  const homeserver: Partial<Homeserver> = {
    leave: async (_, room) => {
      if (room === '!away') throw new BridgeError('matrix.server-error', 'not now', { retry: 'later' });
      left.push(room);
    },
  };
  const crypto: Partial<MatrixCrypto> = { forgetRoom: async () => undefined };
  const logger = createLogger({ level: 'silent' });
  const context = { homeserver, crypto, logger } as Partial<BridgeContext> as BridgeContext;
  const rooms = ['!one', '!away', '!two'] as RoomId[];
  await leaveRooms(context, { into: contact.id, ghost: ghost.actor, rooms });
  expect(left).toEqual(['!one', '!two']);
});

test('the chats of a merged contact go on although the database could not be read right after the merge', async () => {
  const real = await openTestStore();
  const { contact, portal } = await aChat(real);
  const database = { reads: false };
  const store: Store = {
    ...real,
    portals: {
      ...real.portals,
      ofContact: async (id) => {
        if (!database.reads) throw new BridgeError('store.unavailable', 'not now', { retry: 'later' });
        return real.portals.ofContact(id);
      },
    },
  };
  const clock = new ManualClock();
  const parts: Partial<BridgeContext> = { store, clock, logger: createLogger({ level: 'silent' }) };
  const context = parts as BridgeContext;
  const woken = Promise.withResolvers<PortalId>();
  const merges = mergeWorkers(context, workersOf(context), ({ id }) => woken.resolve(id));
  onTestFinished(() => merges.stop());
  merges.wake({ into: contact.id, ghost: undefined, rooms: [] });
  await clock.sleeping(500);
  database.reads = true;
  clock.advance(500);
  expect(await woken.promise).toBe(portal.id);
});
