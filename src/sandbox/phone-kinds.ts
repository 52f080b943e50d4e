// Messages of a phone that are neither text nor file: places, cards, polls, invitations, settings, as WhatsApp's clients write them.
import { randomBytes } from 'node:crypto';
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import { formatJid, type UserJid } from '../model/jid.ts';
import { MessageSchema, PinInChatMessage_Type, ProtocolMessage_Type } from '../proto/message_pb.ts';
import type { Target } from './phone-references.ts';
import { sealVote } from './poll-votes.ts';

interface Place {
  /** Degrees. */
  readonly latitude: number;
  readonly longitude: number;
  /** Metres. */
  readonly accuracy?: number | undefined;
}

/** A `vcard` may be anything; without one it is made from name and number. */
export interface Card {
  readonly name: string;
  readonly number?: string | undefined;
  readonly vcard?: string | undefined;
}

export type OtherMessage =
  | (Place & { readonly type: 'location'; readonly name?: string | undefined; readonly address?: string | undefined })
  | (Place & { readonly type: 'live-location'; readonly caption?: string | undefined; readonly sequence: number })
  | { readonly type: 'contact'; readonly contacts: readonly Card[] }
  | {
      readonly type: 'poll';
      readonly question: string;
      readonly options: readonly string[];
      readonly selectable: number;
    }
  | {
      readonly type: 'group-invite';
      readonly group: string;
      readonly code: string;
      readonly name: string;
      readonly caption?: string | undefined;
      /** Milliseconds since the Unix epoch. */
      readonly expiresAt: number;
    }
  | { readonly type: 'disappearing-timer'; readonly seconds: number }
  /** A field that nobody knows. */
  | { readonly type: 'unknown' };

type MessageInit = MessageInitShape<typeof MessageSchema>;

/** Returns the serialised Message. `now`: milliseconds since the Unix epoch. */
export function otherMessage(message: OtherMessage, now: number): Uint8Array {
  return message.type === 'unknown' ? UNKNOWN : serialised(contentOf(message, now));
}

/** A text in a chat whose messages disappear after so many seconds. */
export function disappearingText(text: string, expiration: number): Uint8Array {
  return serialised({ extendedTextMessage: { text, contextInfo: { expiration } } });
}

export function pinMessage(target: Target, peer: UserJid, unpin: boolean, now: number): Uint8Array {
  const type = unpin ? PinInChatMessage_Type.UNPIN_FOR_ALL : PinInChatMessage_Type.PIN_FOR_ALL;
  const pin = { key: keyOf(target, peer), type, senderTimestampMs: BigInt(now) };
  return serialised({ pinInChatMessage: pin, messageContextInfo: { messageAddOnDurationInSecs: 604_800 } });
}

/** Undefined if the target is no poll that this phone knows. */
export function voteMessage(
  target: Target,
  options: readonly string[],
  people: { readonly own: UserJid; readonly peer: UserJid },
  now: number,
): Uint8Array | undefined {
  const { own, peer } = people;
  const author = target.direction === 'out' ? own : peer;
  const vote = target.payload && sealVote(target.payload, { id: target.id, author, voter: own }, options);
  if (!vote) return undefined;
  const pollCreationMessageKey = keyOf(target, peer);
  return serialised({ pollUpdateMessage: { pollCreationMessageKey, vote, senderTimestampMs: BigInt(now) } });
}

/** Field 9999, a string. */
const UNKNOWN = Uint8Array.of(0xfa, 0xf0, 0x04, 0x03, 0x6e, 0x65, 0x77);

const serialised = (message: MessageInit): Uint8Array => toBinary(MessageSchema, create(MessageSchema, message));

function keyOf({ id, direction }: Target, peer: UserJid) {
  return { remoteJid: formatJid(peer), fromMe: direction === 'out', id };
}

function contentOf(message: Exclude<OtherMessage, { readonly type: 'unknown' }>, now: number): MessageInit {
  switch (message.type) {
    case 'location': {
      const { name, address } = message;
      return { locationMessage: { ...placeOf(message), name, address } };
    }
    case 'live-location': {
      const { caption, sequence } = message;
      return { liveLocationMessage: { ...placeOf(message), caption, sequenceNumber: BigInt(sequence) } };
    }
    case 'contact':
      return contactsOf(message.contacts.map(cardOf));
    case 'poll':
      return pollOf(message);
    case 'group-invite': {
      const { group, code, name, caption, expiresAt } = message;
      const inviteExpiration = BigInt(Math.floor(expiresAt / 1000));
      return {
        groupInviteMessage: { groupJid: `${group}@g.us`, inviteCode: code, groupName: name, caption, inviteExpiration },
      };
    }
    case 'disappearing-timer':
      return {
        protocolMessage: {
          type: ProtocolMessage_Type.EPHEMERAL_SETTING,
          ephemeralExpiration: message.seconds,
          ephemeralSettingTimestamp: BigInt(Math.floor(now / 1000)),
        },
      };
  }
}

function placeOf({ latitude, longitude, accuracy }: Place) {
  return { degreesLatitude: latitude, degreesLongitude: longitude, accuracyInMeters: accuracy };
}

function cardOf({ name, number, vcard }: Card) {
  const phone = number === undefined ? '' : `TEL;type=CELL;waid=${number}:+${number}\n`;
  return {
    displayName: name,
    vcard: vcard ?? `BEGIN:VCARD\nVERSION:3.0\nN:;${name};;;\nFN:${name}\n${phone}END:VCARD`,
  };
}

function contactsOf(contacts: ReturnType<typeof cardOf>[]): MessageInit {
  const [first] = contacts;
  if (first && contacts.length === 1) return { contactMessage: first };
  return { contactsArrayMessage: { displayName: `${contacts.length} contacts`, contacts } };
}

/** The secret is what votes are encrypted with. */
function pollOf({ question, options, selectable }: Extract<OtherMessage, { type: 'poll' }>): MessageInit {
  const poll = {
    name: question,
    options: options.map((optionName) => ({ optionName })),
    selectableOptionsCount: selectable,
  };
  const messageContextInfo = { messageSecret: randomBytes(32) };
  return selectable === 1
    ? { pollCreationMessageV3: poll, messageContextInfo }
    : { pollCreationMessage: poll, messageContextInfo };
}
