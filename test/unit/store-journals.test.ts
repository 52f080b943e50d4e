// The durable journals: order, states, what is erased when, what is remembered against doubles and for how long.

import { join } from 'node:path';
import Database from 'better-sqlite3';
import { expect, it, vi } from 'vitest';
import type { EventId, MessageId, RoomId, SendId, UserId } from '../../src/model/ids.ts';
import type { InboxRow, MatrixEvent, OutboxProgress } from '../../src/model/journal.ts';
import { SqliteConnection } from '../../src/store/sqlite/connection.ts';
import {
  aChat,
  aContact,
  anAccount,
  aPlace,
  departure,
  dialect,
  message,
  openTestStore,
  outgoing,
  present,
  storedBytes,
  temporaryDirectory,
  unique,
} from '../support/store.ts';

const payload = new Uint8Array([1, 2, 3]);
const sealed = { sendId: 'send-1' as SendId, type: 'm.room.encrypted', content: { ciphertext: 'AbC' } };
const notice = { kind: 'notice', notice: { code: 'label', text: 'hello' } } as const;

const matrixEvent = (room: RoomId, id = `$pushed${unique()}`): MatrixEvent => ({
  event_id: id as EventId,
  room_id: room,
  sender: '@user:example.org' as UserId,
  type: 'm.room.encrypted',
  content: { ciphertext: 'AbC' },
  origin_server_ts: 5,
});

it('hands out inbox rows in order and keeps of each what its state needs', async () => {
  const store = await openTestStore();
  const { account, portal } = await aChat(store);
  const first = message(portal, payload);
  const second = { ...message(portal, payload), body: notice };
  await store.commit([
    { change: 'inbox.add', row: first },
    { change: 'inbox.add-once', row: second },
    { change: 'inbox.add-once', row: second },
  ]);
  const next = async (): Promise<InboxRow> => present(await store.inbox.next(portal.id));
  const { id } = await next();
  const body = { kind: 'message', payload: Buffer.from(payload) } as const;
  expect(await next()).toMatchObject({ messageId: first.messageId, isNotice: false, state: { at: 'received', body } });

  expect(await store.inbox.isSending(portal.id)).toBe(false);
  await store.commit([{ change: 'inbox.state', id, state: { at: 'encrypted', events: [sealed], body } }]);
  expect(await store.inbox.isSending(portal.id)).toBe(true);
  expect((await next()).state).toEqual({ at: 'encrypted', events: [sealed], body });

  await store.commit([{ change: 'inbox.state', id, state: { at: 'accepted', event: '$e' as EventId } }]);
  expect((await store.inbox.receiptsDue(account.id, 10)).map((row) => row.state)).toEqual([
    { at: 'accepted', event: '$e' },
  ]);
  expect(await next()).toMatchObject({ isNotice: true, state: { body: notice } });
  expect(await store.inbox.portalsWithWork()).toEqual([portal.id]);

  const shown = (await next()).id;
  await store.commit([{ change: 'inbox.state', id: shown, state: { at: 'accepted', event: '$n' as EventId } }]);
  expect(await store.inbox.receiptsDue(account.id, 10)).toHaveLength(1);
  await store.commit([
    { change: 'inbox.state', id, state: { at: 'done', event: '$e' as EventId } },
    { change: 'inbox.state', id: shown, state: { at: 'done', event: '$n' as EventId } },
  ]);
  expect(await store.inbox.next(portal.id)).toBeUndefined();
  expect(await store.inbox.find(portal.id, first.messageId, 0)).toMatchObject({ state: { at: 'done', event: '$e' } });
  expect(await store.inbox.isNotice(portal.id, '$n' as EventId)).toBe(true);
  expect(await store.inbox.isNotice(portal.id, '$e' as EventId)).toBe(false);
});

it('counts decryption failures per message and device', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const failed = { change: 'inbox.decrypt-failed', portal: portal.id, messageId: 'M' as MessageId, device: 2 } as const;
  await store.commit([{ ...failed, count: 1 }]);
  await store.commit([{ ...failed, count: 2 }]);
  expect(await store.inbox.decryptFailures(portal.id, failed.messageId, 2)).toBe(2);
  expect(await store.inbox.decryptFailures(portal.id, failed.messageId, 0)).toBe(0);
});

