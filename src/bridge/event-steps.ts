// What becomes of an event that was pushed: the first transitions of "Matrix to WhatsApp" in docs/delivery.md, each as what is to be committed. Pure.
import type { Change } from '../model/change.ts';
import type { EventId, MessageId, UserId } from '../model/ids.ts';
import type { MatrixEvent, OutgoingFile } from '../model/journal.ts';
import type { Acceptance, Portal } from '../model/portal.ts';
import { notSent } from './notices.ts';

/** Event types that clients encrypt: in plaintext they are refused, for anybody could have put them there. */
const encryptedKinds =
  /^(m\.room\.message|m\.sticker|m\.call\..*|m\.beacon|org\.matrix\.msc3672\.beacon|(m|org\.matrix\.msc3381)\.poll\..*)$/;

/** What an event is, before anything of it is decrypted. */
export type Pushed =
  /** Somebody comes or goes. */
  | 'membership'
  | 'nothing'
  | 'encrypted'
  /** What should have been encrypted. */
  | 'plaintext'
  | 'reaction'
  | 'redaction'
  /** The user has done something that is not carried, and has its turn. */
  | 'other';

export function whatIs({ type, sender, content }: MatrixEvent, user: UserId): Pushed {
  if (type === 'm.room.member') return 'membership';
  // Whoever else may have got in here: only the account's user speaks through this portal.
  if (sender !== user) return 'nothing';
  if (type === 'm.room.redaction') return 'redaction';
  // What was redacted before it was pushed comes without its content: it was never handed to us.
  if (Object.keys(content).length === 0) return 'nothing';
  if (type === 'm.room.encrypted') return 'encrypted';
  if (encryptedKinds.test(type)) return 'plaintext';
  return type === 'm.reaction' ? 'reaction' : 'other';
}

/** Whether somebody has said something with it, in whatever room. */
export function isWritten(event: MatrixEvent): boolean {
  const pushed = whatIs(event, event.sender);
  return event.state_key === undefined && (pushed === 'encrypted' || pushed === 'plaintext' || pushed === 'reaction');
}

/** What it means that somebody has come or gone. */
export type Move =
  /** The user has joined, and lets in by that who asks. */
  | 'lets-in'
  /** The user has left, and declines by that who asks. */
  | 'declines'
  /** The user has left: the room is closed, and what the contact writes next opens another one. */
  | 'closes'
  /** Somebody may now receive what was held for want of a device. */
  | 'other';

export function moveOf({ state_key, content }: MatrixEvent, user: UserId, acceptance: Acceptance): Move {
  if (state_key !== user) return 'other';
  const asks = acceptance.at === 'requested';
  switch (content.membership) {
    case 'join':
      return asks ? 'lets-in' : 'other';
    case 'leave':
    case 'ban':
      return asks ? 'declines' : 'closes';
    default:
      return 'other';
  }
}

type Place = Pick<Portal, 'id' | 'account'>;

/** What is sent, as far as it is there: a file has to be carried over first. */
export type Outgoing = { readonly payload: Uint8Array } | { readonly file: OutgoingFile };

/** It goes to WhatsApp: `ready`, or `transfer` where there is a file. */
export function afterTranslation(
  { id: portal, account }: Place,
  event: EventId,
  messageId: MessageId,
  now: number,
  outgoing: Outgoing,
): Change {
  return { change: 'outbox.add', row: { account, portal, event, messageId, createdAt: now, ...outgoing } };
}

/** Likewise a message, which replies find. */
export function afterMessage(
  portal: Place,
  { event_id: event, room_id: room }: MatrixEvent,
  messageId: MessageId,
  now: number,
  outgoing: Outgoing,
): readonly Change[] {
  const reference = { portal: portal.id, messageId, fromUser: true, event, room, sentAt: now };
  return [afterTranslation(portal, event, messageId, now, outgoing), { change: 'reference.put', reference }];
}

/** Its key has not come in time: it stands aside, and its sender is told why it has not been sent yet. */
export function standingAside(portal: Portal, { event_id }: MatrixEvent, now: number): Change {
  const text =
    'This has not been sent yet: the key to it has not reached the bridge. It is sent, marked as late, as soon as the key comes. To have it sent at once, delete it and write it again.';
  return notSent(portal, event_id, now, 'waiting-for-key', text);
}

/** Its key has come after all. */
export function sentLate(portal: Portal, { event_id }: MatrixEvent, now: number): Change {
  return notSent(portal, event_id, now, 'sent-late', 'The key to this has come: it is sent now, marked as late.');
}
