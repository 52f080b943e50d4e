// Events whose room key did not come in time: beside their room's order, tried again when keys come, given up after a long time.
import type { Change } from '../model/change.ts';
import { BridgeError, errorCode } from '../model/errors.ts';
import type { ContactId, RoomId } from '../model/ids.ts';
import type { LateEvent } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { passed } from '../observability/fail-points.ts';
import type { CommandEffects } from './bot/commands.ts';
import type { BridgeContext } from './context.ts';
import { settle } from './matrix-events.ts';
import { unconnected } from './orphaned-events.ts';
import { handleLatePortalEvent } from './portal-events.ts';
import type { Step } from './workers.ts';

/** Looks at each event of this room that waits for its key. */
export async function handleLateEvents(context: BridgeContext, room: RoomId, effects: CommandEffects): Promise<Step> {
  const { events, portals } = context.store;
  const portal = await portals.byRoom(room);
  let waiting = await events.late(room);
  if (portal !== undefined && waiting.length > 0) await fetchKeys(context, portal.contact);
  for (; waiting.length > 0; waiting = await events.late(room, waiting.at(-1)?.seq)) {
    await handle(context, portal, waiting, effects);
  }
  return 'idle';
}

async function handle(
  context: BridgeContext,
  portal: Portal | undefined,
  events: readonly LateEvent[],
  effects: CommandEffects,
): Promise<void> {
  for (const late of events) {
    const handled =
      portal === undefined
        ? await unconnected(context, late.event, effects)
        : await handleLatePortalEvent(context, portal, late, effects);
    if (handled.kind !== 'done') continue;
    if (!(await settleUnlessDeleted(context, late, handled.changes))) continue;
    passed('M7-event-settled');
    if ('after' in handled) handled.after?.();
  }
}

/** The key may be at the homeserver, which does not push it again. */
async function fetchKeys({ store, crypto, logger }: BridgeContext, contact: ContactId): Promise<void> {
  const ghost = await store.contacts.ghost(contact);
  if (ghost === undefined) return;
  try {
    await crypto.recover(ghost.actor);
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    logger.warn({ actor: ghost.actor.id, code: error.code, err: error }, 'could not fetch missed keys yet');
  }
}

/** False where it has been deleted meanwhile. */
async function settleUnlessDeleted(
  { store }: BridgeContext,
  late: LateEvent,
  changes: readonly Change[],
): Promise<boolean> {
  try {
    await settle(store, late, changes);
    return true;
  } catch (error) {
    if (errorCode(error) !== 'store.changed') throw error;
    return false;
  }
}