it('keeps an outbox payload for retries, and the stanza only until it is acknowledged', async () => {
  const store = await openTestStore();
  const { account, portal } = await aChat(store);
  const row = outgoing(portal, payload);
  await store.commit([{ change: 'outbox.add', row }]);
  await expect(
    store.commit([{ change: 'outbox.add', row: { ...outgoing(portal, payload), event: row.event } }]),
  ).rejects.toMatchObject({ code: 'store.conflict' });
  const read = async () => present(await store.outbox.byMessageId(account.id, portal.id, row.messageId));
  const { id } = await read();
  expect(await store.outbox.next(portal.id)).toMatchObject({ id, state: { at: 'ready' }, waitingFor: [], retries: 0 });

  const stanza = Buffer.from([9]);
  await store.commit([{ change: 'outbox.state', id, state: { at: 'encrypted', stanza }, waitingFor: [0, 3] }]);
  expect(await store.outbox.next(portal.id)).toMatchObject({ state: { at: 'encrypted', stanza }, waitingFor: [0, 3] });

  const acknowledge = { change: 'outbox.state', id, state: { at: 'acknowledged' } } as const;
  await store.commit([acknowledge]);
  expect(await store.outbox.next(portal.id)).toBeUndefined();
  expect(await store.outbox.expired(6, 10)).toMatchObject([{ id, at: 'acknowledged', waitingFor: [0, 3] }]);
  expect(await store.outbox.expired(5, 10)).toEqual([]);

  await store.commit([{ ...acknowledge, waitingFor: [], retries: 2, erasePayload: true }]);
  expect(await store.outbox.expired(6, 10)).toEqual([]);
  expect(await store.outbox.byMessageId(account.id, portal.id, row.messageId)).toMatchObject({
    kept: false,
    retries: 2,
  });
  await store.commit([{ change: 'outbox.state', id, state: { at: 'parked', code: 'network.463' } }]);
  expect(await read()).toMatchObject({ at: 'parked' });
  expect(await store.queue.find({ journal: 'outbox', id })).toMatchObject({ code: 'network.463' });
});

it('a device that is gone holds no message back, and asks for none; what nobody else has is sent anew', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const add = async (
    state: OutboxProgress,
    waitingFor: readonly number[],
    retryFor: readonly number[] = [],
    confirmed?: true,
  ) => {
    const row = outgoing(portal, payload);
    await store.commit([{ change: 'outbox.add', row }]);
    const { id } = present(await store.outbox.byEvent(row.event));
    await store.commit([{ change: 'outbox.state', id, state, waitingFor, retryFor, ...(confirmed && { confirmed }) }]);
    return async () => {
      const now = present(await store.outbox.byMessageId(portal.account, portal.id, row.messageId));
      return [now.at, now.waitingFor, now.retryFor, now.kept];
    };
  };
  const stanza = Buffer.from([9]);
  const alone = await add({ at: 'acknowledged' }, [3]);
  const read = await add({ at: 'acknowledged' }, [3], [], true);
  const readAndAsked = await add({ at: 'ready' }, [3], [3], true);
  const among = await add({ at: 'acknowledged' }, [0, 3]);
  const underWay = await add({ at: 'encrypted', stanza }, [3]);
  const asked = await add({ at: 'ready' }, [0, 3], [3]);
  const askedToo = await add({ at: 'ready' }, [0, 3], [3, 0]);
  const notYet = await add({ at: 'ready' }, []);
  await store.commit([{ change: 'outbox.device-gone', portal: portal.id, device: 3 }]);
  expect(await alone()).toEqual(['ready', [], [], true]);
  expect(await read()).toEqual(['done', [], [], false]);
  expect(await readAndAsked()).toEqual(['done', [], [], false]);
  expect(await among()).toEqual(['acknowledged', [0], [], true]);
  expect(await underWay()).toEqual(['encrypted', [], [], true]);
  expect(await asked()).toEqual(['acknowledged', [0], [], true]);
  expect(await askedToo()).toEqual(['ready', [0], [0], true]);
  expect(await notYet()).toEqual(['ready', [], [], true]);
});

it('keeps what is known of devices, sealed, and hands it on when two contacts are merged', async () => {
  const place = await aPlace();
  const store = await openTestStore(place);
  const { account, contact } = await aChat(store);
  const twin = await aChat(store, { account });
  const by = 'the-key-that-vouched';
  const list = { since: 1, checkedAt: 2, devices: [{ device: 4, since: 1, standing: { as: 'proven', by } }] } as const;
  expect(await store.trust.devices(account.id, contact.id)).toBeUndefined();
  await store.commit([{ change: 'devices.put', account: account.id, contact: twin.contact.id, list }]);
  expect(await store.trust.devices(account.id, twin.contact.id)).toEqual(list);
  await store.commit([{ change: 'contact.merge', into: contact.id, from: twin.contact.id }]);
  expect(await store.trust.devices(account.id, contact.id)).toEqual(list);
  expect((await storedBytes(place)).includes(by)).toBe(false);
  await store.commit([departure(account)]);
  expect(await store.trust.devices(account.id, contact.id)).toBeUndefined();
});

