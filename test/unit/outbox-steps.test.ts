// Where a sent message goes next: what receipts, requests and removals of several devices make of it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { firstDevices } from '../../src/bridge/devices.ts';
import {
  afterAnswer,
  afterEncryption,
  afterError,
  afterGivingUp,
  afterHold,
  afterNobodyReached,
  afterReceipt,
  afterReceiptWait,
  afterRetry,
  afterSending,
  afterStaleList,
  afterTooManyRetries,
  answerTo,
  clientRetries,
  isUnreadable,
  mayAsk,
  toldOfReceipt,
  turnOf,
  withoutDevice,
} from '../../src/bridge/outbox-steps.ts';
import { BridgeError, type Retry } from '../../src/model/errors.ts';
import type { AccountId, EventId, MessageId, OutboxId, PortalId } from '../../src/model/ids.ts';
import type { OutboxEnvelope, OutboxRow, OutboxState } from '../../src/model/journal.ts';
import { aContact, aPortal } from '../support/store.ts';

const stanza = Uint8Array.of(1);
const payload = Uint8Array.of(2);
const rowOf = (over: Partial<OutboxRow>): OutboxRow => ({
  id: 1 as OutboxId,
  account: 'a' as AccountId,
  portal: 'p' as PortalId,
  event: '$e' as EventId,
  messageId: 'M' as MessageId,
  createdAt: 0,
  payload,
  state: { at: 'encrypted', stanza },
  waitingFor: [0, 1, 2],
  retryFor: [],
  confirmed: false,
  retries: 0,
  hosted: undefined,
  ...over,
});

const noted = ({ state, payload, ...row }: OutboxRow): OutboxEnvelope => ({
  ...row,
  at: state.at,
  kept: payload !== undefined,
});

type Change = ReturnType<typeof afterSending>;
/** The row as it is stored after the change. */
function applied(row: OutboxRow, change: Change | undefined): OutboxRow {
  if (change === undefined) return row;
  const { state = row.state, waitingFor = row.waitingFor, retryFor = row.retryFor, retries = row.retries } = change;
  const erased = change.erasePayload === true || state.at === 'done';
  const confirmed = row.confirmed || change.confirmed === true;
  return { ...row, state, waitingFor, retryFor, retries, confirmed, payload: erased ? undefined : row.payload };
}

describe('a message to three devices', () => {
  test('is done when each has confirmed, and its payload is kept until then', () => {
    let row = applied(rowOf({}), afterSending(rowOf({})));
    for (const device of [2, 0]) row = applied(row, afterReceipt(noted(row), device));
    expect(row).toMatchObject({ state: { at: 'acknowledged' }, waitingFor: [1], confirmed: true });
    expect(row.payload).toBeDefined();
    row = applied(row, afterReceipt(noted(row), 1));
    expect(row).toMatchObject({ state: { at: 'done' }, payload: undefined });
  });

  test('a receipt that overtakes the acknowledgement is not lost', () => {
    let row = rowOf({ waitingFor: [0] });
    row = applied(row, afterReceipt(noted(row), 0));
    expect(row.state).toEqual({ at: 'encrypted', stanza });
    expect(applied(row, afterSending(row))).toMatchObject({ state: { at: 'done' }, payload: undefined });
  });

  test('receipts for what was never sent, and from whom it was not sent to, change nothing', () => {
    expect(afterReceipt(noted(rowOf({ state: { at: 'ready' } })), 0)).toBeUndefined();
    expect(afterReceipt(noted(rowOf({})), 9)).toBeUndefined();
    expect(afterReceipt(noted(rowOf({ state: { at: 'done' } })), 0)).toBeUndefined();
  });

  test('each device that asks gets its own, one after another, and the others still may', () => {
    let row = rowOf({ state: { at: 'acknowledged' } });
    row = applied(row, afterRetry(noted(row), 1));
    row = applied(row, afterRetry(noted(row), 2));
    expect(row).toMatchObject({ state: { at: 'ready' }, retryFor: [1, 2], retries: 2, waitingFor: [0, 1, 2] });
    const underWay: OutboxRow = { ...row, state: { at: 'encrypted', stanza }, retryFor: [2] };
    expect(mayAsk(noted(underWay), 1)).toBe(true);
    row = applied(underWay, afterSending(underWay));
    expect(row).toMatchObject({ state: { at: 'ready' }, retryFor: [2] });
    row = applied(row, afterReceipt(noted(row), 2));
    expect(row).toMatchObject({ state: { at: 'acknowledged' }, retryFor: [], waitingFor: [0, 1] });
  });

  test('is for whoever there is now, where those that it was for are unlinked before the network has it', () => {
    const gone = rowOf({ waitingFor: [] });
    expect(applied(gone, afterSending(gone))).toMatchObject({ state: { at: 'ready' }, waitingFor: [], payload });
  });

  test('a request while something is on its way neither loses nor repeats that', () => {
    const row = applied(rowOf({}), afterRetry(noted(rowOf({})), 0));
    expect(row).toMatchObject({ state: { at: 'encrypted', stanza }, retryFor: [0], retries: 1 });
    expect(applied(row, afterSending(row))).toMatchObject({ state: { at: 'ready' }, retryFor: [0] });
  });

  test('whoever has confirmed, was not addressed, or comes too late may not ask', () => {
    const row = applied(rowOf({}), afterReceipt(noted(rowOf({})), 1));
    expect(mayAsk(noted(row), 1)).toBe(false);
    expect(mayAsk(noted(row), 9)).toBe(false);
    expect(mayAsk(noted(rowOf({ payload: undefined })), 0)).toBe(false);
    expect(mayAsk(noted(rowOf({ state: { at: 'ready' } })), 0)).toBe(false);
  });

  test('a refusal for a stale list leads to a new message for all, or to those that still wait', () => {
    expect(applied(rowOf({}), afterStaleList(rowOf({})))).toMatchObject({ state: { at: 'ready' }, retryFor: [] });
    const retried = rowOf({ retries: 1, waitingFor: [1] });
    expect(applied(retried, afterStaleList(retried))).toMatchObject({ state: { at: 'ready' }, retryFor: [1] });
    // Those that waited are unlinked: it is for whoever there is now.
    const gone = rowOf({ retries: 1, waitingFor: [] });
    expect(applied(gone, afterStaleList(gone))).toMatchObject({ state: { at: 'ready' }, retryFor: [], payload });
  });
});

