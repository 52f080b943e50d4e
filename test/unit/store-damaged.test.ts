// Rows whose sealed content was altered on the disk: named, set aside, and everything behind them goes on.
import { expect, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { settingAside } from '../../src/bridge/damaged-rows.ts';
import { expireUnconfirmed, giveUpUnreadable } from '../../src/bridge/receipts.ts';
import { isWithdrawable } from '../../src/bridge/withdrawals.ts';
import { systemClock } from '../../src/model/clock.ts';
import { DamagedRow } from '../../src/model/damaged-row.ts';
import type { EventId, MessageId, RoomId, UserId } from '../../src/model/ids.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { hasListened } from '../support/has-listened.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, aPlace, dialect, execute, message, openTestStore, outgoing, present } from '../support/store.ts';

const bytes = dialect === 'sqlite' ? "x'0102'" : "'\\x0102'";

async function damagedStore() {
  const place = await aPlace();
  const before = await openTestStore(place);
  const { portal } = await aChat(before);
  const room = portal.state.at === 'open' ? portal.state.room : ('' as RoomId);
  const [first, second] = ['first', 'second'] as MessageId[];
  const event = (id: string) => ({
    event_id: id as EventId,
    room_id: room,
    sender: '@a:example.org' as UserId,
    type: 'm.room.message',
    content: {},
    origin_server_ts: 1,
  });
  const peer = { account: portal.account, contact: portal.contact, device: 0 };
  await before.commit([
    { change: 'inbox.add', row: message(portal, Buffer.from('one'), present(first)) },
    { change: 'inbox.add', row: message(portal, Buffer.from('two'), present(second)) },
    { change: 'outbox.add', row: { ...outgoing(portal, Buffer.from('one')), event: '$o1' as EventId } },
    { change: 'outbox.add', row: { ...outgoing(portal, Buffer.from('two')), event: '$o2' as EventId } },
    { change: 'transaction.store', transaction: { id: 't1', body: { a: 1 }, events: [event('$e1'), event('$e2')] } },
    { change: 'transaction.store', transaction: { id: 't2', body: { a: 2 }, events: [] } },
    { change: 'signal.session', peer, record: Buffer.from('ratchet') },
  ]);
  await before.close();
  await execute(place, `update inbox set body = ${bytes} where message_id = 'first'`);
  await execute(place, `update outbox set payload = ${bytes} where event = '$o1'`);
  await execute(place, `update matrix_event set event = ${bytes} where event_id = '$e1'`);
  await execute(place, `update homeserver_transaction set body = ${bytes} where transaction_id like 't1:%'`);
  await execute(place, `update signal_session set record = ${bytes}`);
  return { store: await openTestStore(place), portal, room, peer };
}

test('each journal goes on behind a damaged row, whose people are told', async () => {
  const { store, portal, room } = await damagedStore();
  const parts: Partial<BridgeContext> = {
    store,
    logger: createLogger({ level: 'silent' }),
    clock: { now: () => 9, elapsed: () => 9, sleep: async () => {} },
  };
  const context = parts as BridgeContext;
  const fetched: string[] = [];
  const reads = [
    () => store.inbox.next(portal.id),
    () => store.outbox.next(portal.id),
    () => store.events.next(room),
    () => store.events.nextTransaction(),
  ];
  const found: unknown[] = [];
  for (const read of reads) {
    await expect(read()).rejects.toBeInstanceOf(DamagedRow);
    const step = async () => {
      found.push(await read());
      return 'idle' as const;
    };
    expect(await settingAside(context, step, { lost: () => void fetched.push('keys') })).toBe('again');
    expect(await settingAside(context, step)).toBe('idle');
  }
  expect(found).toMatchObject([
    { messageId: 'second' },
    { event: '$o2' },
    { event: { event_id: '$e2' } },
    { body: { a: 2 } },
  ]);
  expect(fetched).toEqual(['keys']);
  // Brought again, it is known.
  expect(await store.inbox.find(portal.id, 'first' as MessageId)).toMatchObject({ state: { at: 'done' } });
  const parked = await store.queue.list({ which: 'parked', limit: 10 });
  expect(parked.map(({ item, code }) => [item.journal, code])).toEqual([
    ['inbox', 'damaged'],
    ['outbox', 'damaged'],
  ]);
  const notices: unknown[] = [];
  for (let row = await store.inbox.next(portal.id); row !== undefined; row = await store.inbox.next(portal.id)) {
    if (row.state.at === 'received' && row.state.body.kind === 'notice') notices.push(row.state.body.notice);
    await store.commit([{ change: 'inbox.state', id: row.id, state: { at: 'done', event: undefined } }]);
  }
  expect(notices).toMatchObject([
    { code: 'damaged' },
    { code: 'damaged', about: '$o1' },
    { code: 'damaged', about: '$e1' },
  ]);
});

