// Where an inbox row goes next: the transitions of "WhatsApp to Matrix" in docs/delivery.md, each as what is to be committed. Pure: whoever calls
// them reads before, and commits and sends after.
import type { Change, MissingRow } from '../model/change.ts';
import type { Contact } from '../model/contact.ts';
import type { BridgeError } from '../model/errors.ts';
import type { EventId, RoomId } from '../model/ids.ts';
import type { InboxBody, InboxRow, InboxState, Notice, SealedEvent } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { utcMinute } from '../translate/times.ts';
import { contactName } from './labels.ts';
import { noticeOnce } from './notices.ts';
import type { Step } from './workers.ts';

/** A row in one of these states. Each transition takes the states that it leaves by, so that none leaves `done`, or shows again what is `accepted`. */
export type RowAt<At extends InboxState['at']> = InboxRow & { readonly state: InboxState & { readonly at: At } };
/** Matrix has not answered for it yet. */
export type Unanswered = RowAt<'received' | 'encrypted'>;
/** It stands for a message that has not been read yet. */
export type Missing = RowAt<'awaited' | 'overdue' | 'parked'>;

export function isAt<At extends InboxState['at']>(row: InboxRow, ...states: readonly At[]): row is RowAt<At> {
  return states.some((at) => at === row.state.at);
}

/** One that is parked is missing where nothing of it is kept. */
export function isMissing(row: InboxRow): row is Missing {
  return isAt(row, 'awaited', 'overdue') || (isAt(row, 'parked') && row.state.body === undefined);
}

interface Chat {
  readonly portal: Portal;
  readonly contact: Contact;
}

type RowChange = Change & { readonly change: 'inbox.state' };

const to = ({ id }: InboxRow, state: InboxState): RowChange => ({ change: 'inbox.state', id, state });

// A message comes, or does not.

/** It could be decrypted: `received`, in its place where that is kept (`known`), otherwise at the end; marked as late if the chat has gone on without it. */
export function afterDecryption(
  portal: Portal,
  known: Missing | undefined,
  place: MissingRow,
  body: InboxBody,
): readonly Change[] {
  if (known === undefined) return [{ change: 'inbox.add', row: { ...place, body } }];
  const { id, state, messageId, device, timestamp } = known;
  if (state.at === 'awaited') return [{ change: 'inbox.arrived', id, body }];
  const text = `The next message comes late: it was sent at ${utcMinute(timestamp)} and could not be read at first.`;
  return [
    { change: 'inbox.forget', id },
    noticeOnce(portal, `late:${messageId}:${device}`, timestamp, { code: 'late', text }),
    { change: 'inbox.add', row: { account: known.account, portal: portal.id, messageId, device, timestamp, body } },
  ];
}

/** Its key had been used before: this is another message under it, which only its sender can encrypt anew. */
export const usedKey = 'signal.used-key';

export interface DecryptionFailure {
  readonly code: string;
  readonly noSession: boolean;
  /** How often this message has failed, with this time. */
  readonly count: number;
}

export interface AskAgain {
  readonly count: number;
  /** Send fresh keys along, so that the sender can start a new session. */
  readonly withKeys: boolean;
}

const longestPauseMs = 8_000;

/**
 * How long to wait before the n-th time, in milliseconds. Some clients use a key twice, or lose a session, where they write while they read (`docs/protocol.md`): asked at
 * once, they do so again, and all tries are spent within a second.
 */
export function pauseBeforeAsking(count: number): number {
  return count < 3 ? 0 : Math.min(longestPauseMs, 500 * 4 ** (count - 3));
}

export type AfterFailure =
  /** Its sender is asked for it again, unless `ask` is undefined. */
  | { readonly next: 'ask'; readonly changes: readonly Change[]; readonly ask: AskAgain | undefined }
  | { readonly next: 'give-up'; readonly changes: readonly Change[] };

