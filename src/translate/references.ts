// WhatsApp messages about other messages, written for a Matrix user: reactions, edits, deletions. Pure.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { StanzaKind } from '../model/interop.ts';
import { formatJid, type UserJid } from '../model/jid.ts';
import type { JsonObject } from '../model/journal.ts';
import type { MessageTarget } from '../model/reference.ts';
import { type Message, type MessageKeySchema, MessageSchema, ProtocolMessage_Type } from '../proto/message_pb.ts';
import { type Capabilities, capabilities, carries } from './capabilities.ts';
import { emojiOf } from './emoji.ts';
import { parseMessage } from './to-matrix.ts';
import { relatesTo, type ToWhatsApp, toWhatsApp } from './to-whatsapp.ts';

export interface Meant {
  readonly target: MessageTarget;
  /** The contact, who is the chat. */
  readonly chat: UserJid;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

type Content = MessageInitShape<typeof MessageSchema>;

const written = (content: Content): ToWhatsApp => ({
  kind: 'message',
  payload: toBinary(MessageSchema, create(MessageSchema, content)),
});

/** `emoji`: what Matrix calls the key; none: the reaction is taken back. */
export function reaction(
  emoji: string | undefined,
  meant: Meant,
  table: Capabilities = capabilities.whatsapp,
): ToWhatsApp {
  const text = emoji === undefined ? '' : emojiOf(emoji);
  if (text === undefined || !carries(table, 'reaction', 'to-whatsapp')) return { kind: 'refused', feature: 'reaction' };
  return written({ reactionMessage: { key: keyOf(meant), text, senderTimestampMs: BigInt(meant.now) } });
}

export function deletion(meant: Meant, table: Capabilities = capabilities.whatsapp): ToWhatsApp {
  if (!carries(table, 'deletion', 'to-whatsapp')) return { kind: 'refused', feature: 'deletion' };
  return written({ protocolMessage: { key: keyOf(meant), type: ProtocolMessage_Type.REVOKE } });
}

/** `content`: the decrypted content of the edit (Matrix spec, "Event replacements"). Texts only. */
export function edit(content: JsonObject, meant: Meant, table: Capabilities = capabilities.whatsapp): ToWhatsApp {
  const refused: ToWhatsApp = { kind: 'refused', feature: 'edit' };
  const replacement = content['m.new_content'];
  if (!carries(table, 'edit', 'to-whatsapp') || typeof replacement !== 'object' || replacement === null) return refused;
  const { 'm.relates_to': _, ...fresh } = replacement as JsonObject;
  const text = toWhatsApp('m.room.message', fresh, table);
  const editedMessage = text.kind === 'message' ? parseMessage(text.payload) : undefined;
  if (editedMessage?.conversation === undefined) return refused;
  const timestampMs = BigInt(meant.now);
  const type = ProtocolMessage_Type.MESSAGE_EDIT;
  return written({ protocolMessage: { key: keyOf(meant), type, editedMessage, timestampMs } });
}

/** From the viewpoint of who sends it. */
function keyOf({ target, chat }: Meant): MessageInitShape<typeof MessageKeySchema> {
  return { remoteJid: formatJid(chat), fromMe: target.fromUser, id: target.messageId };
}

/** Returns the event that this content relates to in this way. */
export function relatedEvent(content: JsonObject, relation: 'm.replace' | 'm.annotation'): string | undefined {
  const related = relatesTo(content);
  return related?.rel_type === relation && typeof related.event_id === 'string' ? related.event_id : undefined;
}

/** Content that replaces an earlier event; what clients show that know no edits is kept short. */
export function replacing(content: JsonObject, event: string): JsonObject {
  const body = typeof content.body === 'string' ? content.body.slice(0, 1000).toWellFormed() : '';
  return {
    msgtype: content.msgtype,
    body: `* ${body}`,
    'm.new_content': content,
    'm.relates_to': { rel_type: 'm.replace', event_id: event },
  };
}

/** What the envelope says of a message (docs/protocol.md). */
export function stanzaKind({ reactionMessage, protocolMessage }: Message): StanzaKind {
  if (reactionMessage) return { type: 'reaction', ...(reactionMessage.text ? {} : { edit: '7' }), hidden: true };
  if (protocolMessage?.editedMessage) return { type: 'text', edit: '1', hidden: true };
  if (protocolMessage) return { type: 'text', edit: '7', hidden: false };
  return { type: 'text', hidden: false };
}