test('a damaged session is as good as none: Signal starts another', async () => {
  const { store, peer } = await damagedStore();
  expect(await store.signal.session(peer)).toBeUndefined();
});

const month = 31 * 24 * 3_600_000;

/** An account whose signed pre-key 1 was replaced by 2 a month later, and what is done to the rows then. */
async function damagedSignedPreKeys(change: string) {
  const place = await aPlace();
  const clock = new ManualClock(month);
  const before = await openTestStore(place);
  const { account } = await aChat(before);
  const made = createSignal({ reads: before.signal, clock });
  await before.commit(made.createIdentity(account.id, 1).changes);
  clock.advance(month);
  await before.commit(present(await made.rotateSignedPreKey(account.id)).changes);
  await before.close();
  await execute(place, `update signal_signed_pre_key set ${change}`);
  const store = await openTestStore(place);
  const signal = createSignal({ reads: store.signal, clock });
  /** The id of the one that is handed out with new pre-keys, and whether it will open what is written to it. */
  const handedOut = async () => {
    const { keys, changes } = await signal.createPreKeys(account.id, 1);
    await store.commit(changes);
    const { id } = keys.signedPreKey;
    return { id, whole: (await store.signal.signedPreKey(account.id, id)) !== undefined };
  };
  const rotated = async () => {
    const rotation = await signal.rotateSignedPreKey(account.id);
    await store.commit(rotation?.changes ?? []);
    return rotation?.key.id;
  };
  return { clock, handedOut, rotated };
}

test('a damaged signed pre-key that was replaced long ago is in nobody’s way', async () => {
  const { clock, handedOut, rotated } = await damagedSignedPreKeys(`record = ${bytes} where id = 1`);
  expect(await handedOut()).toEqual({ id: 2, whole: true });
  expect(await rotated()).toBeUndefined();
  clock.advance(month);
  expect(await rotated()).toBe(3);
});

test('where the current signed pre-key is damaged, the one before it serves until another one is made, under an id of its own', async () => {
  const damage = `record = ${bytes}, created_at = ${100 * month} where id = 2`;
  const { clock, handedOut, rotated } = await damagedSignedPreKeys(damage);
  expect(await handedOut()).toEqual({ id: 1, whole: true });
  expect(await rotated()).toBe(3);
  expect(await handedOut()).toEqual({ id: 3, whole: true });
  clock.advance(month);
  expect(await rotated()).toBe(4);
});

test('where every signed pre-key is damaged, another one is made with whatever is asked for first', async () => {
  const all = `record = ${bytes}`;
  expect(await (await damagedSignedPreKeys(all)).rotated()).toBe(3);
  const { handedOut, rotated } = await damagedSignedPreKeys(all);
  expect(await handedOut()).toEqual({ id: 3, whole: true });
  expect(await rotated()).toBeUndefined();
  expect(await handedOut()).toEqual({ id: 3, whole: true });
});

const minute = 60_000;

