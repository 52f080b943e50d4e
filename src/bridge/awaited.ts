// A chat waits for a message that could not be decrypted and was asked for again, for a while: since when is kept in memory, by a clock that does not jump.
import type { InboxId } from '../model/ids.ts';
import type { InboxRow } from '../model/journal.ts';
import type { BridgeContext } from './context.ts';

/** Since when this process has held a chat for a message, by `Clock.elapsed`. */
export type Holds = Map<InboxId, number>;

/**
 * How much longer the chat waits for this message: until `delivery.missing_key_wait_s` since it was asked for. A clock that was set back in
 * between does not hold it for longer. Nothing where it is not awaited.
 */
export function timeLeft({ clock, settings }: BridgeContext, { id, state }: InboxRow, holds: Holds): number {
  if (state.at !== 'awaited') return 0;
  const since = holds.get(id) ?? clock.elapsed();
  holds.set(id, since);
  return settings.missingKeyWaitMs - Math.max(clock.now() - state.since, clock.elapsed() - since);
}