const { contact } = aContact();
const chat = { portal: aPortal('a' as AccountId, contact.id), contact };
const list = firstDevices(1);

describe('the turn of the oldest row', () => {
  const states: readonly OutboxState[] = [
    { at: 'ready' },
    { at: 'encrypted', stanza },
    { at: 'acknowledged' },
    { at: 'done' },
    { at: 'parked', code: 'blocked' },
  ];

  test('is to be encrypted, then sent as it is stored', () => {
    expect(turnOf(rowOf({ state: { at: 'ready' } }), undefined, false)).toEqual({ next: 'encrypt' });
    expect(turnOf(rowOf({}), undefined, false)).toEqual({ next: 'send', stanza });
  });

  test('whatever is asked: what the network has, or what is set aside, is never sent again, and nothing is sent to who is blocked or held', () => {
    const blocker = fc.constantFrom(undefined, 'user' as const, 'policy-room' as const, 'server' as const);
    fc.assert(
      fc.property(fc.constantFrom(...states), blocker, fc.boolean(), (state, by, held) => {
        const { next } = turnOf(rowOf({ state }), by, held);
        if (state.at !== 'ready' && state.at !== 'encrypted') expect(next).toBe('leave');
        else expect(next).toBe(by ? 'park' : held ? 'hold' : state.at === 'ready' ? 'encrypt' : 'send');
      }),
    );
  });

  test('a row that is encrypted waits for the devices that it is for; one that is encrypted again for whom it was for before', () => {
    const { change, row } = afterEncryption(rowOf({ state: { at: 'ready' }, waitingFor: [] }), stanza, [0, 4]);
    expect(row).toMatchObject({ state: { at: 'encrypted', stanza }, waitingFor: [0, 4], retryFor: [] });
    expect(applied(rowOf({ state: { at: 'ready' }, waitingFor: [] }), change)).toEqual(row);
    const asked = rowOf({ state: { at: 'ready' }, waitingFor: [0, 1], retryFor: [1, 0] });
    expect(afterEncryption(asked, stanza, [1]).row).toMatchObject({ waitingFor: [0, 1], retryFor: [0] });
  });
});

