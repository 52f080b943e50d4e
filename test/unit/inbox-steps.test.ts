// Where a message that has come goes next: each transition of docs/delivery.md by itself, and whatever order things happen in. The store is real.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  afterAcceptance,
  afterConfirmation,
  afterDecryption,
  afterEncryption,
  afterFailure,
  afterMove,
  afterNoAnswer,
  afterParking,
  afterRefusal,
  afterStandIn,
  isAt,
  isMissing,
  mayHaveLostRoom,
  pauseBeforeAsking,
  turnOf,
  usedKey,
} from '../../src/bridge/inbox-steps.ts';
import { noticeOnce } from '../../src/bridge/notices.ts';
import type { Change } from '../../src/model/change.ts';
import { BridgeError, type Retry } from '../../src/model/errors.ts';
import type { EventId, InboxId, MessageId, RoomId, SendId } from '../../src/model/ids.ts';
import type { InboxRow, InboxState } from '../../src/model/journal.ts';
import type { Portal } from '../../src/model/portal.ts';
import { aChat, aContact, anAccount, aPortal, openTestStore } from '../support/store.ts';

const { contact } = aContact();
const portal = aPortal(anAccount().id, contact.id);
const room = '!room' as RoomId;
const event = '$event' as EventId;
const body = { kind: 'message', payload: Uint8Array.of(1) } as const;
const events = [{ sendId: 'send' as SendId, type: 'm.room.encrypted', content: {} }] as const;
const place = { account: portal.account, portal: portal.id, messageId: 'M' as MessageId, device: 0, timestamp: 5 };

const received = { at: 'received', body } as const;
const encrypted = { at: 'encrypted', events, body } as const;
function rowAt<State extends InboxState>(state: State, over: Partial<InboxRow> = {}) {
  return { id: 1 as InboxId, ...place, isNotice: false, file: undefined, ...over, state };
}
const requested: Portal = {
  ...portal,
  acceptance: { at: 'requested', number: 1, since: 0, askedAgain: false, dropped: 0 },
};

describe('a message that could not be decrypted', () => {
  const chat = { portal, contact };
  const bounds = { now: 7, mostRetries: 2 };
  const fails = (count: number, code = 'signal.invalid-message', noSession = false) =>
    afterFailure(chat, place, { code, noSession, count }, bounds);

  test('is awaited and asked for, with fresh keys where the session cannot be sound', () => {
    const first = fails(1);
    expect(first).toMatchObject({ next: 'ask', ask: { count: 1, withKeys: false } });
    expect(first.changes).toContainEqual({ change: 'inbox.await', row: { ...place, since: 7 } });
    expect(fails(1, 'signal.no-session', true)).toMatchObject({ ask: { withKeys: true } });
    expect(fails(2)).toMatchObject({ ask: { count: 2, withKeys: true } });
    expect(fails(2, usedKey)).toMatchObject({ ask: { count: 2, withKeys: false } });
  });

  test('is asked for at once, and the third time not before its sender may have come to rest', () => {
    expect([1, 2, 3, 4, 5, 50].map(pauseBeforeAsking)).toEqual([0, 0, 500, 2_000, 8_000, 8_000]);
  });

  test('is parked in sight once it has failed too often, or nobody answers', () => {
    const told = { change: 'inbox.add-once', row: { body: { notice: { code: 'undecryptable' } } } };
    expect(fails(3)).toMatchObject({
      next: 'give-up',
      changes: [{ count: 3 }, { change: 'inbox.park-missing', code: 'undecryptable' }, told],
    });
    expect(afterNoAnswer(chat, undefined, place)).toMatchObject([
      { change: 'inbox.park-missing', code: 'unanswered' },
      told,
    ]);
  });

  test('that has come, or was told before, is not told again', () => {
    expect(afterNoAnswer(chat, rowAt(received), place)).toEqual([]);
    const parked = { at: 'parked', code: 'undecryptable', notice: undefined, body: undefined } as const;
    expect(afterNoAnswer(chat, rowAt(parked), place)).toEqual([]);
    expect(afterNoAnswer(chat, rowAt({ at: 'overdue' }), place)).toHaveLength(2);
  });

  test('of somebody who asks to be let in is asked for once, and counted where it never comes', () => {
    const asking = { portal: requested, contact };
    const failure = { code: 'signal.invalid-message', noSession: false, count: 1 };
    expect(afterFailure(asking, place, failure, bounds)).toMatchObject({ ask: { count: 1, withKeys: true } });
    const again: Portal = {
      ...requested,
      acceptance: { ...requested.acceptance, at: 'requested', askedAgain: true } as Portal['acceptance'],
    };
    expect(afterFailure({ portal: again, contact }, place, failure, bounds)).toMatchObject({ ask: undefined });
    expect(afterNoAnswer(asking, undefined, place)).toEqual([{ change: 'request.dropped', portal: portal.id }]);
    const declined = { portal: { ...portal, acceptance: { at: 'declined' } }, contact } as const;
    expect(afterNoAnswer(declined, undefined, place)).toEqual([]);
  });

  test('takes its place when it comes in time, and comes at the end and marked as late after that', () => {
    expect(afterDecryption(portal, undefined, place, body)).toEqual([{ change: 'inbox.add', row: { ...place, body } }]);
    expect(afterDecryption(portal, rowAt({ at: 'awaited', since: 1 }), place, body)).toEqual([
      { change: 'inbox.arrived', id: 1, body },
    ]);
    for (const state of [
      { at: 'overdue' },
      { at: 'parked', code: 'unanswered', notice: undefined, body: undefined },
    ] as const) {
      expect(afterDecryption(portal, rowAt(state), place, body)).toMatchObject([
        { change: 'inbox.forget', id: 1 },
        { change: 'inbox.add-once', row: { body: { notice: { code: 'late' } } } },
        { change: 'inbox.add', row: { messageId: 'M', body } },
      ]);
    }
  });
});

