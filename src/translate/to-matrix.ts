// WhatsApp Message -> Matrix event content. Pure.
import { fromBinary } from '@bufbuild/protobuf';
import { BridgeError } from '../model/errors.ts';
import type { MessageId } from '../model/ids.ts';
import type { JsonObject } from '../model/journal.ts';
import type { MessageTarget } from '../model/reference.ts';
import { type Message, type MessageKey, MessageSchema, ProtocolMessage_Type } from '../proto/message_pb.ts';
import { type Capabilities, capabilities, carries, type Feature, unsupportedText } from './capabilities.ts';
import { emojiOf } from './emoji.ts';
import { cardsText, groupInviteText, liveLocationContent, locationContent, pollText } from './fallbacks.ts';
import { captionOf, describesFile, recaptioned } from './media/captions.ts';
import { fileFeature, fileToMatrix } from './media/to-matrix.ts';
import type { FileToMatrix } from './media/types.ts';
import { contextOf, pollOf, roomForQuotation, underQuotation } from './quotations.ts';
import { plainContent, textContent, textContents } from './text.ts';

export { unsupportedText };

export type ToMatrix =
  | {
      readonly kind: 'message';
      readonly content: JsonObject;
      /** The rest of what does not fit into one event, in order. */
      readonly more?: readonly JsonObject[];
      readonly answers?: Answered;
    }
  | FileToMatrix
  /** `key` is one emoji; undefined: the reaction is taken back. */
  | { readonly kind: 'reaction'; readonly target: MessageTarget; readonly key: string | undefined }
  | {
      readonly kind: 'edit';
      readonly target: MessageTarget;
      /** What it says now, or what the words under its file are now. May be empty only of a file. */
      readonly text: string;
      /** Whether its sender says that it is of a file. */
      readonly ofFile: boolean;
      /** Stands for it where the target is not known. */
      readonly apart: JsonObject;
    }
  | { readonly kind: 'deletion'; readonly target: MessageTarget }
  /** The contact sent something that is not carried, or could not be read: the user is told what. */
  | { readonly kind: 'unsupported'; readonly feature: Feature }
  /** Nothing for people: keys, protocol housekeeping. */
  | { readonly kind: 'silent' };

/** The message that is answered, and what stands for the reply where that message is not known: with a quotation. */
export interface Answered {
  readonly id: MessageId;
  readonly quoting: JsonObject;
}

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

/** Returns what a Matrix user sees of this message, as far as the table lets it through. */
export function toMatrix(message: Message, table: Capabilities = capabilities.whatsapp): ToMatrix {
  const inner = unwrapped(message);
  if (inner === undefined) return { kind: 'unsupported', feature: 'unknown' };
  const feature = featureOf(inner);
  if (feature === undefined) return { kind: 'silent' };
  const reference = carries(table, feature, 'to-matrix') ? referenceOf(feature, inner, table) : undefined;
  if (reference !== undefined) return reference;
  if (!carries(table, feature, 'to-matrix')) return { kind: 'unsupported', feature };
  const answers = carries(table, 'reply', 'to-matrix') ? answered(inner) : undefined;
  if (fileFeature(inner) === feature) return withFile(feature, inner, answers, table);
  const contents = contentsOf(feature, inner, answers, table);
  if (contents === undefined) return { kind: 'unsupported', feature };
  const [content, ...more] = contents;
  return {
    kind: 'message',
    content,
    ...(more.length === 0 ? {} : { more }),
    ...(answers === undefined ? {} : { answers: { id: answers.id, quoting: quoting(inner, content, answers, table) } }),
  };
}

interface Quotation {
  readonly id: MessageId;
  readonly text: string;
}

function answered(message: Message): Quotation | undefined {
  const context = contextOf(message);
  if (!context?.stanzaId) return undefined;
  const quoted = context.quotedMessage && unwrapped(context.quotedMessage);
  return { id: context.stanzaId as MessageId, text: quoted === undefined ? '' : quotationOf(quoted) };
}

/** Of what is no text, the reply stands without a quotation. */
function quoting(message: Message, content: JsonObject, { text }: Quotation, table: Capabilities): JsonObject {
  const { body } = content;
  if (textOf(message) === '' || typeof body !== 'string') return content;
  return textContent(underQuotation(text, body), table);
}

function withFile(feature: Feature, message: Message, answers: Quotation | undefined, table: Capabilities): ToMatrix {
  const file = fileToMatrix(feature, message, table);
  if (file === undefined) return { kind: 'unsupported', feature };
  if (answers === undefined) return file;
  const quoted = underQuotation(answers.text, captionOf(message) ?? '').trimEnd();
  const quoting = (content: JsonObject): JsonObject =>
    describesFile(content) ? recaptioned(content, quoted, table) : content;
  return { ...file, answers: { id: answers.id, quoting } };
}

/** The words of a quoted message; of what has none, what it is. */
function quotationOf(message: Message): string {
  const feature = featureOf(message);
  return (
    textOf(message) || captionOf(message) || (feature === undefined ? '' : `[${capabilities.whatsapp[feature].noun}]`)
  );
}

