// Events whose room key did not come in time: beside their room's order, tried again when keys come, given up after a long time.
import { BridgeError } from '../model/errors.ts';
import type { ContactId, RoomId } from '../model/ids.ts';
import type { LateEvent } from '../model/journal.ts';
import { passed } from '../observability/fail-points.ts';
import type { CommandEffects } from './bot/commands.ts';
import type { BridgeContext } from './context.ts';
import { handleLatePortalEvent } from './portal-events.ts';
import type { Step } from './workers.ts';

/** Looks at each event of this room that waits for its key. */
export async function handleLateEvents(context: BridgeContext, room: RoomId, effects: CommandEffects): Promise<Step> {
  const portal = await context.store.portals.byRoom(room);
  const waiting = await context.store.events.late(room);
  if (portal !== undefined && waiting.length > 0) await fetchKeys(context, portal.contact);
  for (const late of waiting) {
    const handled =
      portal === undefined
        ? ({ kind: 'done', changes: [] } as const)
        : await handleLatePortalEvent(context, portal, late, effects);
    if (handled.kind !== 'done') continue;
    await settle(context, late, handled.changes);
    passed('M7-event-settled');
    if ('after' in handled) handled.after?.();
  }
  return 'idle';
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

async function settle(
  context: BridgeContext,
  { seq }: LateEvent,
  changes: Parameters<BridgeContext['store']['commit']>[0],
): Promise<void> {
  const finish = { change: 'event.done', seq } as const;
  try {
    await context.store.commit([finish, ...changes]);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.code !== 'store.conflict') throw error;
    await context.store.commit([finish]);
  }
}