describe('the turn of the oldest row', () => {
  const awaited = rowAt({ at: 'awaited', since: 1 });
  const over = (state: InboxState) => [{ change: 'inbox.state', id: 1, state }];

  test('what has come is shown; what is awaited holds the chat for so long and no longer', () => {
    expect(turnOf(rowAt(received), 'show', 0)).toBe('show');
    expect(turnOf(rowAt(encrypted), 'show', 0)).toBe('show');
    expect(turnOf(awaited, 'show', 300)).toEqual({ changes: [], step: { waitMs: 300 } });
    expect(turnOf(awaited, 'show', 0)).toEqual({ changes: over({ at: 'overdue' }), step: 'again' });
  });

  test('nothing changes about a row for which the policy waits, and what it leaves out is done', () => {
    for (const row of [rowAt(received), rowAt(encrypted), awaited]) {
      expect(turnOf(row, 'wait', 0)).toEqual({ changes: [], step: 'idle' });
      expect(turnOf(row, { waitMs: 9 }, 0)).toEqual({ changes: [], step: { waitMs: 9 } });
      expect(turnOf(row, 'skip', 300)).toEqual({ changes: over({ at: 'done', event: undefined }), step: 'again' });
    }
  });
});

describe('a message in its room', () => {
  test('is stored as it is sent, with its payload until Matrix has it', () => {
    const { change, row } = afterEncryption(rowAt(received), events);
    expect(row.state).toEqual(encrypted);
    expect(change).toEqual({ change: 'inbox.state', id: 1, state: encrypted });
  });

  test('that was stored for a room which the chat has no longer is encrypted anew', () => {
    const { change, row } = afterMove(rowAt(encrypted));
    expect(row.state).toEqual(received);
    expect(change).toEqual({ change: 'inbox.state', id: 1, state: received });
  });

  test('is accepted with each of its events, so that replies find it; a notice is done', () => {
    const parts = ['$2', '$3'] as EventId[];
    const [state, reference, ...others] = afterAcceptance(portal, room, rowAt(encrypted), [event, ...parts]);
    expect(state).toMatchObject({ state: { at: 'accepted', event } });
    expect(reference).toMatchObject({ reference: { messageId: 'M', fromUser: false, event, room, sentAt: 5 } });
    expect(others).toMatchObject([{ part: { event: '$2' } }, { part: { event: '$3' } }]);
    expect(afterAcceptance(portal, room, rowAt(encrypted, { isNotice: true }), [event])).toEqual([
      { change: 'inbox.state', id: 1, state: { at: 'done', event } },
    ]);
  });

  test('is confirmed where something stands for it, and only there', () => {
    expect(afterStandIn(rowAt(received), event)).toMatchObject({ state: { at: 'accepted', event } });
    expect(afterStandIn(rowAt(received), undefined)).toMatchObject({ state: { at: 'done' } });
    expect(afterConfirmation(rowAt({ at: 'accepted', event }))).toMatchObject({ state: { at: 'done', event } });
    expect(afterParking(rowAt(encrypted), 'not-shown', event).state).toEqual({
      at: 'parked',
      code: 'not-shown',
      notice: event,
      body,
    });
  });
});

const refusal = fc
  .record({
    code: fc.constantFrom('matrix.forbidden', 'matrix.not-found', 'matrix.too-large', 'matrix.refused'),
    retry: fc.constantFrom<Retry>('never', 'later', 'after-action'),
  })
  .map(({ code, retry }) => new BridgeError(code, 'refused', { retry }));

