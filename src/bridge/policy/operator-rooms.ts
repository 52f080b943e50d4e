// The policy rooms of the administrator, as the configuration names them.
import type { Change } from '../../model/change.ts';
import type { RoomId } from '../../model/ids.ts';
import type { BridgeContext } from '../context.ts';
import type { Step } from '../workers.ts';
import { subscription } from './policy-rooms.ts';

const lookAgainMs = 60 * 60 * 1000;

/** Brings the subscriptions to what is configured. What the configuration does not name any more ends. Done before anything is delivered. */
export async function endOldRooms({ store, settings }: BridgeContext): Promise<void> {
  const known = await store.policyRooms.subscriptions('operator');
  const old = known.filter(({ name }) => !settings.policyRooms.includes(name));
  await store.commit(old.map(({ id }): Change => ({ change: 'policy.unsubscribe', id })));
}

/** Finds the rooms of those names that are new. */
export async function findNewRooms(context: BridgeContext, wakeRoom: (room: RoomId) => void): Promise<Step> {
  const { store, settings, logger } = context;
  const known = (await store.policyRooms.subscriptions('operator')).map(({ name }) => name);
  let missing = 0;
  for (const name of settings.policyRooms.filter((each) => !known.includes(each))) {
    const room = await roomOf(context, name);
    if (room === undefined) {
      missing += 1;
      continue;
    }
    await store.commit([subscription(context, 'operator', room, name)]);
    wakeRoom(room);
  }
  if (missing === 0) return 'idle';
  logger.error({ count: missing }, 'policy rooms of the administrator are not to be found');
  return { waitMs: lookAgainMs };
}

/** The room of an id or alias. */
export async function roomOf({ homeserver }: BridgeContext, name: string): Promise<RoomId | undefined> {
  return name.startsWith('!') ? (name as RoomId) : (await homeserver.resolveAlias(name))?.room;
}

/** Whether all of them have been found and can be read. */
export async function operatorRoomsAreRead({ store, settings }: BridgeContext): Promise<boolean> {
  const known = await store.policyRooms.subscriptions('operator');
  const rooms = await Promise.all(known.map(({ room }) => store.policyRooms.get(room)));
  return known.length >= settings.policyRooms.length && rooms.every((room) => room?.state === 'read');
}
