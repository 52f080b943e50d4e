// Messages of a phone that refer to an earlier one: replies, reactions, edits, deletions, as WhatsApp's clients write them.
import { create, fromBinary, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { formatJid, type UserJid } from '../model/jid.ts';
import { type ContextInfoSchema, MessageSchema, ProtocolMessage_Type } from '../proto/message_pb.ts';
import type { Entry } from './phone-journal.ts';

/** `emoji` may be empty: the reaction is taken back. */
export type Reference =
  | { readonly type: 'reply'; readonly text: string }
  | { readonly type: 'reaction'; readonly emoji: string }
  | { readonly type: 'edit'; readonly text: string }
  | { readonly type: 'delete' };

/** What a message refers to: one that the phone knows, or nothing but an id, of which it says who wrote it. */
export type Target = Pick<Entry, 'id' | 'direction'> & { readonly payload?: Uint8Array };

/** Returns the serialised Message. `now`: milliseconds since the Unix epoch. */
export function referring(reference: Reference, target: Target, peer: UserJid, own: UserJid, now: number): Uint8Array {
  return toBinary(MessageSchema, create(MessageSchema, contentOf(reference, target, peer, own, now)));
}

function contentOf(
  reference: Reference,
  target: Target,
  peer: UserJid,
  own: UserJid,
  now: number,
): MessageInitShape<typeof MessageSchema> {
  const fromMe = target.direction === 'out';
  const key = { remoteJid: formatJid(peer), fromMe, id: target.id };
  switch (reference.type) {
    case 'reply':
      return { extendedTextMessage: { text: reference.text, contextInfo: quotation(target, peer, own) } };
    case 'reaction':
      return { reactionMessage: { key, text: reference.emoji, senderTimestampMs: BigInt(now) } };
    case 'edit': {
      const editedMessage = { conversation: reference.text };
      return {
        protocolMessage: { key, type: ProtocolMessage_Type.MESSAGE_EDIT, editedMessage, timestampMs: BigInt(now) },
      };
    }
    case 'delete':
      return { protocolMessage: { key, type: ProtocolMessage_Type.REVOKE } };
  }
}

/** What a reply says of the message that it is about. */
export function quotation(target: Target, peer: UserJid, own: UserJid): MessageInitShape<typeof ContextInfoSchema> {
  const quoted = target.payload && fromBinary(MessageSchema, target.payload);
  return {
    stanzaId: target.id,
    participant: formatJid(target.direction === 'out' ? own : peer),
    quotedMessage: quoted ?? { conversation: 'something earlier' },
  };
}
