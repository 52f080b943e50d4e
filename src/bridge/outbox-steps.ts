// Where an outbox row goes next: the transitions of "Matrix to WhatsApp" in docs/delivery.md, each as what is to be committed. Pure: whoever calls
// them reads before, and commits and sends after.
import type { Change } from '../model/change.ts';
import type { Contact } from '../model/contact.ts';
import type { BridgeError } from '../model/errors.ts';
import type { SendResult } from '../model/interop.ts';
import type { OutboxEnvelope, OutboxMarks, OutboxRow, OutboxRowProgress } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { DeviceList } from '../model/trust.ts';
import { afterRefusal, find } from './devices.ts';
import { contactName, networkNames } from './labels.ts';
import { noticeOnce, notSent } from './notices.ts';
import { type Blocker, blockedText } from './policy/blocks.ts';

type RowChange = Change & { readonly change: 'outbox.state' };
/** What need not be opened of a row to end it. */
type Noted = Pick<OutboxEnvelope, 'id' | 'event' | 'confirmed'>;
/** Likewise, to note what its devices say. */
type Sent = Pick<OutboxEnvelope, 'id' | 'at' | keyof OutboxMarks>;

interface Chat {
  readonly portal: Portal;
  readonly contact: Contact;
}

/** It is set aside, and its sender told why: `text` is for people. */
export interface Parking {
  readonly next: 'park';
  readonly code: string;
  readonly text: string;
}

const park = (code: string, text: string): Parking => ({ next: 'park', code, text });

// It is sent.

/** What the worker does about the oldest row of a chat. */
export type Turn =
  | Parking
  /** It waits for a decision of the user. */
  | { readonly next: 'hold' }
  | { readonly next: 'encrypt' }
  | { readonly next: 'send'; readonly stanza: Uint8Array }
  /** It waits for its file, or has been sent. */
  | { readonly next: 'leave' };

/** Asked before a row is encrypted, and again before it is sent: who has been blocked, or whose key has changed in between, gets nothing. */
export function turnOf({ state }: OutboxRow, blocker: Blocker | undefined, held: boolean): Turn {
  if (state.at !== 'ready' && state.at !== 'encrypted') return { next: 'leave' };
  if (blocker !== undefined) return park('blocked', blockedText(blocker));
  if (held) return { next: 'hold' };
  return state.at === 'ready' ? { next: 'encrypt' } : { next: 'send', stanza: state.stanza };
}

/** Encrypted for these devices, or again for the one that asked first: `encrypted`, and whoever else has asked is next. `row`: as it is from then on. */
export function afterEncryption(
  row: OutboxRow,
  stanza: Uint8Array,
  devices: readonly number[],
): { readonly change: RowChange; readonly row: OutboxRow } {
  const [asking, ...retryFor] = row.retryFor;
  const now = {
    state: { at: 'encrypted', stanza },
    waitingFor: asking === undefined ? devices : row.waitingFor,
    retryFor,
  } as const;
  return { change: { change: 'outbox.state', id: row.id, ...now }, row: { ...row, ...now } };
}

export type AfterNobodyReached =
  | Parking
  /** It may help to try again. */
  | { readonly next: 'retry'; readonly cause: BridgeError }
  /** Only the device that had asked is left out. */
  | { readonly next: 'leave-out'; readonly change: RowChange };

/** None of the devices for which it was to be encrypted can be reached. `cause`: why one of them cannot. */
export function afterNobodyReached(
  { portal, contact }: Chat,
  row: OutboxRow,
  cause: BridgeError | undefined,
): AfterNobodyReached {
  if (cause?.retry === 'later') return { next: 'retry', cause };
  const [asking] = row.retryFor;
  if (asking !== undefined && isForOthers(row, asking)) {
    return { next: 'leave-out', change: withoutDevice({ ...row, at: row.state.at }, asking) };
  }
  const text = `No device of ${contactName(contact, portal)} can be reached at the moment. Try again later.`;
  return park(cause?.code ?? 'signal.no-device', cause?.userText ?? text);
}

export type AfterError = Parking | { readonly next: 'retry' } | { readonly next: 'wait' };

/** Encrypting or sending has failed. `wait`: until there is a connection, or the user has decided about a key. */
export function afterError({ code, retry, userText }: BridgeError): AfterError {
  if (code === 'interop.offline' || code === 'signal.untrusted') return { next: 'wait' };
  if (retry === 'later' || code.startsWith('store.')) return { next: 'retry' };
  return park(code, userText ?? 'This message could not be sent. Trying again may help.');
}