/** A message about another one. Undefined: it is none, or cannot be read. */
function referenceOf(feature: Feature, message: Message, table: Capabilities): ToMatrix | undefined {
  const { reactionMessage, protocolMessage } = message;
  const target = targetOf(reactionMessage?.key ?? protocolMessage?.key);
  if (target === undefined) return undefined;
  switch (feature) {
    case 'reaction': {
      const text = reactionMessage?.text ?? '';
      const key = text === '' ? undefined : emojiOf(text);
      return text !== '' && key === undefined ? undefined : { kind: 'reaction', target, key };
    }
    case 'edit':
      return protocolMessage?.editedMessage && editOf(target, protocolMessage.editedMessage, table);
    case 'deletion':
      return { kind: 'deletion', target };
    default:
      return undefined;
  }
}

function editOf(target: MessageTarget, edited: Message, table: Capabilities): ToMatrix | undefined {
  const inner = unwrapped(edited);
  if (inner === undefined) return undefined;
  const caption = textOf(inner) === '' ? captionOf(inner) : undefined;
  const text = caption ?? textOf(inner);
  if (text === '' && caption === undefined) return undefined;
  const label = table.edit['to-matrix']?.told ?? '';
  const apart = textContent(`${text}\n\n(${label})`.trimStart(), table);
  return { kind: 'edit', target, text, ofFile: caption !== undefined, apart };
}

/** A key is written from the viewpoint of who sends it: what is theirs is not ours. The addresses in it are not looked at. */
function targetOf(key: MessageKey | undefined): MessageTarget | undefined {
  return key?.id ? { messageId: key.id as MessageId, fromUser: !key.fromMe } : undefined;
}

/** The message inside its wrappers. Undefined: too many of them. */
function unwrapped(message: Message): Message | undefined {
  let inner = message;
  for (let depth = 0; depth <= deepestWrapper; depth += 1) {
    const wrapper =
      inner.ephemeralMessage ??
      inner.viewOnceMessage ??
      inner.viewOnceMessageV2 ??
      inner.viewOnceMessageV2Extension ??
      inner.documentWithCaptionMessage ??
      inner.groupMentionedMessage ??
      inner.botInvokeMessage ??
      inner.associatedChildMessage ??
      inner.pollCreationMessageV4 ??
      inner.editedMessage;
    if (wrapper?.message === undefined) return inner;
    inner = wrapper.message;
  }
  return undefined;
}

/** What the message is. Undefined: nothing for people. */
function featureOf(message: Message): Feature | undefined {
  if (textOf(message) !== '') return 'text';
  const file = fileFeature(message);
  if (file !== undefined) return file;
  if (message.liveLocationMessage || message.locationMessage?.isLive) return 'live-location';
  if (message.locationMessage) return 'location';
  if (message.contactMessage || message.contactsArrayMessage) return 'contact';
  if (pollOf(message)) return 'poll';
  if (message.pollUpdateMessage) return 'poll-vote';
  if (message.groupInviteMessage) return 'group-invite';
  if (message.reactionMessage || message.encReactionMessage) return 'reaction';
  if (message.pinInChatMessage) return 'pin';
  if (message.call || message.callLogMessage) return 'call';
  const protocol = message.protocolMessage;
  if (protocol?.editedMessage) return 'edit';
  if (protocol?.type === ProtocolMessage_Type.EPHEMERAL_SETTING) return 'disappearing';
  if (protocol?.type === ProtocolMessage_Type.SHARE_PHONE_NUMBER) return 'phone-number';
  if (protocol?.type === ProtocolMessage_Type.LIMIT_SHARING) return 'limited-sharing';
  // An absent type means REVOKE only where a message is named (docs/protocol.md).
  if (protocol?.key && (protocol.type ?? ProtocolMessage_Type.REVOKE) === ProtocolMessage_Type.REVOKE)
    return 'deletion';
  return isHousekeeping(message) ? undefined : 'unknown';
}

/** An album only announces pictures, which come as messages of their own. */
function isHousekeeping(message: Message): boolean {
  return (
    message.protocolMessage !== undefined ||
    message.senderKeyDistributionMessage !== undefined ||
    message.fastRatchetKeySenderKeyDistributionMessage !== undefined ||
    message.albumMessage !== undefined
  );
}

/** Undefined: what is in it cannot be read, or there is no translation. */
function contentsOf(
  feature: Feature,
  message: Message,
  answers: Quotation | undefined,
  table: Capabilities,
): readonly [JsonObject, ...JsonObject[]] | undefined {
  if (feature === 'text') return textContents(textOf(message), table, answers === undefined ? 0 : roomForQuotation);
  const content = fallbackOf(feature, message, table[feature]['to-matrix']?.told ?? '');
  return content && [content];
}

function fallbackOf(feature: Feature, message: Message, label: string): JsonObject | undefined {
  switch (feature) {
    case 'location':
      return message.locationMessage && locationContent(message.locationMessage);
    case 'live-location': {
      const live = message.liveLocationMessage ?? message.locationMessage;
      return live && liveLocationContent(live, label);
    }
    case 'contact': {
      const cards = message.contactMessage ? [message.contactMessage] : message.contactsArrayMessage?.contacts;
      return cards && plainContent(cardsText(cards, label));
    }
    case 'poll': {
      const poll = pollOf(message);
      return poll && plainContent(pollText(poll, label));
    }
    case 'group-invite':
      return message.groupInviteMessage && plainContent(groupInviteText(message.groupInviteMessage, label));
    default:
      return undefined;
  }
}

function textOf(message: Message): string {
  return message.conversation || message.extendedTextMessage?.text || '';
}
