// Two contacts that turn out to be one person are merged by a commit. What one of them had in Matrix ends with that: its ghost leaves its rooms.
import type { Change } from '../model/change.ts';
import type { Actor } from '../model/contact.ts';
import { errorCode } from '../model/errors.ts';
import type { ContactId, RoomId } from '../model/ids.ts';
import type { Portal } from '../model/portal.ts';
import type { Store } from '../model/store.ts';
import type { BridgeContext } from './context.ts';
import { abandonRoom } from './portal-rooms.ts';
import type { MakeWorkers, Workers } from './workers.ts';

export interface Merged {
  /** Whose the chats are now. */
  readonly into: ContactId;
  /** The ghost that stands for nobody any more, and where it is. */
  readonly ghost: Actor | undefined;
  readonly rooms: readonly RoomId[];
}

/** The same store. `merged` is called after a commit for each merge in it. */
export function tellingOfMerges(store: Store, merged: (merged: Merged) => void): Store {
  return {
    ...store,
    commit: async (changes) => {
      // Before the commit: whoever is merged is gone afterwards.
      const merges = await Promise.all(changes.filter(isMerge).map((change) => lookUp(store, change)));
      await store.commit(changes);
      for (const each of merges) merged(each);
    },
  };
}

type Merge = Change & { readonly change: 'contact.merge' };

const isMerge = (change: Change): change is Merge => change.change === 'contact.merge';

async function lookUp(store: Store, { into, from }: Merge): Promise<Merged> {
  const ghost = await store.contacts.ghost(from);
  const portals = await store.portals.ofContact(from);
  const rooms = portals.flatMap(({ state }) => (state.at === 'open' ? [state.room] : []));
  return { into, ghost: ghost?.ready ? ghost.actor : undefined, rooms };
}

/** Follow up each merge: chats of the one are those of the other now, and go on there. */
export function mergeWorkers(
  context: BridgeContext,
  workers: MakeWorkers,
  wakeChat: (portal: Portal) => void,
): Workers<Merged> {
  return workers('merges', async (merged) => {
    for (const portal of await context.store.portals.ofContact(merged.into)) wakeChat(portal);
    await leaveRooms(context, merged);
    return 'idle';
  });
}

/** Best effort: where a ghost stays, whoever writes there is told that nobody hears it. */
export async function leaveRooms(context: BridgeContext, { ghost, rooms }: Merged): Promise<void> {
  if (ghost === undefined) return;
  for (const room of rooms) {
    try {
      await abandonRoom(context, ghost, room);
    } catch (error) {
      context.logger.warn({ code: errorCode(error), err: error }, 'a ghost of a merged contact could not leave a room');
    }
  }
}
