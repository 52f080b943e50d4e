// What a Matrix user answers: which WhatsApp message it is, and its words, which are kept nowhere but in Matrix.
import type { Contact, Ghost } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { EventId, RoomId } from '../model/ids.ts';
import { formatJid } from '../model/jid.ts';
import type { JsonObject, KeptEvent, MatrixEvent } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { Quoted } from '../model/reference.ts';
import { replacementIn } from '../translate/references.ts';
import { answeredEvent, withoutReplyFallback } from '../translate/to-whatsapp.ts';
import { preferredAddress } from './contacts.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';

interface Chat {
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly ghost: Ghost;
}

/** Undefined where the content answers nothing. */
export async function quotedBy(
  context: BridgeContext,
  { account, portal, ghost }: Chat,
  room: RoomId,
  content: JsonObject,
): Promise<Quoted | undefined> {
  const event = answeredEvent(content) as EventId | undefined;
  if (event === undefined) return undefined;
  const text = await wordsOf(context, ghost, room, event);
  const target = await context.store.references.byEvent(portal.id, event);
  const contact = await context.store.contacts.get(portal.contact);
  const author = target?.fromUser ? account.state.enlistment.jid : addressOf(contact);
  if (target === undefined || author === undefined) return { known: false, text };
  return { known: true, id: target.messageId, author: formatJid(author), text };
}

const addressOf = (contact: Contact | undefined) => contact && preferredAddress(contact);

/** As they are now, where they have been edited by who wrote them. */
async function wordsOf(context: BridgeContext, ghost: Ghost, room: RoomId, id: EventId): Promise<string> {
  const event = await keptEvent(context, ghost, room, id);
  if (event === undefined) return '';
  const { edit } = event;
  const edited = edit?.sender === event.sender ? await openedEvent(context, ghost, room, edit) : undefined;
  const content = replacementIn(edited?.content, id) ?? (await openedEvent(context, ghost, room, event))?.content;
  return typeof content?.body === 'string' ? withoutReplyFallback(content, content.body) : '';
}

/** The content of an encrypted event whose sender is certain, as it was sent; of anything else undefined. */
export async function keptContent(
  context: BridgeContext,
  ghost: Ghost,
  room: RoomId,
  id: EventId,
): Promise<JsonObject | undefined> {
  const event = await keptEvent(context, ghost, room, id);
  return event && (await openedEvent(context, ghost, room, event))?.content;
}

/** What is in an encrypted event of this room whose sender is certain; of anything else undefined. */
export async function openedEvent(
  context: BridgeContext,
  ghost: Ghost,
  room: RoomId,
  event: MatrixEvent,
): Promise<{ readonly type: string; readonly content: JsonObject } | undefined> {
  if (event.type !== 'm.room.encrypted' || event.room_id !== room) return undefined;
  const decryption = await context.crypto.decrypt(ghost.actor, event);
  if (decryption.outcome !== 'decrypted') return undefined;
  if (context.settings.devicePolicy === 'cross-signed' && !decryption.crossSigned) return undefined;
  const { type, content } = decryption;
  return { type, content };
}

/** What a client names need not be an event, so that a refusal for good means that there is nothing to quote. */
export async function keptEvent(
  context: BridgeContext,
  ghost: Ghost,
  room: RoomId,
  id: EventId,
): Promise<KeptEvent | undefined> {
  try {
    return await context.homeserver.event(ghost.actor, room, id);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry !== 'never') throw error;
    return undefined;
  }
}