export const payloadGone = park(
  'outbox.payload-gone',
  'This message waited too long and is not kept any more. Send it again.',
);

/** It has waited too long for a decision of the user. `waited`: how long, in words. */
export function afterHold(row: OutboxRow, code: string, waited: string): Parking {
  const uncertain =
    row.state.at === 'encrypted' || row.waitingFor.length > 0
      ? ' It is not certain that it had not gone out before.'
      : '';
  const text = `It has waited for ${waited} for a decision of yours, and is not sent any more.${uncertain} Once you have decided, send it again if it still matters.`;
  return park(code, text);
}

/**
 * No further try is made, for whatever reason: `parked`, and its sender is to be told; or, where one of their devices has confirmed it and
 * only another one had asked for it again, `done`.
 */
export function afterGivingUp(
  { id, confirmed }: Pick<OutboxRow, 'id' | 'confirmed'>,
  code: string,
): { readonly change: RowChange; readonly told: boolean } {
  if (confirmed) return { change: ended({ id }), told: false };
  return { change: { change: 'outbox.state', id, state: { at: 'parked', code } }, told: true };
}

export type AfterAnswer =
  | Parking
  | { readonly next: 'wait-for-receipts'; readonly change: RowChange }
  /** For another list of devices, which is stale. */
  | { readonly next: 'encrypt-anew'; readonly change: RowChange; readonly list: DeviceList };

/** The network has answered the stanza. */
export function afterAnswer(
  { contact }: Pick<Chat, 'contact'>,
  row: OutboxRow,
  answer: SendResult,
  list: DeviceList,
): AfterAnswer {
  if (answer.accepted) return { next: 'wait-for-receipts', change: afterSending(row) };
  const refusal = afterRefusal(list, answer.code, row.messageId);
  if (refusal.next === 'refresh') return { next: 'encrypt-anew', change: afterStaleList(row), list: refusal.list };
  return park(
    `network.${answer.code}`,
    `${networkNames[contact.network]} refused this message (code ${answer.code}). If that happens again, tell whoever runs this server.`,
  );
}

/**
 * The network has the stanza. The row waits until each addressed device has confirmed, because any of them may still ask for it again;
 * devices that have asked get theirs next.
 */
export function afterSending(row: OutboxRow): RowChange {
  // Those that it was for are gone, and have not confirmed: it is for whoever there is now.
  if (row.waitingFor.length === 0 && !row.confirmed)
    return { change: 'outbox.state', id: row.id, state: { at: 'ready' } };
  return settled(row, row.waitingFor, row.retryFor, true);
}

/** The network refused the stanza for a stale list of devices: encrypted anew, for all; or, if it had been sent before, for who waits. */
export function afterStaleList(row: OutboxRow): RowChange {
  const isForSomebody = row.waitingFor.length > 0 || row.confirmed;
  if (row.retries > 0 && isForSomebody) return settled(row, row.waitingFor, row.waitingFor, true);
  return { change: 'outbox.state', id: row.id, state: { at: 'ready' } };
}

// Its devices answer.

/**
 * A device confirms (delivered, read or played: all mean that it could decrypt the message). What the person has read on one device
 * counts as received by the person, but the payload stays for the others. Undefined where nothing changes.
 */
export function afterReceipt(row: Sent, device: number): RowChange | undefined {
  if (!row.waitingFor.includes(device)) return undefined;
  // Encrypted for that device before it was parked, it had gone out.
  if (row.at === 'parked') return { ...ended(row), confirmed: true };
  return wasSent(row) ? { ...withoutDevice(row, device), confirmed: true } : undefined;
}

/** What the sender is told of a receipt: where they had been told that it was not delivered, that it was. */
export function toldOfReceipt(portal: Portal, row: Sent & Pick<Noted, 'event'>, now: number): readonly Change[] {
  if (row.at !== 'parked') return [];
  const text = 'This message has been received after all.';
  return [noticeOnce(portal, `received:${row.event}`, now, { code: 'received', text, about: row.event })];
}

/** A device will not have this message, or has it: nothing waits for it any longer. */
export function withoutDevice(row: Sent, device: number): RowChange {
  const others = (devices: readonly number[]): number[] => devices.filter((each) => each !== device);
  return settled(row, others(row.waitingFor), others(row.retryFor), row.at !== 'encrypted');
}