it('stores a pushed transaction once, and a pushed event once, also after a restart', async () => {
  const place = await aPlace();
  const room = '!room' as RoomId;
  const [first, second] = [matrixEvent(room), matrixEvent(room)];
  const body = { 'de.sorunome.msc2409.to_device': [{ type: 'm.room.encrypted' }] };
  const before = await openTestStore(place);
  await before.commit([{ change: 'transaction.store', transaction: { id: 't1', body, events: [first, second] } }]);
  const { seq } = present(await before.events.next(room));
  await before.commit([{ change: 'event.done', seq }]);
  await before.close();

  const store = await openTestStore(place);
  await store.commit([
    { change: 'transaction.store', transaction: { id: 't1', body, events: [first, second] } },
    { change: 'transaction.store', transaction: { id: 't2', body: {}, events: [first, second] } },
  ]);
  const transaction = present(await store.events.nextTransaction());
  expect(transaction.body).toEqual(body);
  await store.commit([{ change: 'transaction.done', seq: transaction.seq }]);
  expect((await store.events.nextTransaction())?.body).toEqual({});

  const left = present(await store.events.next(room));
  expect(left.event).toEqual(second);
  await store.commit([{ change: 'event.done', seq: left.seq }]);
  expect(await store.events.roomsWithWork()).toEqual([]);
});

it('takes a transaction of an earlier id for a new one where its content is new', async () => {
  const store = await openTestStore();
  const [first, second] = [matrixEvent('!room' as RoomId), matrixEvent('!room' as RoomId)];
  const pushed = (events: MatrixEvent[]) =>
    store.commit([{ change: 'transaction.store', transaction: { id: '1', body: {}, events } }]);
  await pushed([first]);
  await pushed([second]);
  await pushed([second]);
  for (const event of [first, second]) {
    const next = present(await store.events.next('!room' as RoomId));
    expect(next.event).toEqual(event);
    await store.commit([{ change: 'event.done', seq: next.seq }]);
  }
  expect(await store.events.roomsWithWork()).toEqual([]);
});

it('says each thing once per key, and sends what was released on the way', async () => {
  const store = await openTestStore();
  const room = '!management' as RoomId;
  const add = (text: string) => ({ change: 'bot-message.add', room, key: 'no-device', text }) as const;
  await store.commit([add('one'), add('two')]);
  const message = present(await store.botMessages.next(room));
  await store.commit([
    { change: 'bot-message.event', seq: message.seq, event: sealed },
    { change: 'bot-message.release', key: 'no-device' },
    add('three'),
  ]);
  expect(await store.botMessages.next(room)).toMatchObject({ text: 'one', event: sealed });
  await store.commit([{ change: 'bot-message.done', seq: message.seq }]);
  const third = present(await store.botMessages.next(room));
  expect(third).toMatchObject({ text: 'three', event: undefined });
  await store.commit([{ change: 'bot-message.done', seq: third.seq }, add('four')]);
  expect(await store.botMessages.roomsWithWork()).toEqual([]);
});

it('forgets what was settled long ago in bounded batches, and nothing else', async () => {
  const clock = { time: 1_000 };
  const store = await openTestStore(undefined, clock);
  const { portal } = await aChat(store);
  const settle = async (count: number): Promise<void> => {
    const rows = Array.from({ length: count }, () => message(portal, payload));
    await store.commit(rows.map((row) => ({ change: 'inbox.add', row })));
    for (const { messageId } of rows) {
      const { id } = present(await store.inbox.find(portal.id, messageId, 0));
      await store.commit([{ change: 'inbox.state', id, state: { at: 'done', event: undefined } }]);
    }
  };
  const shown = { ...message(portal, payload), body: notice };
  await settle(510);
  await store.commit([{ change: 'inbox.add', row: shown }]);
  const { id } = present(await store.inbox.next(portal.id));
  await store.commit([{ change: 'inbox.state', id, state: { at: 'done', event: '$n' as EventId } }]);
  await store.commit([{ change: 'inbox.add', row: message(portal, payload) }]);
  clock.time = 2_000;
  await settle(3);

  expect(await store.prune(1_000)).toBe(0);
  expect(await store.prune(2_000)).toBe(500);
  expect(await store.prune(2_000)).toBe(10);
  expect(await store.prune(2_000)).toBe(0);
  expect(await store.inbox.waiting(portal.id)).toBe(1);
  expect(await store.inbox.isNotice(portal.id, '$n' as EventId)).toBe(true);
});

