// Sending what may have been sent before: the process died, or the answer was lost, and homeservers do not remember transaction ids for ever.
import { isDeepStrictEqual } from 'node:util';
import type { Actor } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { EventId, RoomId, SendId } from '../model/ids.ts';
import type { JsonObject, MatrixEvent, SealedEvent } from '../model/journal.ts';
import type { BridgeContext } from './context.ts';

/** What a sender sends into a room keeps its order, so an event whose outcome is unknown is among the last ones. */
const looked = 50;

/** Sends a finished event that may be in its room already; there it is known by its ciphertext. */
export async function sendAgain(
  { homeserver }: BridgeContext,
  actor: Actor,
  room: RoomId,
  { type, sendId, content }: SealedEvent,
  writtenAt?: number,
): Promise<EventId> {
  const found = (await homeserver.lastSent(actor, room, type, looked)).find((event) => isSame(event, content));
  return found?.event_id ?? homeserver.send(actor, room, type, sendId, content, writtenAt);
}

function isSame(event: MatrixEvent, content: JsonObject): boolean {
  const { ciphertext } = content;
  return typeof ciphertext === 'string'
    ? event.content.ciphertext === ciphertext
    : isDeepStrictEqual(event.content, content);
}

/** Sends a reaction that may be there already: the homeserver takes none twice. */
export async function sendReaction(
  { homeserver }: BridgeContext,
  actor: Actor,
  room: RoomId,
  sendId: SendId,
  content: JsonObject,
): Promise<EventId> {
  try {
    return await homeserver.send(actor, room, 'm.reaction', sendId, content);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.code !== 'matrix.duplicate-annotation') throw error;
    const found = (await homeserver.lastSent(actor, room, 'm.reaction', looked)).find((event) =>
      isSame(event, content),
    );
    if (found === undefined) throw error;
    return found.event_id;
  }
}

/** Redacts an event that may be redacted already; the homeserver takes a second redaction like the first. Resolves as `Homeserver.redact` does. */
export async function redactAgain(
  { homeserver }: BridgeContext,
  actor: Actor,
  room: RoomId,
  event: EventId,
  sendId: SendId,
): Promise<EventId | undefined> {
  const kept = await homeserver.event(actor, room, event);
  return kept?.redaction ?? homeserver.redact(actor, room, event, sendId);
}
