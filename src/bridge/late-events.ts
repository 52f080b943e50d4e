// Events whose room key did not come in time: beside their room's order, tried again when keys come, given up after a long time.
import { BridgeError } from '../model/errors.ts';
import type { RoomId } from '../model/ids.ts';
import type { LateEvent } from '../model/journal.ts';
import { passed } from '../observability/fail-points.ts';
import type { CommandEffects } from './bot/commands.ts';
import type { BridgeContext } from './context.ts';
import { handleLatePortalEvent } from './portal-events.ts';
import type { Step } from './workers.ts';

/** Looks at each event of this room that waits for its key. */
export async function handleLateEvents(context: BridgeContext, room: RoomId, effects: CommandEffects): Promise<Step> {
  const portal = await context.store.portals.byRoom(room);
  for (const late of await context.store.events.late(room)) {
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