it.runIf(dialect === 'sqlite')('reads every journal through an index', async () => {
  const path = join(temporaryDirectory(), 'bridge.db');
  const prepared = vi.spyOn(SqliteConnection.prototype, 'prepare');
  const store = await openTestStore({ path });
  const { account, contact, ghost, portal } = await aChat(store);
  prepared.mockClear();
  const peer = { account: account.id, contact: contact.id, device: 0 };
  const [room, event, id] = ['!r' as RoomId, '$e' as EventId, 'M' as MessageId];
  await Promise.all([
    store.accounts.get(account.id),
    store.accounts.find('whatsapp', account.user),
    store.accounts.departureOf('whatsapp', account.user),
    store.accounts.isLeaving(account.user),
    store.contacts.get(contact.id),
    store.contacts.byAddress('whatsapp', contact.addresses),
    store.contacts.ghost(contact.id),
    store.contacts.ghostByUser(ghost.actor.user),
    store.contacts.readyGhosts(),
    store.contacts.accountsUsing(contact.id),
    store.contacts.looksLikeAnother(contact.id),
    store.portals.find(account.id, contact.id),
    store.portals.byRoom(room),
    store.portals.ofAccount(account.id),
    store.portals.ofContact(contact.id),
    store.portals.requests(account.id),
    store.portals.toClose(),
    store.blocks.matching(account.id, ['phone:49']),
    store.pictures.get(contact.id),
    store.pictures.due(account.id),
    store.inbox.next(portal.id),
    store.inbox.find(portal.id, id, 0),
    store.inbox.portalsWithWork(),
    store.inbox.receiptsDue(account.id, 10),
    store.inbox.decryptFailures(portal.id, id, 0),
    store.inbox.waiting(portal.id),
    store.inbox.messagesWaiting(portal.id),
    store.inbox.requestsOverdue(5, 10),
    store.inbox.isNotice(portal.id, event),
    store.outbox.next(portal.id),
    store.outbox.byMessageId(account.id, portal.id, id),
    store.outbox.portalsWithWork(account.id),
    store.outbox.expired(5, 10),
    store.outbox.waiting(portal.id),
    store.outbox.byEvent(event),
    store.events.nextTransaction(),
    store.events.roomsWithWork(),
    store.events.next(room),
    store.reactions.byEvent(portal.id, event),
    store.reactions.latest(portal.id, { messageId: id, fromUser: true }, true),
    store.references.byEvent(portal.id, event),
    store.references.byMessage(portal.id, id),
    store.references.byMessage(portal.id, id, true),
    store.botMessages.next(room),
    store.botMessages.roomsWithWork(),
    store.reports.next(account.id),
    store.reports.accountsWithWork(),
    store.reports.made(account.id),
    store.signal.session(peer),
    store.signal.peerTrust(peer),
    store.trust.ofContact(account.id, contact.id),
    store.prune(0),
  ]);
  const statements = [...new Set(prepared.mock.calls.map(([sql]) => sql))].filter((sql) => sql.startsWith('select'));
  prepared.mockRestore();
  await store.close();

  const database = new Database(path);
  const plans = statements.flatMap((sql) => {
    const parameters = Array.from(sql.matchAll(/\?/g), () => 0);
    const steps = database.prepare<number[], { detail: string }>(`explain query plan ${sql}`).all(...parameters);
    return steps.map(({ detail }) => ({ sql, detail }));
  });
  database.close();
  expect(statements.length).toBeGreaterThan(30);
  // Going through a whole partial index is fine: it holds only what is still to be done.
  const wholeTable = plans.filter(
    ({ detail }) => detail.startsWith('SCAN') && !/INDEX \w+_(open|ready|requested)$/.test(detail),
  );
  expect(wholeTable).toEqual([]);
  // Not through all that an account has behind it.
  const due = plans.filter(
    ({ sql }) => sql.includes('accepted') || (sql.includes("'transfer'") && sql.includes('distinct')),
  );
  expect(due.map(({ detail }) => /INDEX (\w+)/.exec(detail)?.[1])).toEqual(['inbox_receipt', 'outbox_open_of_account']);
  const sorted = plans.filter(({ sql, detail }) => detail.includes('TEMP B-TREE') && sql.includes('limit'));
  expect(sorted).toEqual([]);
});

