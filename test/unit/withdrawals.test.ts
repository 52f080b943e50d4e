// What the user deletes before anything has been done about it never leaves; anything else is sent, and deleted at the other side. The store is real.
import { beforeEach, expect, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { redactionChanges } from '../../src/bridge/portal-references.ts';
import type { EventId, RoomId } from '../../src/model/ids.ts';
import { lidJid } from '../../src/model/jid.ts';
import type { MatrixEvent, NewOutboxRow } from '../../src/model/journal.ts';
import type { Portal } from '../../src/model/portal.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { deedOf, edit, reaction } from '../../src/translate/references.ts';
import { parseMessage } from '../../src/translate/to-matrix.ts';
import { type ToWhatsApp, toWhatsApp } from '../../src/translate/to-whatsapp.ts';
import { aChat, openTestStore, outgoing, present } from '../support/store.ts';

let store: OpenStore;
let chat: Awaited<ReturnType<typeof aChat>>;
let portal: Portal;
let written: NewOutboxRow;

const payloadOf = (message: ToWhatsApp): Uint8Array => {
  if (message.kind !== 'message') throw new Error(message.kind);
  return message.payload;
};
const text = (body: string): Uint8Array => payloadOf(toWhatsApp('m.room.message', { msgtype: 'm.text', body }));

beforeEach(async () => {
  store = await openTestStore();
  chat = await aChat(store);
  portal = chat.portal;
  written = outgoing(portal, text('on second thoughts'));
  const { event, messageId } = written;
  const reference = { portal: portal.id, messageId, fromUser: true, event, room: '!room' as RoomId, sentAt: 5 };
  await store.commit([
    { change: 'outbox.add', row: written },
    { change: 'reference.put', reference },
  ]);
});

const clock = { now: () => 10, elapsed: () => 10, sleep: async () => {} };

async function deleted() {
  const redaction: MatrixEvent = {
    event_id: '$redaction' as EventId,
    room_id: '!room' as RoomId,
    sender: chat.account.user,
    type: 'm.room.redaction',
    content: { redacts: written.event },
    origin_server_ts: 10,
  };
  const context: Partial<BridgeContext> = { store, clock };
  const { account, ghost } = chat;
  if (account.state.at !== 'active') throw new Error(account.state.at);
  const active = { ...account, state: account.state };
  return redactionChanges(context as BridgeContext, { account: active, portal, ghost }, redaction);
}

async function isRevoked(): Promise<boolean> {
  const { changes } = await deleted();
  const [change] = changes;
  if (change?.change !== 'outbox.add' || !('payload' in change.row)) return false;
  const deed = deedOf(parseMessage(change.row.payload));
  return deed?.kind === 'deletion' && deed.target.messageId === written.messageId;
}

const rowId = async () => present(await store.outbox.byEvent(written.event)).id;

test('nothing is left of it, and what is written after it is sent', async () => {
  const next = outgoing(portal, text('something else'));
  await store.commit([{ change: 'outbox.add', row: next }]);
  await store.commit((await deleted()).changes);
  expect(await store.outbox.byEvent(written.event)).toBeUndefined();
  expect(await store.references.byEvent(portal.id, written.event)).toBeUndefined();
  expect(await store.outbox.next(portal.id)).toMatchObject({ event: next.event });
});

test('an encryption that was under way for it comes to nothing', async () => {
  const id = await rowId();
  await store.commit((await deleted()).changes);
  const stanza = Uint8Array.of(1);
  const encrypted = { change: 'outbox.state', id, state: { at: 'encrypted', stanza }, waitingFor: [0] } as const;
  await expect(store.commit([encrypted])).rejects.toMatchObject({ code: 'store.gone' });
});

test('one that has been encrypted in the meantime is looked at again, and deleted at the other side', async () => {
  const { changes } = await deleted();
  const stanza = Uint8Array.of(1);
  const id = await rowId();
  await store.commit([{ change: 'outbox.state', id, state: { at: 'encrypted', stanza }, waitingFor: [0] }]);
  await expect(store.commit(changes)).rejects.toMatchObject({ code: 'store.changed', retry: 'later' });
  expect(await store.references.byEvent(portal.id, written.event)).toBeDefined();
  expect(await isRevoked()).toBe(true);
});

const meant = () => ({ target: { messageId: written.messageId, fromUser: true }, chat: lidJid('1'), now: 5 });
const quoted = () => ({ known: true, id: written.messageId, author: '1@lid', text: 'x' }) as const;
const answer = { msgtype: 'm.text', body: 'answer' };

test.each<[string, () => ToWhatsApp]>([
  ['an answer to it', () => toWhatsApp('m.room.message', answer, undefined, quoted())],
  ['a reaction to it', () => reaction('👍', meant())],
  ['its edit', () => edit({ 'm.new_content': answer }, meant())],
])('where %s waits behind it, it is deleted at the other side', async (_, behind) => {
  await store.commit([{ change: 'outbox.add', row: outgoing(portal, payloadOf(behind())) }]);
  expect(await isRevoked()).toBe(true);
});

test('with too much behind it to look at, it is deleted at the other side', async () => {
  const behind = (count: number) => Array.from({ length: count }, () => outgoing(portal, text('more')));
  await store.commit(behind(50).map((row) => ({ change: 'outbox.add', row })));
  expect(await isRevoked()).toBe(false);
  await store.commit(behind(1).map((row) => ({ change: 'outbox.add', row })));
  expect(await isRevoked()).toBe(true);
});

const retry = () => ({ state: { at: 'ready' }, retryFor: [0], retries: 1 }) as const;

test('one that was sent is deleted at the other side, and no device that asks for it gets it any more', async () => {
  const id = await rowId();
  await store.commit([{ change: 'outbox.state', id, state: { at: 'acknowledged' }, waitingFor: [0] }]);
  expect(await isRevoked()).toBe(true);
  await store.commit((await deleted()).changes);
  expect(await store.outbox.byEvent(written.event)).toMatchObject({ at: 'done', kept: false });
  // Its request was looked at before.
  const asked = store.commit([{ change: 'outbox.state', id, ...retry() }]);
  await expect(asked).rejects.toMatchObject({ code: 'store.changed', retry: 'later' });
});

test('an encryption that a device had asked for and that was under way comes to nothing', async () => {
  const id = await rowId();
  await store.commit([{ change: 'outbox.state', id, ...retry(), waitingFor: [0] }]);
  await store.commit((await deleted()).changes);
  const state = { at: 'encrypted', stanza: Uint8Array.of(1) } as const;
  const encrypted = store.commit([{ change: 'outbox.state', id, state, retryFor: [] }]);
  await expect(encrypted).rejects.toMatchObject({ code: 'store.changed' });
});

test.each([
  ['never went out, nobody hears of it', [], false],
  ['may have gone out, it is deleted at the other side', [0], true],
])('where one that is set aside %s, and nobody can send it any more', async (_, waitingFor, revoked) => {
  const id = await rowId();
  await store.commit([{ change: 'outbox.state', id, state: { at: 'parked', code: 'test' }, waitingFor }]);
  expect(await isRevoked()).toBe(revoked);
  await store.commit((await deleted()).changes);
  const again = store.commit([{ change: 'queue.retry', item: { journal: 'outbox', id } }]);
  await expect(again).rejects.toMatchObject({ code: 'store.gone' });
  expect(await store.inbox.next(portal.id)).toBeUndefined();
});

test('one that was sent, and a device asks for it again, is deleted at the other side', async () => {
  const id = await rowId();
  await store.commit([
    { change: 'outbox.state', id, state: { at: 'ready' }, waitingFor: [0], retryFor: [0], retries: 1 },
  ]);
  expect(await isRevoked()).toBe(true);
});