describe('what fails', () => {
  const failure = (code: string, retry: Retry, userText?: string) =>
    new BridgeError(code, 'failed', userText === undefined ? { retry } : { retry, userText });

  test('is tried again, waits for who wakes it, or is told in words', () => {
    expect(afterError(failure('interop.offline', 'later'))).toEqual({ next: 'wait' });
    expect(afterError(failure('signal.untrusted', 'after-action'))).toEqual({ next: 'wait' });
    expect(afterError(failure('network.busy', 'later'))).toEqual({ next: 'retry' });
    expect(afterError(failure('store.gone', 'never'))).toEqual({ next: 'retry' });
    expect(afterError(failure('signal.no-bundle', 'never', 'No keys.'))).toEqual({
      next: 'park',
      code: 'signal.no-bundle',
      text: 'No keys.',
    });
  });

  test('nobody can be reached: later, without the device that had asked, or told', () => {
    const later = failure('interop.refused', 'later');
    expect(afterNobodyReached(chat, rowOf({}), later)).toEqual({ next: 'retry', cause: later });
    const asked = rowOf({ state: { at: 'ready' }, waitingFor: [0, 1], retryFor: [1] });
    const after = afterNobodyReached(chat, asked, undefined);
    if (after.next !== 'leave-out') throw new Error(after.next);
    expect(applied(asked, after.change)).toMatchObject({
      state: { at: 'acknowledged' },
      waitingFor: [0],
      retryFor: [],
    });
    expect(afterNobodyReached(chat, { ...asked, waitingFor: [1] }, undefined)).toMatchObject({ next: 'park' });
    expect(afterNobodyReached(chat, rowOf({ state: { at: 'ready' } }), undefined)).toMatchObject({
      code: 'signal.no-device',
    });
  });

  test('the network refuses: a stale list is believed once for each message, anything else is told', () => {
    const refused = { accepted: false, code: 479 } as const;
    const first = afterAnswer(chat, rowOf({}), refused, list);
    if (first.next !== 'encrypt-anew') throw new Error(first.next);
    expect(applied(rowOf({}), first.change).state).toEqual({ at: 'ready' });
    expect(afterAnswer(chat, rowOf({}), refused, first.list)).toMatchObject({ next: 'park', code: 'network.479' });
    expect(afterAnswer(chat, rowOf({}), { accepted: false, code: 400 }, list)).toMatchObject({ code: 'network.400' });
    const accepted = afterAnswer(chat, rowOf({}), { accepted: true, timestamp: 1 }, list);
    if (accepted.next !== 'wait-for-receipts') throw new Error(accepted.next);
    expect(applied(rowOf({}), accepted.change).state).toEqual({ at: 'acknowledged' });
  });

  test('whatever the reason: what one device had asked for again, and another one has, only ends', () => {
    const again = rowOf({ waitingFor: [1], confirmed: true, retries: 1 });
    const ended = afterGivingUp(again, 'blocked');
    expect(ended.told).toBe(false);
    expect(applied(again, ended.change)).toMatchObject({ state: { at: 'done' }, payload: undefined });
    const unread = { ...again, confirmed: false };
    const parked = afterGivingUp(unread, 'blocked');
    expect(parked.told).toBe(true);
    expect(applied(unread, parked.change)).toMatchObject({ state: { at: 'parked', code: 'blocked' }, payload });
  });

  test('a decision does not come: told, with the doubt where it may have gone out', () => {
    const hold = (over: Partial<OutboxRow>) => afterHold(rowOf(over), 'waited-too-long', '14 days');
    expect(hold({ state: { at: 'ready' } })).toMatchObject({ code: 'waited-too-long' });
    expect(hold({})).toMatchObject({ text: expect.stringContaining('not certain that it had not gone out') });
  });
});

describe('a device that asks', () => {
  const bounds = { now: 5, mostRetries: 2 };
  const sent = rowOf({ state: { at: 'acknowledged' }, waitingFor: [0] });
  const answer = (row: OutboxRow | undefined, device = 0) => answerTo(chat, row && noted(row), device, list, bounds);

  test('is not heard where there is nothing for it', () => {
    expect(answer(undefined)).toEqual({ next: 'ignore' });
    expect(answer(rowOf({ state: { at: 'done' }, payload: undefined }))).toEqual({ next: 'ignore' });
    // Addressed, but no device of theirs any more.
    expect(answer(rowOf({ state: { at: 'acknowledged' } }), 2)).toEqual({ next: 'ignore' });
  });

  test('gets the message again so many times; then it is left out, or the sender told where nobody has it', () => {
    expect(answer({ ...sent, retries: 1 })).toMatchObject({ next: 'encrypt-again', change: { retries: 2 } });
    expect(answer({ ...sent, retries: 2 })).toMatchObject({
      next: 'give-up',
      changes: [{ state: { at: 'parked', code: 'retries-exhausted' } }, { change: 'inbox.add-once' }],
    });
    expect(answer({ ...sent, retries: 2, waitingFor: [0, 1] })).toMatchObject({
      next: 'leave-out',
      change: { waitingFor: [1] },
    });
    expect(answer({ ...sent, retries: 2, confirmed: true })).toMatchObject({ change: { state: { at: 'done' } } });
  });
});

