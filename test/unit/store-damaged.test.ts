// Rows whose sealed content was altered on the disk: named, set aside, and everything behind them goes on.
import { expect, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { settingAside } from '../../src/bridge/damaged-rows.ts';
import { DamagedRow } from '../../src/model/damaged-row.ts';
import type { EventId, MessageId, RoomId, UserId } from '../../src/model/ids.ts';
import { createLogger } from '../../src/observability/logger.ts';
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