/** It could not be decrypted: `awaited`, or `parked` once it has failed more often than `mostRetries`. */
export function afterFailure(
  { portal, contact }: Chat,
  place: MissingRow,
  { code, noSession, count }: DecryptionFailure,
  { now, mostRetries }: { readonly now: number; readonly mostRetries: number },
): AfterFailure {
  const { messageId, device } = place;
  const counted: Change = { change: 'inbox.decrypt-failed', portal: portal.id, messageId, device, count };
  const { acceptance } = portal;
  if (acceptance.at === 'requested') {
    // Whoever asks to be let in is asked once, and learns nothing more.
    const ask = acceptance.askedAgain ? undefined : { count, withKeys: code !== usedKey };
    return { next: 'ask', changes: [counted, { change: 'request.asked-again', portal: portal.id }], ask };
  }
  if (count > mostRetries) {
    const told = undecryptable({ portal, contact }, place);
    return { next: 'give-up', changes: [counted, parkedMissing(place, 'undecryptable'), told] };
  }
  // Where only a key was used twice the session is sound: new keys would replace it under the messages that are on their way.
  const withKeys = noSession || (count > 1 && code !== usedKey);
  const awaited: Change = { change: 'inbox.await', row: { ...place, since: now } };
  return { next: 'ask', changes: [counted, awaited], ask: { count, withKeys } };
}

/** How long a message that was asked for again may take before the user is told, in milliseconds. */
export const answerWaitMs = 10 * 60 * 1000;

/** It was asked for again, and has not come in that time: `parked`. Nothing is told of one that has come, or was told before (`known`: its row, if there is one). */
export function afterNoAnswer(chat: Chat, known: InboxRow | undefined, place: MissingRow): readonly Change[] {
  if (known !== undefined && !isAt(known, 'awaited', 'overdue')) return [];
  return neverCame(chat.portal, place, 'unanswered', undecryptable(chat, place));
}

/** It will not come: `parked`, and the user told by `told`; while the contact asks to be let in, when that has been decided. Should it come all the same, it comes late. */
export function neverCame(portal: Portal, place: MissingRow, code: string, told: Change): readonly Change[] {
  switch (portal.acceptance.at) {
    case 'accepted':
      return [parkedMissing(place, code), told];
    case 'requested':
      return [{ change: 'request.dropped', portal: portal.id }];
    case 'declined':
      return [];
  }
}

const parkedMissing = (row: MissingRow, code: string): Change => ({ change: 'inbox.park-missing', row, code });

function undecryptable({ portal, contact }: Chat, { messageId, timestamp }: MissingRow): Change {
  return noticeOnce(portal, `undecryptable:${messageId}`, timestamp, {
    code: 'undecryptable',
    text: `A message from ${contactName(contact, portal)} could not be decrypted, and asking for it again did not help. Ask them to send it once more.`,
  });
}

// It is shown.

/** Whether the policy lets a row be shown: later, when something changes; later, at a known time; or never. */
export type Admitted = 'show' | 'wait' | { readonly waitMs: number } | 'skip';

/** The worker shows the oldest row of a chat, or does this about it. */
export type Turn = 'show' | { readonly changes: readonly Change[]; readonly step: Step };

/** `leftMs`: how much longer the chat waits for a row that is `awaited`; after that it is `overdue`, and the chat goes on. */
export function turnOf(row: InboxRow, admitted: Admitted, leftMs: number): Turn {
  if (admitted === 'skip') return { changes: [nothingShown(row)], step: 'again' };
  if (admitted === 'wait') return { changes: [], step: 'idle' };
  if (admitted !== 'show') return { changes: [], step: { waitMs: admitted.waitMs } };
  if (row.state.at !== 'awaited') return 'show';
  if (leftMs > 0) return { changes: [], step: { waitMs: leftMs } };
  return { changes: [to(row, { at: 'overdue' })], step: 'again' };
}

/** There is nothing in it to show, or it is not to be shown: `done`, and no receipt. */
export const nothingShown = (row: InboxRow): RowChange => to(row, { at: 'done', event: undefined });

