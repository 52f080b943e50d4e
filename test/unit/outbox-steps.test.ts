// Where a sent message goes next: what receipts, requests and removals of several devices make of it.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  afterReceipt,
  afterRetry,
  afterSending,
  afterStaleList,
  mayAsk,
  withoutDevice,
} from '../../src/bridge/outbox-steps.ts';
import type { AccountId, EventId, MessageId, OutboxId, PortalId } from '../../src/model/ids.ts';
import type { OutboxRow } from '../../src/model/journal.ts';

const stanza = Uint8Array.of(1);
const rowOf = (over: Partial<OutboxRow>): OutboxRow => ({
  id: 1 as OutboxId,
  account: 'a' as AccountId,
  portal: 'p' as PortalId,
  event: '$e' as EventId,
  messageId: 'M' as MessageId,
  createdAt: 0,
  payload: Uint8Array.of(2),
  state: { at: 'encrypted', stanza },
  waitingFor: [0, 1, 2],
  retryFor: [],
  confirmed: false,
  retries: 0,
  hosted: undefined,
  ...over,
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
    for (const device of [2, 0]) row = applied(row, afterReceipt(row, device));
    expect(row).toMatchObject({ state: { at: 'acknowledged' }, waitingFor: [1], confirmed: true });
    expect(row.payload).toBeDefined();
    row = applied(row, afterReceipt(row, 1));
    expect(row).toMatchObject({ state: { at: 'done' }, payload: undefined });
  });

  test('a receipt that overtakes the acknowledgement is not lost', () => {
    let row = rowOf({ waitingFor: [0] });
    row = applied(row, afterReceipt(row, 0));
    expect(row.state).toEqual({ at: 'encrypted', stanza });
    expect(applied(row, afterSending(row))).toMatchObject({ state: { at: 'done' }, payload: undefined });
  });

  test('receipts for what was never sent, and from whom it was not sent to, change nothing', () => {
    expect(afterReceipt(rowOf({ state: { at: 'ready' } }), 0)).toBeUndefined();
    expect(afterReceipt(rowOf({}), 9)).toBeUndefined();
    expect(afterReceipt(rowOf({ state: { at: 'done' } }), 0)).toBeUndefined();
  });

  test('each device that asks gets its own, one after another, and the others still may', () => {
    let row = rowOf({ state: { at: 'acknowledged' } });
    row = applied(row, afterRetry(row, 1));
    row = applied(row, afterRetry(row, 2));
    expect(row).toMatchObject({ state: { at: 'ready' }, retryFor: [1, 2], retries: 2, waitingFor: [0, 1, 2] });
    const underWay: OutboxRow = { ...row, state: { at: 'encrypted', stanza }, retryFor: [2] };
    expect(mayAsk(underWay, 1)).toBe(true);
    row = applied(underWay, afterSending(underWay));
    expect(row).toMatchObject({ state: { at: 'ready' }, retryFor: [2] });
    row = applied(row, afterReceipt(row, 2));
    expect(row).toMatchObject({ state: { at: 'acknowledged' }, retryFor: [], waitingFor: [0, 1] });
  });

  test('a request while something is on its way neither loses nor repeats that', () => {
    const row = applied(rowOf({}), afterRetry(rowOf({}), 0));
    expect(row).toMatchObject({ state: { at: 'encrypted', stanza }, retryFor: [0], retries: 1 });
    expect(applied(row, afterSending(row))).toMatchObject({ state: { at: 'ready' }, retryFor: [0] });
  });

  test('whoever has confirmed, was not addressed, or comes too late may not ask', () => {
    const row = applied(rowOf({}), afterReceipt(rowOf({}), 1));
    expect(mayAsk(row, 1)).toBe(false);
    expect(mayAsk(row, 9)).toBe(false);
    expect(mayAsk(rowOf({ payload: undefined }), 0)).toBe(false);
    expect(mayAsk(rowOf({ state: { at: 'ready' } }), 0)).toBe(false);
  });

  test('a refusal for a stale list leads to a new message for all, or to those that still wait', () => {
    expect(applied(rowOf({}), afterStaleList(rowOf({})))).toMatchObject({ state: { at: 'ready' }, retryFor: [] });
    const retried = rowOf({ retries: 1, waitingFor: [1] });
    expect(applied(retried, afterStaleList(retried))).toMatchObject({ state: { at: 'ready' }, retryFor: [1] });
  });
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
          if (row.state.at === 'ready')
            row = { ...row, state: { at: 'encrypted', stanza }, retryFor: row.retryFor.slice(1) };
          if (row.state.at === 'encrypted') row = applied(row, afterSending(row));
        } else if (kind === 'receipt') {
          row = applied(row, afterReceipt(row, of));
          if (row !== before) served.add(of);
        } else if (kind === 'gone' && row.payload !== undefined && row.waitingFor.includes(of)) {
          row = applied(row, withoutDevice(row, of));
          served.add(of);
        } else if (kind === 'retry' && mayAsk(row, of)) {
          row = applied(row, afterRetry(row, of));
        }
        if (row.state.at === 'ready') expect(row.retryFor.length).toBeGreaterThan(0);
        for (const asking of row.retryFor) expect(row.waitingFor).toContain(asking);
        expect(row.state.at === 'done').toBe(row.payload === undefined);
      }
      if (row.state.at === 'done') expect([...served].sort()).toEqual([0, 1, 2]);
    }),
  );
});
