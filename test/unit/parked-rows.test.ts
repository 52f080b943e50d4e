// What could not be delivered is told where people look: under the message, or under the one that it was about. The store is real.
import { beforeEach, expect, test } from 'vitest';
import type { ActiveAccount, BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { afterRetry } from '../../src/bridge/outbox-steps.ts';
import { parkRow } from '../../src/bridge/parked-rows.ts';
import { editChanges } from '../../src/bridge/portal-references.ts';
import { expireUnconfirmed, giveUpUnreadable, settle } from '../../src/bridge/receipts.ts';
import type { Change } from '../../src/model/change.ts';
import { systemClock } from '../../src/model/clock.ts';
import type { Contact } from '../../src/model/contact.ts';
import type { EventId, MessageId, RoomId } from '../../src/model/ids.ts';
import { lidJid } from '../../src/model/jid.ts';
import type { MatrixEvent, Notice } from '../../src/model/journal.ts';
import type { Portal } from '../../src/model/portal.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { deletion, edit, reaction } from '../../src/translate/references.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { hasListened } from '../support/has-listened.ts';
import { aChat, openTestStore, outgoing, present } from '../support/store.ts';

const message = { messageId: 'M1' as MessageId, fromUser: true };
const meant = { target: message, chat: lidJid('1'), now: 5 };
const hello = { msgtype: 'm.text', body: 'hello' };
const about = '$about' as EventId;

let store: OpenStore;
let account: ActiveAccount;
let contact: Contact;
let portal: Portal;

beforeEach(async () => {
  store = await openTestStore();
  const chat = await aChat(store);
  if (chat.account.state.at !== 'active') throw new Error(chat.account.state.at);
  account = { ...chat.account, state: chat.account.state };
  ({ contact, portal } = chat);
  const reference = { ...message, portal: portal.id, event: about, room: '!room' as RoomId, sentAt: 5 };
  await store.commit([{ change: 'reference.put', reference }]);
});

function contextAt(now: number): BridgeContext {
  const parts: Partial<BridgeContext> = {
    store,
    listening: hasListened(portal.account),
    clock: { now: () => now, elapsed: () => now, sleep: async () => {} },
    logger: createLogger({ level: 'silent' }),
    settings: { receiptWaitMs: 60_000 } as BridgeSettings,
    signal: createSignal({ reads: store.signal, clock: systemClock }),
    counters: { delivered: () => {}, retry: () => {}, file: () => {} },
  };
  return parts as BridgeContext;
}

async function told(): Promise<Notice> {
  const { state } = present(await store.inbox.next(portal.id));
  if (state.at !== 'received' || state.body.kind !== 'notice') throw new Error(state.at);
  return state.body.notice;
}

async function parked(payload: Uint8Array): Promise<{ readonly notice: Notice; readonly event: EventId }> {
  await store.commit([{ change: 'outbox.add', row: outgoing(portal, payload) }]);
  const row = present(await store.outbox.next(portal.id));
  await parkRow(contextAt(5), portal, row, { code: 'test', text: 'Try again later.' });
  return { notice: await told(), event: row.event };
}

test.each([
  ['a reaction', reaction('👍', meant), 'Your reaction was not delivered. Try again later.'],
  ['an edit', edit({ 'm.new_content': hello }, meant), 'Your edit was not delivered. Try again later.'],
  ['a deletion', deletion(meant), 'What you deleted is still there on the other side. Try again later.'],
])('%s: under the message that it was about', async (_, written, text) => {
  if (written.kind !== 'message') throw new Error(written.kind);
  expect((await parked(written.payload)).notice).toMatchObject({ text, about });
});

test('a message: under itself', async () => {
  const written = toWhatsApp('m.room.message', hello);
  const payload = written.kind === 'message' ? written.payload : new Uint8Array();
  const { notice, event } = await parked(payload);
  expect(notice).toMatchObject({ text: 'Not delivered. Try again later.', about: event });
});

test('what cannot be read any more: under itself', async () => {
  const { notice, event } = await parked(Uint8Array.of(0xff));
  expect(notice).toMatchObject({ text: 'Not delivered. Try again later.', about: event });
});

test('one that was read on another device meanwhile: it only ends', async () => {
  await store.commit([{ change: 'outbox.add', row: outgoing(portal, Uint8Array.of(1)) }]);
  const row = present(await store.outbox.next(portal.id));
  const asked = { state: { at: 'ready' }, waitingFor: [1], retryFor: [1], confirmed: true } as const;
  await store.commit([{ change: 'outbox.state', id: row.id, ...asked }]);
  await parkRow(contextAt(5), portal, row, { code: 'blocked', text: 'You have blocked them.' });
  expect(await store.inbox.next(portal.id)).toBeUndefined();
  expect(await store.outbox.byEvent(row.event)).toMatchObject({ at: 'done', kept: false });
});

test('one that a device had asked for again which is unlinked meanwhile: it waits for the others', async () => {
  await store.commit([{ change: 'outbox.add', row: outgoing(portal, Uint8Array.of(1)) }]);
  const { id } = present(await store.outbox.next(portal.id));
  const asked = { state: { at: 'ready' }, waitingFor: [0, 1], retryFor: [1], retries: 1 } as const;
  await store.commit([{ change: 'outbox.state', id, ...asked }]);
  const row = present(await store.outbox.next(portal.id));
  await store.commit([{ change: 'outbox.device-gone', portal: portal.id, device: 1 }]);
  await parkRow(contextAt(5), portal, row, { code: 'signal.no-device', text: 'No device can be reached.' });
  expect(await store.outbox.progress(id)).toMatchObject({ at: 'acknowledged', waitingFor: [0] });
  expect(await store.inbox.next(portal.id)).toBeUndefined();
});

test.each([
  ['nobody can decrypt', giveUpUnreadable],
  ['nobody has confirmed for long', expireUnconfirmed],
])('what %s, and a device asks for once more while it is given up: it is sent again', async (_, giveUp) => {
  await store.commit([{ change: 'outbox.add', row: outgoing(portal, Uint8Array.of(1)) }]);
  const { id, event } = present(await store.outbox.next(portal.id));
  const sent = { change: 'outbox.state', id, state: { at: 'acknowledged' } } as const;
  await store.commit([{ ...sent, waitingFor: [0], retries: 5 }]);
  // It has been found by then.
  const get: OpenStore['portals']['get'] = async (chat) => {
    await store.commit([afterRetry(present(await store.outbox.byEvent(event)), 0)]);
    return store.portals.get(chat);
  };
  await giveUp({ ...contextAt(11 * 60_000), store: { ...store, portals: { ...store.portals, get } } });
  expect(await store.outbox.next(portal.id)).toMatchObject({ state: { at: 'ready' }, retryFor: [0], retries: 6 });
  expect(await store.inbox.next(portal.id)).toBeUndefined();
});

test('what nobody confirms although it was sent again as often as clients ask: told after a while, and parked', async () => {
  const minute = 60_000;
  await store.commit([{ change: 'outbox.add', row: outgoing(portal, Uint8Array.of(1)) }]);
  const { id, event } = present(await store.outbox.next(portal.id));
  const sent = { change: 'outbox.state', id, state: { at: 'acknowledged' } } as const;
  await store.commit([{ ...sent, waitingFor: [0, 1], retries: 9 }]);
  // Another device may still ask.
  expect(await giveUpUnreadable(contextAt(11 * minute))).toEqual([]);
  await store.commit([{ ...sent, retries: 10 }]);
  expect(await giveUpUnreadable(contextAt(9 * minute))).toEqual([]);
  expect(await giveUpUnreadable(contextAt(11 * minute))).toEqual([portal.id]);
  expect(await told()).toMatchObject({ code: 'not-decrypted', about: event });
  expect(await store.queue.list({ which: 'parked', limit: 10 })).toMatchObject([{ code: 'retries-exhausted', event }]);
  expect(await giveUpUnreadable(contextAt(12 * minute))).toEqual([]);
});

/** What follows where the user changes the words of their message. */
async function afterEdit(): Promise<readonly Change[]> {
  const ghost = present(await store.contacts.ghost(contact.id));
  const event = { event_id: '$edit' as EventId } as MatrixEvent;
  return editChanges(contextAt(5), { account, portal, ghost }, event, { 'm.new_content': hello }, about);
}

test('what nobody could decrypt, and is confirmed all the same: received, said once, and it can be changed again', async () => {
  const { messageId } = message;
  const row = { ...outgoing(portal, Uint8Array.of(1)), event: about, messageId };
  await store.commit([{ change: 'outbox.add', row }]);
  const { id } = present(await store.outbox.next(portal.id));
  const sent = { change: 'outbox.state', id, state: { at: 'acknowledged' } } as const;
  await store.commit([{ ...sent, waitingFor: [0], retries: 5 }]);
  expect(await giveUpUnreadable(contextAt(11 * 60_000))).toEqual([portal.id]);
  expect(await afterEdit()).toMatchObject([{ change: 'inbox.add-once' }]);
  const { id: notice } = present(await store.inbox.next(portal.id));
  await store.commit([{ change: 'inbox.state', id: notice, state: { at: 'done', event: undefined } }]);
  const from = present(contact.addresses[0]);
  const receipt = { ids: [messageId], from, device: 0, timestamp: 5 } as const;
  await settle(contextAt(12 * 60_000), account, { ...receipt, type: 'delivered' });
  expect(await store.outbox.byEvent(about)).toMatchObject({ at: 'done', confirmed: true, kept: false });
  expect(await told()).toMatchObject({ text: 'This message has been received after all.', about });
  expect(await afterEdit()).toMatchObject([{ change: 'outbox.add' }]);
  await settle(contextAt(13 * 60_000), account, { ...receipt, type: 'read' });
  expect(await store.inbox.waiting(portal.id)).toBe(1);
  expect(await store.queue.list({ which: 'parked', limit: 10 })).toEqual([]);
});

test('messages for which another device may still ask do not keep a later one from being given up', async () => {
  const rows = Array.from({ length: 101 }, () => outgoing(portal, Uint8Array.of(1)));
  await store.commit(rows.map((row) => ({ change: 'outbox.add', row })));
  for (const [index, { event }] of rows.entries()) {
    const { id } = present(await store.outbox.byEvent(event));
    const waitingFor = index === 100 ? [0] : [0, 1];
    await store.commit([{ change: 'outbox.state', id, state: { at: 'acknowledged' }, waitingFor, retries: 5 }]);
  }
  expect(await giveUpUnreadable(contextAt(11 * 60_000))).toEqual([portal.id]);
  expect(await told()).toMatchObject({ code: 'not-decrypted', about: rows[100]?.event });
});