/** `encrypted`, with the row as it is from then on. */
export function afterEncryption(
  row: RowAt<'received'>,
  events: readonly [SealedEvent, ...SealedEvent[]],
): { readonly change: RowChange; readonly row: RowAt<'encrypted'> } {
  const state = { at: 'encrypted', events, body: row.state.body } as const;
  return { change: to(row, state), row: { ...row, state } };
}

/** Its events are for a room or of a ghost that the chat has no longer: `received` again, to be encrypted for those that it has. */
export function afterMove(row: RowAt<'encrypted'>): { readonly change: RowChange; readonly row: RowAt<'received'> } {
  const state = { at: 'received', body: row.state.body } as const;
  return { change: to(row, state), row: { ...row, state } };
}

/** Matrix has its events: `accepted`, and replies find it; a notice of ours is `done`. */
export function afterAcceptance(
  portal: Portal,
  room: RoomId,
  row: RowAt<'encrypted'>,
  [event, ...parts]: readonly [EventId, ...EventId[]],
): readonly Change[] {
  if (row.isNotice) return [to(row, { at: 'done', event })];
  const { messageId, timestamp: sentAt } = row;
  return [
    to(row, { at: 'accepted', event }),
    { change: 'reference.put', reference: { portal: portal.id, messageId, fromUser: false, event, room, sentAt } },
    ...parts.map((part): Change => ({ change: 'part.put', part: { portal: portal.id, messageId, event: part } })),
  ];
}

/** A notice is in its place, or what it does to an earlier message is done: `accepted`. Where Matrix has no event of it, there is nothing to confirm. */
export function afterStandIn(row: RowAt<'received'>, event: EventId | undefined): RowChange {
  return event === undefined ? nothingShown(row) : to(row, { at: 'accepted', event });
}

export type AfterRefusal =
  /** It is tried again, by itself or when somebody has acted. */
  | { readonly next: 'keep' }
  /** The ghost has lost the room: the portal gets a new one, and the row is `received` again. */
  | { readonly next: 'new-room'; readonly changes: readonly Change[] }
  /** To be set aside, and told in this notice. */
  | { readonly next: 'park'; readonly notice: Notice }
  /** A notice of ours, which is in the log; one about it would be refused as well. */
  | { readonly next: 'drop'; readonly changes: readonly Change[] };

/** Whether the homeserver may have refused because the ghost is not in the room. It refuses a single event in the same words, which a filter does not like. */
export const mayHaveLostRoom = ({ retry, code }: BridgeError): boolean =>
  retry === 'never' && (code === 'matrix.forbidden' || code === 'matrix.not-found');

/** The homeserver does not take what was sent. */
export function afterRefusal(
  { portal, contact }: Chat,
  row: Unanswered,
  { retry, code }: BridgeError,
  hasLostRoom: boolean,
): AfterRefusal {
  if (retry !== 'never') return { next: 'keep' };
  if (hasLostRoom) {
    const wanted: Change = { change: 'portal.state', portal: portal.id, state: { at: 'wanted' } };
    return { next: 'new-room', changes: [wanted, to(row, { at: 'received', body: row.state.body })] };
  }
  if (row.isNotice) return { next: 'drop', changes: [nothingShown(row)] };
  const text = `A message from ${contactName(contact, portal)} could not be shown: this server does not take it (${code}). Trying again does not help; it can be seen on WhatsApp only.`;
  return { next: 'park', notice: { code: 'not-shown', text } };
}

/** The user has been told, by `notice`, that it could not be shown: `parked`, and no receipt. */
export function afterParking(row: Unanswered, code: string, notice: EventId | undefined): RowChange {
  return to(row, { at: 'parked', code, notice, body: row.state.body });
}

/** The contact has the delivery receipt: `done`. */
export function afterConfirmation(row: RowAt<'accepted'>): RowChange {
  return to(row, { at: 'done', event: row.state.event });
}
