// What has not been answered is given up only where the answer could have reached us: all that time there was a process, and a connection. The store is real.
import { beforeEach, expect, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { withDevices } from '../../src/bridge/device-sessions.ts';
import { answerWaitMs } from '../../src/bridge/inbox-steps.ts';
import { Listening } from '../../src/bridge/listening.ts';
import { giveUpUnreadable } from '../../src/bridge/receipts.ts';
import { giveUpUnanswered } from '../../src/bridge/receive.ts';
import { sendNext } from '../../src/bridge/send.ts';
import type { MessageId } from '../../src/model/ids.ts';
import type { InteropClient } from '../../src/model/interop.ts';
import type { Portal } from '../../src/model/portal.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, openTestStore, outgoing, present } from '../support/store.ts';

const minute = 60_000;
const hour = 60 * minute;

let time: { time: number };
let clock: ManualClock;
let store: OpenStore;
let portal: Portal;
let listening: Listening;
let context: BridgeContext;

/** As after a start: this process has heard nothing yet. */
function starts(): void {
  listening = new Listening(clock);
  const parts = {
    store,
    clock,
    listening,
    signal: createSignal({ reads: store.signal, clock }),
    settings: { blocked: [], policyRooms: [] },
    logger: createLogger({ level: 'silent' }),
    counters: { delivered: () => {} },
  };
  context = parts as unknown as BridgeContext;
}

beforeEach(async () => {
  clock = new ManualClock(hour);
  time = { time: clock.now() };
  store = await openTestStore(undefined, time);
  ({ portal } = await aChat(store));
  starts();
});

/** Time passes. */
function pass(ms: number): void {
  clock.advance(ms);
  time.time = clock.now();
}

async function asksAgain(chat: Portal, id: string): Promise<void> {
  const messageId = id as MessageId;
  const place = { account: chat.account, portal: chat.id, messageId, device: 0, timestamp: 5 };
  await store.commit([
    { change: 'inbox.decrypt-failed', portal: chat.id, messageId, device: 0, count: 1 },
    { change: 'inbox.await', row: { ...place, since: clock.now() } },
  ]);
}

async function isSentInVain(chat: Portal): Promise<void> {
  const row = { ...outgoing(chat, Uint8Array.of(1)), createdAt: clock.now() };
  await store.commit([{ change: 'outbox.add', row }]);
  const { id } = present(await store.outbox.byEvent(row.event));
  await store.commit([{ change: 'outbox.state', id, state: { at: 'acknowledged' }, waitingFor: [0], retries: 5 }]);
}

const codes = async () => (await store.queue.list({ which: 'parked', limit: 200 })).map(({ code }) => code);
const givenUp = async () => [...(await giveUpUnanswered(context)), ...(await giveUpUnreadable(context))];

test.each([
  ['asked for again', (chat: Portal) => asksAgain(chat, 'M1'), 'unanswered'],
  ['sent again and again', isSentInVain, 'retries-exhausted'],
])(
  'a message that was %s is given up after ten minutes of one connection, not of our absence',
  async (_, begin, code) => {
    await begin(portal);
    // The bridge was stopped for longer: the answer lies with the network.
    pass(answerWaitMs + minute);
    starts();
    expect(await givenUp()).toEqual([]);
    listening.begins(portal.account);
    pass(answerWaitMs - 1);
    expect(await givenUp()).toEqual([]);
    // The network was away for longer.
    listening.ends(portal.account);
    pass(hour);
    expect(await givenUp()).toEqual([]);
    listening.begins(portal.account);
    expect(await givenUp()).toEqual([]);
    pass(answerWaitMs);
    expect(await givenUp()).toEqual([portal.id]);
    expect(await codes()).toEqual([code]);
  },
);

test('messages of somebody without a connection do not keep those of others from being given up', async () => {
  for (let n = 0; n < 101; n += 1) await asksAgain(portal, `M${n}`);
  const other = await aChat(store);
  await asksAgain(other.portal, 'M');
  listening.begins(other.account.id);
  pass(answerWaitMs + 1);
  expect(await giveUpUnanswered(context)).toEqual([other.portal.id]);
  expect(await codes()).toEqual(['unanswered']);
  listening.begins(portal.account);
  pass(answerWaitMs);
  expect(await giveUpUnanswered(context)).toEqual([portal.id]);
  expect(await codes()).toHaveLength(102);
});

test('nothing is told of a message that comes at the very moment in which it is given up', async () => {
  await asksAgain(portal, 'M1');
  listening.begins(portal.account);
  pass(answerWaitMs + 1);
  const { id } = present(await store.inbox.next(portal.id));
  const listed = Promise.withResolvers<void>();
  const unanswered: OpenStore['inbox']['unanswered'] = async (...page) => {
    const found = await store.inbox.unanswered(...page);
    listed.resolve();
    return found;
  };
  const arrival = withDevices(context, { portal }, async () => {
    await listed.promise;
    await store.commit([{ change: 'inbox.arrived', id, body: { kind: 'message', payload: Uint8Array.of(1) } }]);
  });
  await giveUpUnanswered({ ...context, store: { ...store, inbox: { ...store.inbox, unanswered } } });
  await arrival;
  expect(await store.inbox.waiting(portal.id)).toBe(1);
  expect(await store.inbox.next(portal.id)).toMatchObject({ messageId: 'M1', state: { at: 'received' } });
  expect(await codes()).toEqual([]);
});

test('a contact who was away for an hour, and then asks as often as clients do, has ten minutes from the last answer on', async () => {
  const client: Partial<InteropClient> = { connected: true, send: async () => ({ accepted: true, timestamp: 5 }) };
  await isSentInVain(portal);
  listening.begins(portal.account);
  pass(hour);
  const [row] = await store.outbox.unreadable(5, clock.now(), 1);
  const state = { at: 'encrypted', stanza: Uint8Array.of(1) } as const;
  await store.commit([{ change: 'outbox.state', id: present(row).id, state }]);
  await sendNext(
    context,
    portal.id,
    () => client as InteropClient,
    () => {},
  );
  expect(await store.outbox.progress(present(row).id)).toMatchObject({ at: 'acknowledged', retries: 5 });
  expect(await giveUpUnreadable(context)).toEqual([]);
  pass(answerWaitMs);
  expect(await giveUpUnreadable(context)).toEqual([portal.id]);
});

test('what was asked just now is waited for, however long there has been a connection', () => {
  listening.begins(portal.account);
  pass(hour);
  listening.asked('a');
  expect([listening.isInVain(portal.account, 'a'), listening.isInVain(portal.account, 'b')]).toEqual([false, true]);
  pass(minute);
  listening.asked('b');
  pass(answerWaitMs - minute);
  expect([listening.isInVain(portal.account, 'a'), listening.isInVain(portal.account, 'b')]).toEqual([true, false]);
  listening.asked('b');
  pass(answerWaitMs - 1);
  expect(listening.isInVain(portal.account, 'b')).toBe(false);
  pass(1);
  expect(listening.isInVain(portal.account, 'b')).toBe(true);
});
