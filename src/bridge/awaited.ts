// A chat waits for a message that could not be decrypted and was asked for again, for a while: since when is kept in memory, by a clock that does not jump.
import type { Clock } from '../model/clock.ts';
import type { InboxId } from '../model/ids.ts';
import type { InboxRow } from '../model/journal.ts';
import type { BridgeContext } from './context.ts';

/** Since when this process has held a chat for a message, by `Clock.elapsed`. */
export type Holds = Map<InboxId, number>;

/**
 * How much longer the chat waits for this message: until `delivery.missing_key_wait_s` since it was asked for. Nothing where it is not awaited.
 */
export function timeLeft({ clock, settings }: BridgeContext, { id, state }: InboxRow, holds: Holds): number {
  return state.at === 'awaited' ? holdLeft(clock, holds, id, state.since, settings.missingKeyWaitMs) : 0;
}

/** What is left of `waitMs` since `since` (by `Clock.now`). A clock that was set back in between does not hold a chat for longer. */
export function holdLeft(clock: Clock, holds: Holds, id: InboxId, since: number, waitMs: number): number {
  const heldSince = holds.get(id) ?? clock.elapsed();
  holds.set(id, heldSince);
  return waitMs - Math.max(clock.now() - since, clock.elapsed() - heldSince);
}