/** Three messages for WhatsApp; the second one cannot be opened. */
async function damagedAmongOthers(sent: boolean) {
  const place = await aPlace();
  const before = await openTestStore(place);
  const { portal } = await aChat(before);
  const { payload } = toWhatsApp('m.room.message', { msgtype: 'm.text', body: 'hello' }) as { payload: Uint8Array };
  const rows = Array.from({ length: 3 }, () => outgoing(portal, payload));
  await before.commit(rows.map((row) => ({ change: 'outbox.add', row })));
  for (const { event } of sent ? rows : []) {
    const { id } = present(await before.outbox.byEvent(event));
    const state = { at: 'acknowledged' } as const;
    await before.commit([{ change: 'outbox.state', id, state, waitingFor: [0], retries: 5 }]);
  }
  await before.close();
  await execute(place, `update outbox set payload = ${bytes} where event = '${rows[1]?.event}'`);
  const store = await openTestStore(place);
  const parts = {
    store,
    listening: hasListened(portal.account),
    signal: createSignal({ reads: store.signal, clock: systemClock }),
    clock: { now: () => 60 * minute, elapsed: () => 0, sleep: async () => {} },
    counters: { delivered: () => {} },
    settings: { receiptWaitMs: minute },
  };
  const states = async () => Promise.all(rows.map(async ({ event }) => (await store.outbox.byEvent(event))?.at));
  return { context: parts as unknown as BridgeContext, store, portal, rows, states };
}

test('a sent message that is damaged comes to its end like the others', async () => {
  const { context, states } = await damagedAmongOthers(true);
  expect(await expireUnconfirmed(context)).toBe(3);
  expect(await states()).toEqual(['done', 'done', 'done']);
  expect(await expireUnconfirmed(context)).toBe(0);
});

test('a sent message that is damaged is found for its receipts', async () => {
  const { store, portal, rows } = await damagedAmongOthers(true);
  const found = await store.outbox.byMessageId(portal.account, portal.id, present(rows[1]).messageId);
  expect(found).toMatchObject({ at: 'acknowledged', waitingFor: [0], kept: true });
});

test('of a damaged message that may have gone out, its sender is told just that', async () => {
  const { context, store, portal, rows } = await damagedAmongOthers(true);
  const { id } = present(await store.outbox.byEvent(present(rows[1]).event));
  await store.commit([{ change: 'outbox.state', id, state: { at: 'ready' }, retryFor: [0] }]);
  const step = async () => ((await store.outbox.next(portal.id)) === undefined ? 'idle' : 'again');
  await settingAside({ ...context, logger: createLogger({ level: 'silent' }) }, step);
  const told = present(await store.inbox.next(portal.id)).state;
  expect(told).toMatchObject({ body: { notice: { text: expect.stringMatching(/not certain/) } } });
});

test('of a damaged message that one device has, and another one asks for, nobody is told that it was not sent', async () => {
  const { context, store, portal, rows } = await damagedAmongOthers(true);
  const { id } = present(await store.outbox.byEvent(present(rows[1]).event));
  await store.commit([{ change: 'outbox.state', id, state: { at: 'ready' }, retryFor: [0], confirmed: true }]);
  const step = async () => ((await store.outbox.next(portal.id)) === undefined ? 'idle' : 'again');
  expect(await settingAside({ ...context, logger: createLogger({ level: 'silent' }) }, step)).toBe('again');
  expect(await store.inbox.next(portal.id)).toBeUndefined();
  expect(await settingAside(context, step)).toBe('idle');
});

test('a sent message that is damaged and that nobody can read is given up like the others', async () => {
  const { context, portal, states } = await damagedAmongOthers(true);
  expect(await giveUpUnreadable(context)).toEqual([portal.id, portal.id, portal.id]);
  expect(await states()).toEqual(['parked', 'parked', 'parked']);
});

test('a message can be taken back where one behind it is damaged, and so can that one', async () => {
  const { context, store, rows } = await damagedAmongOthers(false);
  for (const { event } of rows.slice(0, 2)) {
    const row = present(await store.outbox.byEvent(event));
    expect(await isWithdrawable(context, row)).toBe(true);
    await store.commit([{ change: 'outbox.withdraw', id: row.id }]);
  }
  expect(await store.outbox.next(present(rows[2]).portal)).toMatchObject({ event: rows[2]?.event });
});

test('a damaged list of devices is as good as none: it is fetched again', async () => {
  const place = await aPlace();
  const before = await openTestStore(place);
  const { account, contact } = await aChat(before);
  const list = { since: 1, checkedAt: 2, devices: [] };
  await before.commit([{ change: 'devices.put', account: account.id, contact: contact.id, list }]);
  await before.close();
  await execute(place, `update device_list set list = ${bytes}`);
  expect(await (await openTestStore(place)).trust.devices(account.id, contact.id)).toBeUndefined();
});
