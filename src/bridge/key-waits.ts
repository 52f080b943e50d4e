// A room key that is missing holds its room for a while: keys may arrive after what they open.
import type { Actor } from '../model/contact.ts';
import type { EventId } from '../model/ids.ts';
import type { MatrixEvent } from '../model/journal.ts';
import type { BridgeContext } from './context.ts';
import type { DecryptionOrWait } from './message-verdict.ts';

/** Since when an event has been waiting for its room key, by `Clock.elapsed`. */
export type KeyWaits = Map<EventId, number>;

/**
 * Decrypts. A missing room key is fetched from the homeserver at once; if it is not there either, the event holds its room for a
 * while (`missing-key` is the answer only when that is over), for keys may arrive after what they open.
 */
export async function decryptOrWait(
  context: BridgeContext,
  actor: Actor,
  event: MatrixEvent,
  waits: KeyWaits,
): Promise<DecryptionOrWait> {
  let decryption = await context.crypto.decrypt(actor, event);
  const since = waits.get(event.event_id);
  if (decryption.outcome === 'missing-key' && since === undefined) {
    waits.set(event.event_id, context.clock.elapsed());
    await context.crypto.recover(actor);
    decryption = await context.crypto.decrypt(actor, event);
  }
  if (decryption.outcome === 'missing-key') {
    const left = (waits.get(event.event_id) ?? 0) + context.settings.missingKeyWaitMs - context.clock.elapsed();
    if (left > 0) return { outcome: 'wait', waitMs: left };
  }
  waits.delete(event.event_id);
  return decryption;
}