test('what nobody confirms ends, and its sender is told unless somebody has it', () => {
  const told = { change: 'inbox.add-once' };
  const sent = (over: Partial<OutboxRow>) => noted(rowOf({ state: { at: 'acknowledged' }, ...over }));
  expect(isUnreadable(sent({ retries: 3 * clientRetries - 1 }))).toBe(false);
  expect(isUnreadable(sent({ retries: 3 * clientRetries }))).toBe(true);
  expect(afterTooManyRetries(chat, rowOf({}), 5)).toMatchObject([{ state: { at: 'parked' } }, told]);
  expect(afterReceiptWait(chat.portal, sent({}), 5)).toMatchObject([
    { state: { at: 'done' }, erasePayload: true },
    told,
  ]);
  expect(afterReceiptWait(chat.portal, sent({ confirmed: true }), 5)).toMatchObject([{ state: { at: 'done' } }]);
  // A device has just asked for it once more.
  const asked = { state: { at: 'ready' }, retries: 3 * clientRetries, retryFor: [0] } as const;
  expect(isUnreadable(sent(asked))).toBe(false);
  expect(afterReceiptWait(chat.portal, sent(asked), 5)).toEqual([]);
});

test('what is set aside, and a device for which it was encrypted confirms all the same, ends as received; what was never sent does not', () => {
  const parked = (waitingFor: readonly number[]) =>
    noted(rowOf({ state: { at: 'parked', code: 'blocked' }, waitingFor }));
  const sent = parked([0, 1]);
  expect(afterReceipt(sent, 1)).toMatchObject({ state: { at: 'done' }, confirmed: true, erasePayload: true });
  expect(toldOfReceipt(chat.portal, sent, 5)).toMatchObject([
    { change: 'inbox.add-once', row: { body: { notice: { text: 'This message has been received after all.' } } } },
  ]);
  expect(afterReceipt(sent, 2)).toBeUndefined();
  expect(afterReceipt(parked([]), 1)).toBeUndefined();
  expect(toldOfReceipt(chat.portal, noted(rowOf({})), 5)).toEqual([]);
});

test('in whatever order things happen, a message ends only with everybody served, and nobody asks after that', () => {
  const device = fc.integer({ min: 0, max: 2 });
  const event = fc.oneof(
    fc.record({ kind: fc.constantFrom('receipt', 'retry', 'gone'), device }),
    fc.record({ kind: fc.constantFrom('sent'), device }),
  );
  fc.assert(
    fc.property(fc.array(event, { maxLength: 30 }), (events) => {
      let row = rowOf({});
      const served = new Set<number>();
      for (const { kind, device: of } of events) {
        const before = row;
        if (kind === 'sent') {
          // Encrypted for the device that asked first, then sent.
          if (row.state.at === 'ready') row = afterEncryption(row, stanza, row.retryFor.slice(0, 1)).row;
          if (row.state.at === 'encrypted') row = applied(row, afterSending(row));
        } else if (kind === 'receipt') {
          row = applied(row, afterReceipt(noted(row), of));
          if (row !== before) served.add(of);
        } else if (kind === 'gone' && row.payload !== undefined && row.waitingFor.includes(of)) {
          row = applied(row, withoutDevice(noted(row), of));
          served.add(of);
        } else if (kind === 'retry' && mayAsk(noted(row), of)) {
          row = applied(row, afterRetry(noted(row), of));
        }
        if (row.state.at === 'ready') expect(row.retryFor.length).toBeGreaterThan(0);
        for (const asking of row.retryFor) expect(row.waitingFor).toContain(asking);
        expect(row.state.at === 'done').toBe(row.payload === undefined);
      }
      if (row.state.at === 'done') expect([...served].sort()).toEqual([0, 1, 2]);
    }),
  );
});