/** A device asks again. What is on its way to the network goes first. */
export function afterRetry(row: Sent, device: number): RowChange {
  const retryFor = row.retryFor.includes(device) ? row.retryFor : [...row.retryFor, device];
  const change = { change: 'outbox.state', id: row.id, retryFor, retries: row.retries + 1 } as const;
  return row.at === 'encrypted' ? change : { ...change, state: { at: 'ready' } };
}

/** Whether a device may ask for this message: it was addressed, has not confirmed, and the payload is kept. */
export function mayAsk(row: OutboxEnvelope, device: number): boolean {
  return row.kept && wasSent(row) && row.waitingFor.includes(device);
}

export type Answer =
  | { readonly next: 'ignore' }
  | { readonly next: 'encrypt-again'; readonly change: RowChange }
  /** It has asked too often. Another device has the message, or may still get it. */
  | { readonly next: 'leave-out'; readonly change: RowChange }
  /** Likewise, and nobody has it: its sender is told. */
  | { readonly next: 'give-up'; readonly changes: readonly Change[] };

/** A device asks for a message again. `mostRetries`: for each device. */
export function answerTo(
  chat: Chat,
  row: OutboxEnvelope | undefined,
  device: number,
  list: DeviceList,
  { now, mostRetries }: { readonly now: number; readonly mostRetries: number },
): Answer {
  if (row === undefined || !mayAsk(row, device) || find(list, device) === undefined) return { next: 'ignore' };
  if (row.retries < mostRetries * list.devices.length)
    return { next: 'encrypt-again', change: afterRetry(row, device) };
  if (isForOthers(row, device)) return { next: 'leave-out', change: withoutDevice(row, device) };
  return { next: 'give-up', changes: afterTooManyRetries(chat, row, now) };
}

/** How often the known clients ask for one message. */
export const clientRetries = 5;

/** Whether it was sent again as often as clients ask, to nobody's avail. Counted over all devices: each of those that have not confirmed may have asked. */
export function isUnreadable({ at, confirmed, retries, waitingFor }: OutboxRowProgress): boolean {
  return at === 'acknowledged' && !confirmed && retries >= clientRetries * waitingFor.length;
}

/** No device could decrypt it, and none asks any more: `parked`, and its sender told. */
export function afterTooManyRetries(
  { portal, contact }: Chat,
  row: Pick<Noted, 'id' | 'event'>,
  now: number,
): readonly Change[] {
  const text = `${contactName(contact, portal)} has this message, but their device could not decrypt it, several times over. Send it again.`;
  const { change } = afterGivingUp({ ...row, confirmed: false }, 'retries-exhausted');
  return [change, notSent(portal, row.event, now, 'not-decrypted', text)];
}

/** Its receipts have not all come in time: `done`. Its sender is told where no device has confirmed. Nothing where its devices have moved it on. */
export function afterReceiptWait(portal: Portal, row: Noted & Pick<Sent, 'at'>, now: number): readonly Change[] {
  if (row.at !== 'acknowledged') return [];
  if (row.confirmed) return [ended(row)];
  const told = noticeOnce(portal, `unconfirmed:${row.event}`, now, {
    code: 'unconfirmed',
    text: 'The network accepted this message, but the other person has not received it so far, and it is not kept here any longer.',
    about: row.event,
  });
  return [ended(row), told];
}

/** Whether another device than this one has the message or may still get it. */
function isForOthers({ confirmed, waitingFor }: OutboxMarks, device: number): boolean {
  return confirmed || waitingFor.some((other) => other !== device);
}

const ended = ({ id }: Pick<OutboxRow, 'id'>): RowChange => ({
  change: 'outbox.state',
  id,
  state: { at: 'done' },
  erasePayload: true,
});

/** Sent, on its way, or about to be encrypted again for a device that has asked. */
function wasSent({ at, retryFor }: Sent): boolean {
  return at === 'encrypted' || at === 'acknowledged' || (at === 'ready' && retryFor.length > 0);
}

function settled(
  { id }: Pick<OutboxRow, 'id'>,
  waitingFor: readonly number[],
  retryFor: readonly number[],
  sent: boolean,
): RowChange {
  const change = { change: 'outbox.state', id, waitingFor, retryFor } as const;
  if (!sent) return change;
  if (retryFor.length > 0) return { ...change, state: { at: 'ready' } };
  if (waitingFor.length > 0) return { ...change, state: { at: 'acknowledged' } };
  return { ...change, ...ended({ id }) };
}
