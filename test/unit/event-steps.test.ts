// What becomes of an event that was pushed: what it is before anything is decrypted, who comes and goes, and what is committed for a message.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  afterMessage,
  afterTranslation,
  moveOf,
  sentLate,
  standingAside,
  whatIs,
} from '../../src/bridge/event-steps.ts';
import {
  type EventId,
  type MessageId,
  newAccountId,
  newContactId,
  type RoomId,
  type UserId,
} from '../../src/model/ids.ts';
import type { MatrixEvent, OutgoingFile } from '../../src/model/journal.ts';
import type { Acceptance } from '../../src/model/portal.ts';
import { aPortal } from '../support/store.ts';

const user = '@user:example.org' as UserId;
const portal = aPortal(newAccountId(), newContactId());
const eventOf = (over: Partial<MatrixEvent>): MatrixEvent => ({
  event_id: '$event' as EventId,
  room_id: '!room' as RoomId,
  sender: user,
  type: 'm.room.encrypted',
  content: { ciphertext: 'x' },
  origin_server_ts: 5,
  ...over,
});

describe('what an event is', () => {
  test.each([
    ['m.room.encrypted', 'encrypted'],
    ['m.room.message', 'plaintext'],
    ['m.sticker', 'plaintext'],
    ['m.call.invite', 'plaintext'],
    ['org.matrix.msc3381.poll.start', 'plaintext'],
    ['m.reaction', 'reaction'],
    ['m.room.redaction', 'redaction'],
    ['m.room.member', 'membership'],
    ['m.room.topic', 'other'],
  ])('%s: %s', (type, pushed) => {
    expect(whatIs(eventOf({ type }), user)).toBe(pushed);
  });

  test('nothing that anybody but the user says is carried, and nothing that came without its content', () => {
    const type = fc.oneof(
      fc.string(),
      fc.constantFrom('m.room.encrypted', 'm.room.message', 'm.reaction', 'm.room.redaction'),
    );
    fc.assert(
      fc.property(type, fc.boolean(), (type, isUser) => {
        fc.pre(type !== 'm.room.member');
        const sender = isUser ? user : ('@visitor:example.org' as UserId);
        const pushed = whatIs(eventOf({ type, sender, content: {} }), user);
        expect(pushed).toBe(isUser && type === 'm.room.redaction' ? 'redaction' : 'nothing');
        if (!isUser) expect(whatIs(eventOf({ type, sender }), user)).toBe('nothing');
      }),
    );
  });
});

describe('who comes and goes', () => {
  const requested: Acceptance = { at: 'requested', number: 1, since: 0, askedAgain: false, dropped: 0 };
  const accepted: Acceptance = { at: 'accepted' };
  const move = (membership: string, acceptance: Acceptance, who: string = user) =>
    moveOf(eventOf({ type: 'm.room.member', state_key: who, content: { membership } }), user, acceptance);

  test('the user answers a request by joining or leaving, and closes a room by leaving it', () => {
    expect(move('join', requested)).toBe('lets-in');
    expect(move('join', accepted)).toBe('other');
    for (const membership of ['leave', 'ban']) {
      expect(move(membership, requested)).toBe('declines');
      expect(move(membership, accepted)).toBe('closes');
    }
    expect(move('invite', requested)).toBe('other');
  });

  test('nobody else answers or closes anything', () => {
    for (const membership of ['join', 'leave', 'ban', 'invite', 'knock']) {
      for (const acceptance of [requested, accepted]) {
        expect(move(membership, acceptance, '@visitor:example.org')).toBe('other');
      }
    }
  });
});

describe('what is committed', () => {
  const id = 'M' as MessageId;
  const row = { account: portal.account, portal: portal.id, event: '$event', messageId: id, createdAt: 7 };

  test('a message with its payload or its file, and the reference by which replies find it', () => {
    const payload = Uint8Array.of(1);
    const reference = { portal: portal.id, messageId: id, fromUser: true, event: '$event', room: '!room', sentAt: 7 };
    expect(afterMessage(portal, eventOf({}), id, 7, { payload })).toEqual([
      { change: 'outbox.add', row: { ...row, payload } },
      { change: 'reference.put', reference },
    ]);
    const file = { type: 'm.room.message' } as OutgoingFile;
    expect(afterTranslation(portal, '$event' as EventId, id, 7, { file })).toEqual({
      change: 'outbox.add',
      row: { ...row, file },
    });
  });

  test('a message whose key is missing, and one whose key has come, are told of apart', () => {
    const [waits, comes] = [standingAside(portal, eventOf({}), 7), sentLate(portal, eventOf({}), 8)];
    expect(waits).toMatchObject({ row: { body: { notice: { code: 'waiting-for-key', about: '$event' } } } });
    expect(comes).toMatchObject({ row: { body: { notice: { code: 'sent-late', about: '$event' } } } });
  });
});
