// Matrix event content -> WhatsApp Message. Pure.
import { create, toBinary } from '@bufbuild/protobuf';
import type { JsonObject } from '../model/journal.ts';
import { MessageSchema } from '../proto/message_pb.ts';
import { capabilities, type Feature } from './capabilities.ts';

export type ToWhatsApp =
  /** `payload`: the serialised, unpadded `Message`. */
  { readonly kind: 'message'; readonly payload: Uint8Array } | { readonly kind: 'refused'; readonly feature: Feature };

/** WhatsApp cuts off longer texts; in UTF-16 units (docs/protocol.md). */
export const longestText = 65_536;

const featureOfMsgtype: Readonly<Record<string, Feature>> = {
  'm.image': 'image',
  'm.audio': 'audio',
  'm.video': 'video',
  'm.file': 'file',
  'm.location': 'location',
};

/** Returns the WhatsApp message for the decrypted content of a room event. */
export function toWhatsApp(type: string, content: JsonObject): ToWhatsApp {
  if (type === 'm.sticker') return refused('sticker');
  if (type.endsWith('poll.start') || type.endsWith('poll.response') || type.endsWith('poll.end'))
    return refused('poll');
  if (type.startsWith('m.call.')) return refused('call');
  if (type !== 'm.room.message') return refused('unknown');
  if (isEdit(content)) return refused('edit');
  const { msgtype, body } = content;
  if (typeof msgtype !== 'string' || typeof body !== 'string') return refused('unknown');
  if (msgtype !== 'm.text' && msgtype !== 'm.emote' && msgtype !== 'm.notice')
    return refused(featureOfMsgtype[msgtype] ?? 'unknown');
  const text = withoutReplyFallback(content, body);
  if (text.trim() === '' || text.length > longestText) return refused('unknown');
  const conversation = msgtype === 'm.emote' ? `* ${text}` : text;
  return { kind: 'message', payload: toBinary(MessageSchema, create(MessageSchema, { conversation })) };
}

function refused(feature: Feature): ToWhatsApp {
  return { kind: 'refused', feature };
}

export function relatesTo(content: JsonObject): JsonObject | undefined {
  const relation = content['m.relates_to'];
  return typeof relation === 'object' && relation !== null ? (relation as JsonObject) : undefined;
}

function isEdit(content: JsonObject): boolean {
  return relatesTo(content)?.rel_type === 'm.replace';
}

/** Returns the event that this content replies to (Matrix spec, "Rich replies"). */
export function repliedTo(content: JsonObject): string | undefined {
  const reply = relatesTo(content)?.['m.in_reply_to'];
  const id = typeof reply === 'object' && reply !== null ? (reply as JsonObject).event_id : undefined;
  return typeof id === 'string' ? id : undefined;
}

/** Older clients put the quoted text in front of a reply, in lines that start with `> ` and end with a blank line. */
export function withoutReplyFallback(content: JsonObject, body: string): string {
  if (repliedTo(content) === undefined || !body.startsWith('> ')) return body;
  const lines = body.split('\n');
  const end = lines.findIndex((line) => !line.startsWith('>'));
  if (end === -1 || lines[end] !== '') return body;
  return lines.slice(end + 1).join('\n');
}

/** The sentence under a message that is not carried. */
export function refusedText(feature: Feature): string {
  switch (feature) {
    case 'edit':
      return 'Your edit was not sent: edits are not carried over. The contact still sees the earlier text.';
    case 'deletion':
      return 'Your deletion was not sent: the contact still sees the message.';
    case 'unknown':
      return 'This was not sent: the bridge does not carry messages of this kind, or the text is empty or too long.';
    default:
      return `This was not sent: the bridge does not carry ${capabilities[feature].noun} yet.`;
  }
}
