// A room key that is missing holds its room for a while: keys may arrive after what they open.
import type { Actor } from '../model/contact.ts';
import type { MatrixEvent } from '../model/journal.ts';
import type { BridgeContext } from './context.ts';
import type { DecryptionOrWait } from './message-verdict.ts';

/** Since when the key of a Megolm session has been missing, by `Clock.elapsed`. */
export type KeyWaits = Map<string, number>;

/**
 * Decrypts. A missing room key is fetched from the homeserver at once; if it is not there either, the event holds its room for a
 * while (`missing-key` is the answer only when that is over), for keys may arrive after what they open. All that was encrypted under
 * one key holds it for one such while together.
 */
export async function decryptOrWait(
  context: BridgeContext,
  actor: Actor,
  event: MatrixEvent,
  waits: KeyWaits,
): Promise<DecryptionOrWait> {
  const { crypto, clock, settings } = context;
  const session = sessionOf(event);
  let decryption = await crypto.decrypt(actor, event);
  let since = waits.get(session);
  if (decryption.outcome === 'missing-key' && since === undefined) {
    since = begin(context, session, waits);
    await crypto.recover(actor);
    decryption = await crypto.decrypt(actor, event);
  }
  if (decryption.outcome !== 'missing-key' || since === undefined) {
    waits.delete(session);
    return decryption;
  }
  const left = since + settings.missingKeyWaitMs - clock.elapsed();
  return left > 0 ? { outcome: 'wait', waitMs: left } : decryption;
}

/** Whoever writes chooses the session's id, so that of another room is another one. An event that names none waits for itself. */
function sessionOf({ room_id: room, event_id: event, content }: MatrixEvent): string {
  return JSON.stringify([room, content.session_id ?? event]);
}

/** Forgets keys that have been missing for so long that what waited for them has been given up. */
function begin({ clock, settings }: BridgeContext, session: string, waits: KeyWaits): number {
  const now = clock.elapsed();
  const mostMs = settings.missingKeyWaitMs + settings.lateKeyWaitMs;
  for (const [earlier, since] of waits) if (now - since > mostMs) waits.delete(earlier);
  waits.set(session, now);
  return now;
}
