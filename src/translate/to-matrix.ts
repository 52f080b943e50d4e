// WhatsApp Message -> Matrix event content. Pure.
import { fromBinary } from '@bufbuild/protobuf';
import { BridgeError } from '../model/errors.ts';
import type { JsonObject } from '../model/journal.ts';
import { type Message, MessageSchema } from '../proto/message_pb.ts';
import { capabilities, type Feature } from './capabilities.ts';

export type ToMatrix =
  | { readonly kind: 'message'; readonly content: JsonObject }
  /** The contact sent something that is not carried: the user is told what. */
  | { readonly kind: 'unsupported'; readonly feature: Feature }
  /** Nothing for people: keys, protocol housekeeping. */
  | { readonly kind: 'silent' };

/** How deep wrappers (view-once, ephemeral, captioned) may nest before the message counts as unknown. */
const deepestWrapper = 8;

/** Parses a serialised, unpadded `Message`. Throws BridgeError `translate.malformed`. */
export function parseMessage(payload: Uint8Array): Message {
  try {
    return fromBinary(MessageSchema, payload);
  } catch (cause) {
    throw new BridgeError('translate.malformed', 'the decrypted payload is not a message', { cause });
  }
}

/**
 * Returns what a Matrix user sees. The content is built from nothing but the text, so that nothing a contact writes can add a field,
 * and it is never m.notice: that type is the bridge's own.
 */
export function toMatrix(message: Message, depth = 0): ToMatrix {
  const wrapped = unwrap(message);
  if (wrapped !== undefined) return depth < deepestWrapper ? toMatrix(wrapped, depth + 1) : unsupported('unknown');
  const text = message.conversation || message.extendedTextMessage?.text;
  if (text) return { kind: 'message', content: { msgtype: 'm.text', body: text } };
  const feature = featureOf(message);
  if (feature !== undefined) return unsupported(feature);
  return isHousekeeping(message) ? { kind: 'silent' } : unsupported('unknown');
}

function unsupported(feature: Feature): ToMatrix {
  return { kind: 'unsupported', feature };
}

function unwrap(message: Message): Message | undefined {
  const wrapper =
    message.ephemeralMessage ??
    message.viewOnceMessage ??
    message.viewOnceMessageV2 ??
    message.viewOnceMessageV2Extension ??
    message.documentWithCaptionMessage ??
    message.editedMessage;
  return wrapper?.message;
}

function featureOf(message: Message): Feature | undefined {
  if (message.imageMessage) return 'image';
  if (message.audioMessage) return 'audio';
  if (message.videoMessage || message.ptvMessage) return 'video';
  if (message.documentMessage) return 'file';
  if (message.stickerMessage || message.lottieStickerMessage) return 'sticker';
  if (message.locationMessage || message.liveLocationMessage) return 'location';
  if (message.contactMessage || message.contactsArrayMessage) return 'contact';
  if (message.pollCreationMessage || message.pollCreationMessageV2 || message.pollCreationMessageV3) return 'poll';
  if (message.pollUpdateMessage) return 'poll';
  if (message.reactionMessage || message.encReactionMessage) return 'reaction';
  const protocol = message.protocolMessage;
  if (protocol?.editedMessage) return 'edit';
  // Type 0 is REVOKE; an absent type means REVOKE only where a message is named (docs/protocol.md).
  if (protocol?.key && (protocol.type ?? 0) === 0) return 'deletion';
  return undefined;
}

function isHousekeeping(message: Message): boolean {
  return message.protocolMessage !== undefined || message.senderKeyDistributionMessage !== undefined;
}

/** The sentence that stands in the room for something a contact sent and the bridge does not carry. */
export function unsupportedText(name: string, feature: Feature): string {
  switch (feature) {
    case 'edit':
      return `${name} edited a message. Edits are not carried over; the earlier text above may be out of date.`;
    case 'deletion':
      return `${name} deleted a message on WhatsApp. Deletions are not carried over.`;
    default:
      return `${name} sent something that this bridge does not carry yet (${capabilities[feature].noun}).`;
  }
}
