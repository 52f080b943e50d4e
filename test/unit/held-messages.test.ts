// Messages that wait for a decision of the user wait so long and no longer: then they are set aside and told. The store is real, the clock is not.
import { beforeEach, expect, test } from 'vitest';
import type { BridgeContext } from '../../src/bridge/context.ts';
import { heldIncoming, heldNoLonger, heldOutgoing, heldTooLong } from '../../src/bridge/held-messages.ts';
import type { Change } from '../../src/model/change.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, message, openTestStore, outgoing, present } from '../support/store.ts';

const day = 24 * 60 * 60 * 1000;
const written = toWhatsApp('m.room.message', { msgtype: 'm.text', body: 'hello' });
const payload = written.kind === 'message' ? written.payload : new Uint8Array();

let clock: ManualClock;
let store: OpenStore;
let context: BridgeContext;
let made: Awaited<ReturnType<typeof aChat>>;

beforeEach(async () => {
  clock = new ManualClock(Date.UTC(2026, 0, 1));
  store = await openTestStore();
  made = await aChat(store);
  const parts = {
    store,
    clock,
    logger: createLogger({ level: 'silent' }),
    counters: { delivered: () => {}, retry: () => {}, file: () => {} },
    settings: { heldMs: 14 * day },
    network: { now: () => clock.now() },
  };
  context = parts as unknown as BridgeContext;
});

/** As the workers see it: read anew each time. */
async function chat() {
  return { ...made, portal: present(await store.portals.get(made.portal.id)) };
}

async function write(change: Partial<ReturnType<typeof outgoing>> = {}): Promise<void> {
  const row = { ...outgoing(made.portal, payload), createdAt: clock.now(), ...change };
  await store.commit([{ change: 'outbox.add', row }]);
}
async function receive(timestamp = clock.now()): Promise<void> {
  await store.commit([{ change: 'inbox.add', row: { ...message(made.portal, payload), timestamp } }]);
}

const send = async () => heldOutgoing(context, await chat(), present(await store.outbox.next(made.portal.id)));
const deliver = async () => heldIncoming(context, await chat());
const parked = async () => (await store.queue.list({ which: 'parked', limit: 10 })).map(({ code }) => code);
const notices = async () =>
  (await store.inbox.next(made.portal.id).then((row) => (row?.state.at === 'received' ? [row.state.body] : []))).map(
    (body) => body.kind === 'notice' && body.notice,
  );
const bot = async () => (await store.botMessages.next(made.account.managementRoom))?.text;

test('for WhatsApp: after the limit its sender is told under it and by the bot, and the next one waits its own time', async () => {
  await write();
  const { event } = present(await store.outbox.next(made.portal.id));
  expect(await send()).toBe('idle');
  clock.advance(13 * day);
  await write();
  expect(await send()).toBe('idle');
  expect(await heldTooLong(context)).toEqual([]);
  clock.advance(2 * day);
  expect(await heldTooLong(context)).toMatchObject([{ id: made.portal.id }]);
  expect(await send()).toBe('again');
  expect(await parked()).toEqual(['waited-too-long']);
  expect(await notices()).toMatchObject([
    {
      code: 'not-delivered',
      about: event,
      text: expect.stringContaining('waited for 14 days for a decision of yours'),
    },
  ]);
  expect(await bot()).toMatch(/have waited for 14 days.*matrix\.to/);
  expect(await send()).toBe('idle');
  clock.advance(13 * day);
  expect(await send()).toBe('again');
  expect(await parked()).toHaveLength(2);
});

test('for Matrix: what waited too long is set aside together, with one notice and one word of the bot', async () => {
  for (const _ of [1, 2]) await receive();
  expect(await deliver()).toBe('idle');
  clock.advance(13 * day);
  await receive();
  clock.advance(2 * day);
  expect(await deliver()).toBe('again');
  expect(await parked()).toEqual(['waited-too-long', 'waited-too-long']);
  expect(await store.inbox.messagesWaiting(made.portal.id)).toBe(1);
  expect(await bot()).toMatch(/have waited for 14 days/);
  expect(await deliver()).toBe('idle');
  const [item] = await store.queue.list({ which: 'waiting', limit: 1 });
  const row = present(await store.inbox.find(made.portal.id, present(item).messageId));
  await store.commit([{ change: 'inbox.state', id: row.id, state: { at: 'done', event: undefined } }]);
  expect(await notices()).toMatchObject([{ code: 'waited-too-long', text: expect.stringMatching(/^2 messages from/) }]);
});

test('what was old when it came is not set aside before the chat has been held for as long', async () => {
  await receive(clock.now() - 20 * day);
  await write({ createdAt: clock.now() - 20 * day });
  expect([await deliver(), await send()]).toEqual(['idle', 'idle']);
  clock.advance(13 * day);
  expect([await deliver(), await send()]).toEqual(['idle', 'idle']);
  // It goes on, and is held anew.
  for (const journal of ['inbox', 'outbox'] as const) await heldNoLonger(context, (await chat()).portal, journal);
  expect((await chat()).portal.heldSince).toBeUndefined();
  expect([await deliver(), await send()]).toEqual(['idle', 'idle']);
  clock.advance(13 * day);
  expect([await deliver(), await send()]).toEqual(['idle', 'idle']);
  clock.advance(2 * day);
  expect([await deliver(), await send()]).toEqual(['again', 'again']);
  expect(await parked()).toHaveLength(2);
});

test('one that may have gone out before is told so; one that a device has is no failure', async () => {
  await write();
  const change = async (state: Partial<Change & { change: 'outbox.state' }>): Promise<void> => {
    const { id } = present(await store.outbox.next(made.portal.id));
    await store.commit([{ change: 'outbox.state', id, ...state }]);
  };
  await change({ state: { at: 'encrypted', stanza: Uint8Array.of(1) } });
  await send();
  await write();
  clock.advance(15 * day);
  expect(await send()).toBe('again');
  expect(await notices()).toMatchObject([{ text: expect.stringContaining('not certain') }]);
  await change({ retryFor: [1], waitingFor: [1], confirmed: true });
  expect(await send()).toBe('again');
  expect(await parked()).toHaveLength(1);
  expect(await store.outbox.next(made.portal.id)).toBeUndefined();
});

test('what a contact has sent who asks to be let in is left to its own limit', async () => {
  const acceptance = { at: 'requested', number: 1, since: clock.now(), askedAgain: false, dropped: 0 } as const;
  await store.commit([{ change: 'portal.acceptance', portal: made.portal.id, acceptance }]);
  await receive();
  await deliver();
  clock.advance(20 * day);
  expect(await deliver()).toBe('idle');
  expect(await parked()).toEqual([]);
});
