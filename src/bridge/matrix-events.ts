// Matrix to WhatsApp, first half: events of one room are handled one after another, in the order in which they were pushed.
import type { Change } from '../model/change.ts';
import { BridgeError, errorCode } from '../model/errors.ts';
import type { RoomId } from '../model/ids.ts';
import type { StoredEvent } from '../model/journal.ts';
import type { Store } from '../model/store.ts';
import { passed } from '../observability/fail-points.ts';
import type { CommandEffects } from './bot/commands.ts';
import { handleManagementEvent } from './bot/management.ts';
import type { BridgeContext } from './context.ts';
import type { KeyWaits } from './key-waits.ts';
import { changesPolicy } from './policy/policy-rooms.ts';
import { handlePortalEvent } from './portal-events.ts';
import { isToBeAdopted } from './portal-rooms.ts';
import { changesModeration } from './reports/moderation-room.ts';
import { handleSpaceEvent } from './spaces/space-events.ts';
import type { Step } from './workers.ts';

/** What an event leads to: changes to commit together with its being done, or waiting. */
export type Handled =
  | {
      readonly kind: 'done';
      readonly changes: readonly Change[];
      readonly after?: () => void;
      /** Called after the commit, also where that has failed. */
      readonly release?: () => void;
    }
  /** Nothing can be decided yet; woken when that changes. */
  | { readonly kind: 'held' }
  | { readonly kind: 'wait'; readonly waitMs: number }
  /** It stands aside, and the room goes on. */
  | { readonly kind: 'late'; readonly changes: readonly Change[]; readonly after: () => void };

export const done = (...changes: readonly Change[]): Handled => ({ kind: 'done', changes });

export async function handleNextEvent(
  context: BridgeContext,
  room: RoomId,
  waits: KeyWaits,
  effects: CommandEffects,
): Promise<Step> {
  const stored = await context.store.events.next(room);
  if (stored === undefined) return 'idle';
  const handled = await handle(context, stored, waits, effects);
  if (handled.kind === 'held') return 'idle';
  if (handled.kind === 'wait') return { waitMs: handled.waitMs };
  if (handled.kind === 'late') {
    await context.store.commit([{ change: 'event.late', seq: stored.seq }, ...handled.changes]);
    handled.after();
    return 'again';
  }
  try {
    await settle(context.store, stored, handled.changes);
    passed('M7-event-settled');
  } finally {
    handled.release?.();
  }
  handled.after?.();
  return 'again';
}

/**
 * Commits what an event led to, and its end. Rejects with BridgeError `store.changed` where it has been dealt with meanwhile, or what it was
 * decided on has.
 */
export async function settle(store: Store, { seq, event }: StoredEvent, changes: readonly Change[]): Promise<void> {
  const finish = { change: 'event.done', seq } as const;
  try {
    await store.commit([finish, ...changes]);
  } catch (error) {
    if (errorCode(error) !== 'store.conflict') throw error;
    if ((await store.outbox.byEvent(event.event_id)) === undefined) {
      // Somebody else has made the same contact or chat at this moment.
      throw new BridgeError('store.changed', 'another step has made the same', { retry: 'later', cause: error });
    }
    // The message is stored already: the homeserver pushed it again long after.
    await store.commit([finish]);
  }
}

async function handle(
  context: BridgeContext,
  stored: StoredEvent,
  waits: KeyWaits,
  effects: CommandEffects,
): Promise<Handled> {
  const { event } = stored;
  if (event.room_id === context.settings.moderationRoom) {
    return changesModeration(event) ? { kind: 'done', changes: [], after: () => effects.wakeModeration() } : done();
  }
  const portal = await context.store.portals.byRoom(event.room_id);
  if (portal !== undefined) return handlePortalEvent(context, portal, event, waits, effects);
  if ((await context.store.policyRooms.get(event.room_id)) !== undefined) {
    const after = (): void => effects.wakePolicyRoom(event.room_id);
    return changesPolicy(context, event) ? { kind: 'done', changes: [], after } : done();
  }
  const space = await context.store.spaces.byRoom(event.room_id);
  if (space !== undefined) return handleSpaceEvent(context, space, event, effects);
  if (await isToBeAdopted(context, event)) return { kind: 'held' };
  return handleManagementEvent(context, event, waits, effects);
}
