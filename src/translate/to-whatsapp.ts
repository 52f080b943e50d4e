// Matrix event content -> WhatsApp Message. Pure.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import type { JsonObject } from '../model/journal.ts';
import type { Quoted } from '../model/reference.ts';
import { MessageSchema } from '../proto/message_pb.ts';
import { type Capabilities, capabilities, carries, type Feature, longestText, refusedText } from './capabilities.ts';
import { readHtml } from './formatting/html-reader.ts';
import { writeEmote, writeMarkup } from './formatting/markup-writer.ts';
import { placeOf } from './location.ts';
import type { FileToWhatsApp } from './media/types.ts';
import { contextInfo, underQuotation } from './quotations.ts';

export { longestText, refusedText };

export type ToWhatsApp =
  /** `payload`: the serialised, unpadded `Message`. */
  | { readonly kind: 'message'; readonly payload: Uint8Array }
  | FileToWhatsApp
  /** `told`: the sentence for the user, where it is not the table's (`refusedText`). */
  | { readonly kind: 'refused'; readonly feature: Feature; readonly told?: string };

/** No event is larger (Matrix spec, "Size limits"), so what is longer is not read; in UTF-16 units. */
const longestHtml = 65_536;

const featureOfMsgtype: Readonly<Record<string, Feature>> = {
  'm.text': 'text',
  'm.notice': 'text',
  'm.emote': 'emote',
  'm.image': 'image',
  'm.audio': 'audio',
  'm.video': 'video',
  'm.file': 'file',
  'm.location': 'location',
};

/** Returns the WhatsApp message for the decrypted content of a room event, as far as the table lets it through; `quoted`: what it answers. */
export function toWhatsApp(
  type: string,
  content: JsonObject,
  table: Capabilities = capabilities.whatsapp,
  quoted?: Quoted,
): ToWhatsApp {
  const feature = featureOf(type, content);
  const message = carries(table, feature, 'to-whatsapp') ? messageOf(feature, content, table, quoted) : undefined;
  if (message === undefined) return { kind: 'refused', feature };
  return { kind: 'message', payload: toBinary(MessageSchema, create(MessageSchema, message)) };
}

function featureOf(type: string, content: JsonObject): Feature {
  if (type === 'm.sticker') return 'sticker';
  if (type.endsWith('poll.response')) return 'poll-vote';
  if (type.endsWith('poll.start') || type.endsWith('poll.end')) return 'poll';
  if (type.endsWith('.beacon')) return 'live-location';
  if (type.startsWith('m.call.')) return 'call';
  if (type === 'm.reaction') return 'reaction';
  if (type !== 'm.room.message') return 'unknown';
  if (relatesTo(content)?.rel_type === 'm.replace') return 'edit';
  const { msgtype, body } = content;
  if (typeof msgtype !== 'string' || typeof body !== 'string') return 'unknown';
  return Object.hasOwn(featureOfMsgtype, msgtype) ? (featureOfMsgtype[msgtype] ?? 'unknown') : 'unknown';
}

/** Undefined: outside what WhatsApp takes, or there is no translation. */
function messageOf(
  feature: Feature,
  content: JsonObject,
  table: Capabilities,
  quoted: Quoted | undefined,
): MessageInitShape<typeof MessageSchema> | undefined {
  const context = contextInfo(quoted);
  switch (feature) {
    case 'text':
    case 'emote': {
      const plain = textOf(content, table);
      const text = feature === 'emote' ? writeEmote(plain) : plain;
      if (text.trim() === '' || text.length > longestText) return undefined;
      if (context !== undefined) return { extendedTextMessage: { text, contextInfo: context } };
      const quoting = quoted === undefined ? text : underQuotation(quoted.text, text);
      return { conversation: quoting.length > longestText ? text : quoting };
    }
    case 'location': {
      const where = placeOf(content);
      if (where === undefined) return undefined;
      const { latitude, longitude, accuracy, name } = where;
      return {
        locationMessage: {
          degreesLatitude: latitude,
          degreesLongitude: longitude,
          ...(name === '' ? {} : { name }),
          ...(accuracy === undefined ? {} : { accuracyInMeters: accuracy }),
          ...(context === undefined ? {} : { contextInfo: context }),
        },
      };
    }
    default:
      return undefined;
  }
}

/** The text as WhatsApp takes it. Text without formatting goes over unchanged, character by character. */
function textOf(content: JsonObject, table: Capabilities): string {
  const { body, format, formatted_body: html } = content;
  const plain = typeof body === 'string' ? withoutReplyFallback(content, body) : '';
  if (format !== 'org.matrix.custom.html' || typeof html !== 'string' || html.length > longestHtml) return plain;
  if (!carries(table, 'formatting', 'to-whatsapp')) return plain;
  return writeMarkup(readHtml(html)) || plain;
}

export function relatesTo(content: JsonObject): JsonObject | undefined {
  const relation = content['m.relates_to'];
  return typeof relation === 'object' && relation !== null ? (relation as JsonObject) : undefined;
}

/** Returns the event that this content replies to (Matrix spec, "Rich replies"). */
export function repliedTo(content: JsonObject): string | undefined {
  const reply = relatesTo(content)?.['m.in_reply_to'];
  const id = typeof reply === 'object' && reply !== null ? (reply as JsonObject).event_id : undefined;
  return typeof id === 'string' ? id : undefined;
}

/** Like `repliedTo`, but not what clients put into threads for those who do not know threads (Matrix spec, "Fallback for unthreaded clients"). */
export function answeredEvent(content: JsonObject): string | undefined {
  return relatesTo(content)?.is_falling_back === true ? undefined : repliedTo(content);
}

/** Older clients put the quoted text in front of a reply, in lines that start with `> ` and end with a blank line. */
export function withoutReplyFallback(content: JsonObject, body: string): string {
  if (repliedTo(content) === undefined || !body.startsWith('> ')) return body;
  const lines = body.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('>'));
  if (end === -1 || lines[end] !== '') return body;
  return lines.slice(end + 1).join('\n');
}
