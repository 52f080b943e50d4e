// What the envelope of a message says of its content, as WhatsApp's clients write it.
import { type Message, type ProtocolMessage, ProtocolMessage_Type } from '../proto/message_pb.ts';
import { filePart, readMessage, unwrapped } from './message-content.ts';

export interface Envelope {
  readonly type: 'text' | 'media' | 'reaction' | 'poll';
  readonly mediatype?: string;
  /** 1: an edit, 2: a pin, 7: a deletion, or a reaction that is taken back. */
  readonly edit?: 1 | 2 | 7;
  /** Whether a client that cannot decrypt it shows nothing. */
  readonly hidden?: boolean;
  readonly polltype?: 'creation' | 'vote';
}

const text: Envelope = { type: 'text' };

export function envelopeOf(payload: Uint8Array): Envelope {
  const message = readMessage(payload);
  if (!message) return text;
  const inner = unwrapped(message);
  const { reactionMessage, pollUpdateMessage, pinInChatMessage, protocolMessage } = inner;
  if (reactionMessage) return { type: 'reaction', hidden: true, ...(reactionMessage.text ? {} : { edit: 7 }) };
  if (pollUpdateMessage) return { type: 'poll', hidden: true, polltype: 'vote' };
  if (pinInChatMessage) return { type: 'text', edit: 2, hidden: true };
  if (protocolMessage) return protocolEnvelope(protocolMessage);
  if (inner.pollCreationMessage ?? inner.pollCreationMessageV3) return { type: 'poll', polltype: 'creation' };
  const mediatype = mediaTypeOf(message);
  return mediatype === undefined ? text : { type: 'media', mediatype };
}

function protocolEnvelope({ type, key }: ProtocolMessage): Envelope {
  if (type === ProtocolMessage_Type.MESSAGE_EDIT) return { type: 'text', edit: 1, hidden: true };
  const isDeletion = key !== undefined && (type ?? ProtocolMessage_Type.REVOKE) === ProtocolMessage_Type.REVOKE;
  return isDeletion ? { type: 'text', edit: 7 } : text;
}

function mediaTypeOf(message: Message): string | undefined {
  const found = filePart(message);
  switch (found?.kind) {
    case 'video':
      return found.part.gifPlayback ? 'gif' : 'video';
    case 'video-note':
      return 'video';
    case 'audio':
      return found.part.ptt ? 'ptt' : 'audio';
    case undefined:
      break;
    default:
      return found?.kind;
  }
  const { contactMessage, contactsArrayMessage, liveLocationMessage } = unwrapped(message);
  if (contactMessage) return 'vcard';
  if (contactsArrayMessage) return 'contact_array';
  return liveLocationMessage && 'livelocation';
}
