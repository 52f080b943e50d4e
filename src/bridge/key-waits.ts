// A room key that is missing holds its room for a while: keys may arrive after what they open.
import type { Actor } from '../model/contact.ts';
import { LostKeys } from '../model/damaged-row.ts';
import { BridgeError } from '../model/errors.ts';
import type { MatrixEvent } from '../model/journal.ts';
import type { BridgeContext } from './context.ts';
import type { DecryptionOrWait } from './message-verdict.ts';

export interface KeyWait {
  /** By `Clock.elapsed`. */
  readonly since: number;
  /** Whether it has been looked for at the homeserver. */
  fetched: boolean;
  /** Whether it has been looked for once more when its time was over. */
  over: boolean;
}

/** The Megolm sessions whose key is missing. */
export type KeyWaits = Map<string, KeyWait>;

/**
 * Decrypts. A missing room key is fetched from the homeserver at once; if it is not there either, the event holds its room for a
 * while, for keys may arrive after what they open, and is looked for once more (`missing-key` is the answer only when that is over). All
 * that was encrypted under one key holds it for one such while together.
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
  if (decryption.outcome === 'missing-key') {
    const wait = waits.get(session) ?? begin(context, session, waits);
    const left = () => wait.since + settings.missingKeyWaitMs - clock.elapsed();
    if (left() > 0 ? !wait.fetched : !wait.over) {
      await look(context, actor, wait, left() <= 0);
      decryption = await crypto.decrypt(actor, event);
    }
    if (decryption.outcome === 'missing-key') {
      const waitMs = left();
      return waitMs > 0 ? { outcome: 'wait', waitMs } : decryption;
    }
  }
  waits.delete(session);
  return decryption;
}

/** A look that fails counts for none, and is made again as long as there is time; the last one is left to whoever looks after late events. */
async function look({ crypto, logger }: BridgeContext, actor: Actor, wait: KeyWait, isLast: boolean): Promise<void> {
  if (isLast) wait.over = true;
  try {
    await crypto.recover(actor);
    wait.fetched = true;
  } catch (error) {
    if (!isLast || !(error instanceof BridgeError) || error instanceof LostKeys) throw error;
    logger.warn({ actor: actor.id, code: error.code, err: error }, 'could not look for a missing key');
  }
}

/** Whoever writes chooses the session's id, so that of another room is another one. An event that names none waits for itself. */
function sessionOf({ room_id: room, event_id: event, content }: MatrixEvent): string {
  return JSON.stringify([room, content.session_id ?? event]);
}

/** Forgets keys that have been missing for so long that what waited for them has been given up. */
function begin({ clock, settings }: BridgeContext, session: string, waits: KeyWaits): KeyWait {
  const now = clock.elapsed();
  const mostMs = settings.missingKeyWaitMs + settings.lateKeyWaitMs;
  for (const [earlier, { since }] of waits) if (now - since > mostMs) waits.delete(earlier);
  const wait = { since: now, fetched: false, over: false };
  waits.set(session, wait);
  return wait;
}
