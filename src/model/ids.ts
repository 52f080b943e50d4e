// Typed identifiers: a Matrix ID, a room, a message id and our own row ids are different types, and mixing them does not compile.
import { randomBytes } from 'node:crypto';

declare const brand: unique symbol;
type Id<Name extends string, Base = string> = Base & { readonly [brand]: Name };

/** A Matrix user ID, `@localpart:server`. */
export type UserId = Id<'UserId'>;
/** A Matrix room ID. Since room version 12 it need not contain a server name. */
export type RoomId = Id<'RoomId'>;
export type EventId = Id<'EventId'>;
export type DeviceId = Id<'DeviceId'>;
/** The id under which a homeserver pushes one batch of events to an application service. */
export type TransactionId = Id<'TransactionId'>;
/** The id under which we send one event, unique over all ghosts of this bridge. */
export type SendId = Id<'SendId'>;

export type AccountId = Id<'AccountId'>;
export type ContactId = Id<'ContactId'>;
export type PortalId = Id<'PortalId'>;
/** Of everything that is on record about the consent of one user; says nothing of who it is. */
export type RecordId = Id<'RecordId'>;
/** Of a report of messages, while it is on its way. */
export type ReportId = Id<'ReportId'>;
/** The id of a message on WhatsApp: unique per sender and chat only. */
export type MessageId = Id<'MessageId'>;
/** A user of ours on the homeserver that has a device and keys: the bot or a ghost. */
export type ActorId = Id<'ActorId'>;

export type InboxId = Id<'InboxId', number>;
export type OutboxId = Id<'OutboxId', number>;
/** Position of a stored Matrix event in the queue of what the homeserver pushed. */
export type EventSeq = Id<'EventSeq', number>;
export type TransactionSeq = Id<'TransactionSeq', number>;
export type BotMessageSeq = Id<'BotMessageSeq', number>;

/** The actor that every installation has. */
export const botActorId = 'bot' as ActorId;

/** Returns a Matrix user ID, or undefined where `text` is none (Matrix spec, appendix "User identifiers"; 255 bytes). */
export function parseUserId(text: string): UserId | undefined {
  return /^@[\x21-\x39\x3b-\x7e]+:[A-Za-z0-9.:[\]-]+$/.test(text) && text.length <= 255 ? (text as UserId) : undefined;
}

/** A room id or alias (Matrix spec, appendix "Common identifier format"); since room version 12 a room id need not name a server. */
export const roomIdOrAlias = /^(?=.{2,255}$)(![^\s\0]+|#[^\s\0:]+:[^\s\0]+)$/;

export function localpartOf(user: UserId): string {
  return user.slice(1, user.indexOf(':'));
}

export function serverOf(user: UserId): string {
  return user.slice(user.indexOf(':') + 1);
}

/** Returns 128 random bits in lower-case hex: fit for a localpart, a row key and a file name. */
function randomId(): string {
  return randomBytes(16).toString('hex');
}

export const newAccountId = (): AccountId => randomId() as AccountId;
export const newContactId = (): ContactId => randomId() as ContactId;
export const newPortalId = (): PortalId => randomId() as PortalId;
export const newRecordId = (): RecordId => randomId() as RecordId;
export const newReportId = (): ReportId => randomId() as ReportId;

/** Returns a new message id in the form that clients use: `3EB0` and 18 upper-case hex digits (packs well on the wire). */
export function newMessageId(): MessageId {
  return `3EB0${randomBytes(9).toString('hex').toUpperCase()}` as MessageId;
}

/** Returns the actor of a contact's ghost. */
export function ghostActorId(contact: ContactId): ActorId {
  return `ghost-${contact}` as ActorId;
}
