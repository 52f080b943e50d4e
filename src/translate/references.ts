// WhatsApp messages about other messages, written for a Matrix user: reactions, edits, deletions. Pure.
import { isDeepStrictEqual } from 'node:util';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { MessageId } from '../model/ids.ts';
import type { MediaType, StanzaKind } from '../model/interop.ts';
import { formatJid, type UserJid } from '../model/jid.ts';
import type { JsonObject } from '../model/journal.ts';
import type { MessageTarget } from '../model/reference.ts';
import { encodeProto } from '../proto/encode.ts';
import { type Message, type MessageKeySchema, MessageSchema, ProtocolMessage_Type } from '../proto/message_pb.ts';
import { type Capabilities, capabilities, carries } from './capabilities.ts';
import { emojiOf } from './emoji.ts';
import { describesFile, hasCaption } from './media/captions.ts';
import { exchangedFile, fileWithoutWords } from './media/failures.ts';
import { readMatrixFile } from './media/matrix-file.ts';
import { captionAlone } from './media/to-whatsapp.ts';
import { objectOf, relatesTo, textOf } from './sent-text.ts';
import { parseMessage } from './to-matrix.ts';
import { type ToWhatsApp, toWhatsApp } from './to-whatsapp.ts';

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
  payload: encodeProto(MessageSchema, content),
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

/**
 * `content`: the decrypted content of the edit (Matrix spec, "Event replacements"). Of a file only the words under it can be changed, so that
 * `original` is needed then (`editsFile`): the decrypted content of the event that it replaces.
 */
export function edit(
  content: JsonObject,
  meant: Meant,
  table: Capabilities = capabilities.whatsapp,
  original?: JsonObject,
): ToWhatsApp {
  const refused: ToWhatsApp = { kind: 'refused', feature: 'edit' };
  if (!carries(table, 'edit', 'to-whatsapp')) return refused;
  const { 'm.relates_to': _, ...fresh } = objectOf(content['m.new_content']);
  const editedMessage = describesFile(fresh) ? editedFile(fresh, original ?? {}, table) : editedText(fresh, table);
  if (editedMessage === undefined) return refused;
  if (typeof editedMessage === 'string') return { ...refused, told: editedMessage };
  const timestampMs = BigInt(meant.now);
  const type = ProtocolMessage_Type.MESSAGE_EDIT;
  return written({ protocolMessage: { key: keyOf(meant), type, editedMessage, timestampMs } });
}

/** Whether the content of an edit replaces the event of a file. */
export function editsFile(content: JsonObject): boolean {
  return describesFile(objectOf(content['m.new_content']));
}

function editedText(fresh: JsonObject, table: Capabilities): Content | undefined {
  const text = toWhatsApp('m.room.message', fresh, table);
  const message = text.kind === 'message' ? parseMessage(text.payload) : undefined;
  return message?.conversation === undefined ? undefined : message;
}

/** Or the sentence that says why it cannot be sent. */
function editedFile(fresh: JsonObject, original: JsonObject, table: Capabilities): Content | string {
  const file = readMatrixFile(fresh.file);
  if (file === undefined || !isDeepStrictEqual(file, readMatrixFile(original.file))) return exchangedFile;
  const caption = hasCaption(fresh) && carries(table, 'caption', 'to-whatsapp') ? textOf(fresh, table) : '';
  const event = { type: 'm.room.message', content: original };
  return captionAlone(event, caption) ?? fileWithoutWords;
}

/** From the viewpoint of who sends it. */
function keyOf({ target, chat }: Meant): MessageInitShape<typeof MessageKeySchema> {
  return { remoteJid: formatJid(chat), fromMe: target.fromUser, id: target.messageId };
}

export interface Deed {
  readonly kind: 'reaction' | 'edit' | 'deletion';
  readonly target: MessageTarget;
}

/** Returns what a message of the user does to an earlier one; undefined where it is a message of its own. */
export function deedOf({ reactionMessage, protocolMessage }: Message): Deed | undefined {
  const key = reactionMessage?.key ?? protocolMessage?.key;
  if (!key?.id) return undefined;
  const change = protocolMessage?.editedMessage ? 'edit' : 'deletion';
  const target = { messageId: key.id as MessageId, fromUser: key.fromMe === true };
  return { kind: reactionMessage ? 'reaction' : change, target };
}

/** Returns the event that this content relates to in this way. */
export function relatedEvent(content: JsonObject, relation: 'm.replace' | 'm.annotation'): string | undefined {
  const related = relatesTo(content);
  return related.rel_type === relation && typeof related.event_id === 'string' ? related.event_id : undefined;
}

/** Returns what the content of an edit puts in the place of `event`. */
export function replacementIn(content: JsonObject | undefined, event: string): JsonObject | undefined {
  if (content === undefined || relatedEvent(content, 'm.replace') !== event) return undefined;
  return objectOf(content['m.new_content']);
}

/** Content that replaces an earlier event; what clients show that know no edits is kept short. */
export function replacing(content: JsonObject, event: string): JsonObject {
  const body = typeof content.body === 'string' ? content.body.slice(0, 1000).toWellFormed() : '';
  const { format, formatted_body, ...shown } = content;
  return {
    ...shown,
    body: `* ${body}`,
    'm.new_content': content,
    'm.relates_to': { rel_type: 'm.replace', event_id: event },
  };
}

/** What the envelope says of a message (docs/protocol.md). */
export function stanzaKind(message: Message): StanzaKind {
  const { reactionMessage, protocolMessage } = message;
  if (reactionMessage) return { type: 'reaction', ...(reactionMessage.text ? {} : { edit: '7' }), hidden: true };
  if (protocolMessage?.editedMessage) return { type: 'text', edit: '1', hidden: true };
  if (protocolMessage) return { type: 'text', edit: '7', hidden: false };
  const mediaType = mediaTypeOf(message.documentWithCaptionMessage?.message ?? message);
  return mediaType === undefined ? { type: 'text', hidden: false } : { type: 'media', mediaType, hidden: false };
}

function mediaTypeOf(message: Message): MediaType | undefined {
  if (message.imageMessage) return 'image';
  if (message.videoMessage) return message.videoMessage.gifPlayback ? 'gif' : 'video';
  if (message.audioMessage) return message.audioMessage.ptt ? 'ptt' : 'audio';
  if (message.documentMessage) return 'document';
  return message.stickerMessage ? 'sticker' : undefined;
}