it('keeps trust, names and pending commands', async () => {
  const store = await openTestStore();
  const { account, contact, ghost } = await aChat(store, { account: anAccount(), contact: aContact() });
  const [key, seen] = [Buffer.alloc(33, 5), Buffer.alloc(33, 6)];
  const peer = { account: account.id, contact: contact.id, device: 4 };
  const { user } = account;
  await store.commit([
    { change: 'peer.trust', peer, trust: { state: 'pinned', key } },
    { change: 'peer.trust', peer, trust: { state: 'changed', key, seen } },
    { change: 'user.trust', trust: { state: 'changed', user, masterKey: 'abc', seen: 'def' } },
    { change: 'contact.name', contact: contact.id, name: { text: 'Anna', looks: ['anna'] } },
    { change: 'ghost.put', ghost: { ...ghost, ready: true, displayName: 'Anna (WhatsApp)' } },
    { change: 'pending-command', user, command: 'opt-in whatsapp' },
  ]);
  expect(await store.trust.ofContact(account.id, contact.id)).toEqual(new Map([[4, { state: 'changed', key, seen }]]));
  expect(await store.signal.peerTrust(peer)).toEqual({ state: 'changed', key, seen });
  expect(await store.trust.ofUser(user)).toEqual({ state: 'changed', user, masterKey: 'abc', seen: 'def' });
  expect(await store.contacts.get(contact.id)).toEqual({ ...contact, name: { text: 'Anna', looks: ['anna'] } });
  expect(await store.contacts.readyGhosts()).toEqual([ghost.actor]);
  expect(await store.contacts.ghostByUser(ghost.actor.user)).toEqual({
    ...ghost,
    ready: true,
    displayName: 'Anna (WhatsApp)',
  });
  expect(await store.accounts.pendingCommand(user)).toBe('opt-in whatsapp');
  await store.commit([{ change: 'pending-command', user, command: undefined }]);
  expect(await store.accounts.pendingCommand(user)).toBeUndefined();
});

it('keeps signing keys across restarts', async () => {
  const place = await aPlace();
  const key = { kid: 'k1', algorithm: 'ES256', privateKey: 'PEM', createdAt: 1, activeFrom: 2, retireAt: undefined };
  const before = await openTestStore(place);
  await before.signingKeys.put(key);
  await before.signingKeys.put({ ...key, kid: 'k2', createdAt: 3, retireAt: 9 });
  const { instanceId } = before;
  await before.close();
  const store = await openTestStore(place);
  expect(store.instanceId).toBe(instanceId);
  expect(await store.signingKeys.list()).toEqual([key, { ...key, kid: 'k2', createdAt: 3, retireAt: 9 }]);
  await store.signingKeys.remove('k1');
  expect((await store.signingKeys.list()).map(({ kid }) => kid)).toEqual(['k2']);
});

it('knows an event again while it waits, and after it was dealt with', async () => {
  const store = await openTestStore();
  const room = '!room' as RoomId;
  const [done, waiting, other] = [matrixEvent(room), matrixEvent(room), matrixEvent(room)];
  const ids = [done, waiting, other].map(({ event_id }) => event_id);
  expect(await store.events.known([])).toEqual(new Set());
  await store.commit([{ change: 'transaction.store', transaction: { id: '1', body: {}, events: [done, waiting] } }]);
  await store.commit([{ change: 'event.done', seq: present(await store.events.next(room)).seq }]);
  expect(await store.events.known(ids)).toEqual(new Set([done.event_id, waiting.event_id]));
});

it('keeps a message that comes in the moment in which its chat would go on without it', async () => {
  const store = await openTestStore();
  const { account, portal } = await aChat(store);
  const place = { account: account.id, portal: portal.id, messageId: 'M' as MessageId, device: 0, timestamp: 5 };
  await store.commit([{ change: 'inbox.await', row: { ...place, since: 1 } }]);
  const { id } = present(await store.inbox.next(portal.id));
  const body = { kind: 'message', payload: Buffer.from(payload) } as const;
  const [came, wentOn] = await Promise.allSettled([
    store.commit([{ change: 'inbox.arrived', id, body }]),
    store.commit([{ change: 'inbox.state', id, state: { at: 'overdue' } }]),
  ]);
  expect(came.status).toBe('fulfilled');
  expect(wentOn).toMatchObject({ status: 'rejected', reason: { code: 'store.changed' } });
  expect((await store.inbox.next(portal.id))?.state).toEqual({ at: 'received', body });
});