test('whatever the homeserver refuses is tried again, gets a new room, or ends in sight', () => {
  const row = fc.record({ state: fc.constantFrom(received, encrypted), isNotice: fc.boolean() });
  fc.assert(
    fc.property(row, refusal, fc.boolean(), ({ state, isNotice }, error, isOut) => {
      const hasLostRoom = isOut && mayHaveLostRoom(error);
      const after = afterRefusal({ portal, contact }, rowAt(state, { isNotice }), error, hasLostRoom);
      expect(after.next === 'keep').toBe(error.retry !== 'never');
      // Whatever the words: while the ghost is in its room, another one would be refused the same message.
      expect(after.next === 'new-room').toBe(hasLostRoom);
      if (after.next === 'new-room') {
        expect(after.changes).toMatchObject([{ state: { at: 'wanted' } }, { state: { at: 'received', body } }]);
      }
      if (after.next === 'park') expect(after.notice.text).toContain(error.code);
      // Only what the bridge itself says goes without a word.
      if (after.next === 'drop') expect(isNotice).toBe(true);
    }),
  );
});

/** What may happen to one message, in any order and as often as it likes. */
const happenings = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom('comes', 'fails', 'a minute passes', 'nobody answers', 'is confirmed') },
    { weight: 3, arbitrary: fc.constantFrom('is stored', 'is sent', 'is silent', 'the room is another') },
    refusal,
  ),
  { maxLength: 25 },
);

test('in whatever order things happen, a message is shown once or ends in sight, and stays where it ended', async () => {
  const store = await openTestStore();
  await fc.assert(
    fc.asyncProperty(happenings, async (happened) => {
      const made = await aChat(store);
      const here = { ...place, account: made.portal.account, portal: made.portal.id };
      const find = () => store.inbox.find(here.portal, here.messageId);
      const told = async (code: string) =>
        (await store.inbox.find(here.portal, `notice:${code}` as MessageId)) !== undefined;
      const commit = (...changes: readonly Change[]) => store.commit(changes);
      let failures = 0;
      let shownAs = 0;
      for (const what of happened) {
        const row = await find();
        const missing = row && isMissing(row) ? row : undefined;
        const left = row !== undefined && missing === undefined;
        if (what === 'comes' && !left) await commit(...afterDecryption(made.portal, missing, here, body));
        else if (what === 'fails' && !left) {
          failures += 1;
          const failure = { code: 'signal.invalid-message', noSession: false, count: failures };
          await commit(...afterFailure(made, here, failure, { now: 1, mostRetries: 3 }).changes);
        } else if (what === 'nobody answers' && row) await commit(...afterNoAnswer(made, row, here));
        else if (row === undefined) continue;
        else if (what === 'a minute passes' && isAt(row, 'awaited')) {
          const turn = turnOf(row, 'show', 0);
          if (turn !== 'show') await commit(...turn.changes);
        } else if (what === 'is stored' && isAt(row, 'received')) await commit(afterEncryption(row, events).change);
        else if (what === 'is silent' && isAt(row, 'received')) await commit(afterStandIn(row, undefined));
        else if (what === 'the room is another' && isAt(row, 'encrypted')) await commit(afterMove(row).change);
        else if (what === 'is sent' && isAt(row, 'encrypted')) {
          shownAs += 1;
          await commit(...afterAcceptance(made.portal, room, row, [event]));
        } else if (what === 'is confirmed' && isAt(row, 'accepted')) await commit(afterConfirmation(row));
        else if (what instanceof BridgeError && isAt(row, 'received', 'encrypted')) {
          const after = afterRefusal(made, row, what, mayHaveLostRoom(what));
          if (after.next === 'new-room') await commit(...after.changes);
          if (after.next !== 'park') continue;
          const { notice } = after;
          await commit(noticeOnce(made.portal, notice.code, 5, notice), afterParking(row, notice.code, event));
        }
        const now = await find();
        // What was there has not vanished, and what Matrix has answered for is not taken up again.
        if (row !== undefined) expect(now).toBeDefined();
        if (row && isAt(row, 'accepted', 'done')) expect(['accepted', 'done']).toContain(now?.state.at);
        if (row && isAt(row, 'done')) expect(now).toEqual(row);
        if (row && isAt(row, 'parked') && !missing) expect(now).toEqual(row);
        if (now && isAt(now, 'parked')) {
          expect(await told(now.state.code === 'not-shown' ? 'not-shown' : `undecryptable:${here.messageId}`)).toBe(
            true,
          );
        }
        expect(shownAs).toBeLessThanOrEqual(1);
      }
    }),
  );
});
