// Matrix event content -> WhatsApp Message. Pure.
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { JsonObject } from '../model/journal.ts';
import type { Quoted } from '../model/reference.ts';
import { encodeProto } from '../proto/encode.ts';
import { MessageSchema } from '../proto/message_pb.ts';
import { type Capabilities, capabilities, carries, type Feature, longestText, refusedText } from './capabilities.ts';
import { sentPollText } from './fallbacks.ts';
import { writeEmote } from './formatting/markup-writer.ts';
import { placeOf } from './location.ts';
import { fileToWhatsApp, sentFileFeature } from './media/to-whatsapp.ts';
import type { FileToWhatsApp } from './media/types.ts';

import { contextInfo, underQuotation } from './quotations.ts';
import { answeredEvent, relatesTo, repliedTo, textOf, withoutReplyFallback } from './sent-text.ts';

export { answeredEvent, longestText, refusedText, repliedTo, withoutReplyFallback };

export type ToWhatsApp =
  /** `payload`: the serialised, unpadded `Message`. */
  | { readonly kind: 'message'; readonly payload: Uint8Array }
  | FileToWhatsApp
  | {
      readonly kind: 'refused';
      readonly feature: Feature;
      /** The sentence for the user, where it is not the table's (`refusedText`). */
      readonly told?: string;
      /** Where several events are one thing to people, a call for example: what they have in common. They are told once. */
      readonly action?: string;
    };

const featureOfMsgtype: Readonly<Record<string, Feature>> = {
  'm.text': 'text',
  'm.notice': 'notice',
  'm.emote': 'emote',
  'm.location': 'location',
  'm.key.verification.request': 'verification',
};

/** Calls (Matrix spec, "Voice over IP"), and what MatrixRTC (MSC4143) adds to them. */
const callEvent = /(?:^|\.)(?:call|rtc)\.[a-z_.]+$/;
const longestAction = 255;

/** Returns the WhatsApp message for the decrypted content of a room event, as far as the table lets it through; `quoted`: what it answers. */
export function toWhatsApp(
  type: string,
  content: JsonObject,
  table: Capabilities = capabilities.whatsapp,
  quoted?: Quoted,
): ToWhatsApp {
  const feature = featureOf(type, content);
  const action = actionOf(feature, content);
  const refused: ToWhatsApp = { kind: 'refused', feature, ...(action === undefined ? {} : { action }) };
  if (!carries(table, feature, 'to-whatsapp')) return refused;
  const event = { type, content };
  if (sentFileFeature(event) === feature) return fileToWhatsApp(event, feature, table, quoted);
  const message = messageOf(feature, content, table, quoted);
  if (message === undefined) return refused;
  return { kind: 'message', payload: encodeProto(MessageSchema, message) };
}

function featureOf(type: string, content: JsonObject): Feature {
  if (relatesTo(content).rel_type === 'm.replace') return 'edit';
  if (type.endsWith('poll.response')) return 'poll-vote';
  if (type.endsWith('poll.start')) return 'poll';
  if (type.endsWith('poll.end')) return 'poll-end';
  if (type.endsWith('.beacon')) return 'live-location';
  if (callEvent.test(type)) return 'call';
  if (type === 'm.reaction') return 'reaction';
  if (type === 'm.sticker') return 'sticker';
  const { msgtype, body } = content;
  if (type !== 'm.room.message' || typeof msgtype !== 'string' || typeof body !== 'string') return 'unknown';
  const text = Object.hasOwn(featureOfMsgtype, msgtype) ? featureOfMsgtype[msgtype] : undefined;
  return text ?? sentFileFeature({ type, content }) ?? 'unknown';
}

function actionOf(feature: Feature, content: JsonObject): string | undefined {
  const common = feature === 'call' ? content.call_id : undefined;
  const action = feature === 'live-location' ? relatesTo(content).event_id : common;
  return typeof action === 'string' ? `${feature}:${action.slice(0, longestAction)}` : undefined;
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
    case 'emote':
    case 'notice':
    case 'poll': {
      const text = wordsOf(feature, content, table);
      if (text === undefined || text.trim() === '' || text.length > longestText) return undefined;
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

function wordsOf(
  feature: 'text' | 'emote' | 'notice' | 'poll',
  content: JsonObject,
  table: Capabilities,
): string | undefined {
  if (feature === 'poll') return sentPollText(content, table.poll['to-whatsapp']?.told ?? '');
  const text = textOf(content, table);
  return feature === 'emote' ? writeEmote(text) : text;
}
