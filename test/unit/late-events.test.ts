// Messages whose room key does not come: how long they hold their chat, and what becomes of one that is deleted while it stands aside. The store is real.
import { beforeEach, expect, test } from 'vitest';
import type { CommandEffects } from '../../src/bridge/bot/commands.ts';
import type { BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import type { KeyWaits } from '../../src/bridge/key-waits.ts';
import { handleLateEvents } from '../../src/bridge/late-events.ts';
import { handleNextEvent } from '../../src/bridge/matrix-events.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { EventId, RoomId } from '../../src/model/ids.ts';
import type { MatrixEvent } from '../../src/model/journal.ts';
import type { MatrixCrypto, MatrixDecryption } from '../../src/model/matrix.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { deedOf } from '../../src/translate/references.ts';
import { parseMessage } from '../../src/translate/to-matrix.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, openTestStore } from '../support/store.ts';

const minute = 60_000;
const effects = { wakePortal: () => {}, wakeOutbox: () => {}, wakeBot: () => {} } as Partial<CommandEffects>;

let store: OpenStore;
let made: Awaited<ReturnType<typeof aChat>>;
let room: RoomId;
let clock: ManualClock;
let context: BridgeContext;
let waits: KeyWaits;
/** Megolm sessions whose key has come. */
let keys: Set<string>;
/** Done before an event is decrypted. */
let meanwhile: () => Promise<unknown>;
/** What each look for missed keys at the homeserver does; further ones do nothing. */
let looks: (() => void)[];

beforeEach(async () => {
  store = await openTestStore();
  made = await aChat(store);
  if (made.portal.state.at !== 'open') throw new Error(made.portal.state.at);
  room = made.portal.state.room;
  clock = new ManualClock();
  waits = new Map();
  keys = new Set();
  meanwhile = async () => {};
  looks = [];
  const crypto: Partial<MatrixCrypto> = {
    recover: async () => looks.shift()?.(),
    decrypt: async (_, event) => {
      await meanwhile();
      return decrypted(event);
    },
  };
  const settings: Partial<BridgeSettings> = {
    missingKeyWaitMs: minute,
    lateKeyWaitMs: 72 * 60 * minute,
    devicePolicy: 'cross-signed',
    moderationRoom: undefined,
  };
  const parts: Partial<BridgeContext> = {
    store,
    clock,
    crypto: crypto as MatrixCrypto,
    logger: createLogger({ level: 'silent' }),
    settings: settings as BridgeSettings,
  };
  context = parts as BridgeContext;
});

function decrypted({ event_id, content }: MatrixEvent): MatrixDecryption {
  const session = String(content.session_id);
  if (!keys.has(session)) return { outcome: 'missing-key' };
  const message = { msgtype: 'm.text', body: event_id };
  const use = { session, index: Number(event_id.slice(1)) };
  return {
    outcome: 'decrypted',
    type: 'm.room.message',
    content: message,
    crossSigned: true,
    masterKey: undefined,
    use,
  };
}

async function push(id: string, type: string, content: MatrixEvent['content']): Promise<void> {
  const event = {
    event_id: id as EventId,
    room_id: room,
    sender: made.account.user,
    type,
    content,
    origin_server_ts: clock.now(),
  };
  await store.commit([{ change: 'transaction.store', transaction: { id, body: {}, events: [event] } }]);
}
const write = (id: string, session: string) => push(id, 'm.room.encrypted', { session_id: session });
const remove = (id: string) => push(`$redaction-of-${id}`, 'm.room.redaction', { redacts: id });

const next = (from = context) => handleNextEvent(from, room, waits, effects as CommandEffects);
const late = () => handleLateEvents(context, room, effects as CommandEffects);

/** What is on its way to the contact, oldest first: of a deletion, that it is one. */
async function outgoing(): Promise<string[]> {
  const sent: string[] = [];
  for (;;) {
    const row = await store.outbox.next(made.portal.id);
    if (row?.payload === undefined) return sent;
    sent.push(deedOf(parseMessage(row.payload))?.kind ?? row.event);
    await store.commit([{ change: 'outbox.state', id: row.id, state: { at: 'acknowledged' } }]);
  }
}

async function standingAside(id: string): Promise<void> {
  await write(id, 'lost');
  expect(await next()).toEqual({ waitMs: minute });
  clock.advance(minute);
  expect(await next()).toBe('again');
}

test('messages under one lost key hold their chat for a minute in all, and for none once it has come', async () => {
  keys.add('here');
  await write('$1', 'lost');
  await write('$2', 'lost');
  await write('$3', 'here');
  expect(await next()).toEqual({ waitMs: minute });
  clock.advance(minute - 1);
  expect(await next()).toEqual({ waitMs: 1 });
  clock.advance(1);
  expect([await next(), await next(), await next()]).toEqual(['again', 'again', 'again']);
  expect(await outgoing()).toEqual(['$3']);
  clock.advance(60 * minute);
  await write('$4', 'lost');
  expect(await next()).toBe('again');
  expect(await store.events.late(room)).toMatchObject(['$1', '$2', '$4'].map((event_id) => ({ event: { event_id } })));
  keys.add('lost');
  await late();
  await write('$5', 'lost');
  await next();
  expect(await outgoing()).toEqual(['$1', '$2', '$4', '$5']);
  expect(waits.size).toBe(0);
});

const found = (): void => void keys.add('lost');
const unavailable = (): void => {
  throw new BridgeError('matrix.server-error', 'GET sync: 500', { retry: 'later' });
};

test('a look for a key that fails is made again, and the message is not late', async () => {
  looks = [unavailable, found];
  await write('$1', 'lost');
  await expect(next()).rejects.toMatchObject({ code: 'matrix.server-error' });
  expect(await next()).toBe('again');
  expect(await outgoing()).toEqual(['$1']);
});

test('a key that has come unheard of is found when its time is over; after that nothing is looked for', async () => {
  looks = [() => {}, found];
  await write('$1', 'lost');
  expect(await next()).toEqual({ waitMs: minute });
  clock.advance(minute);
  expect(await next()).toBe('again');
  expect(await outgoing()).toEqual(['$1']);

  keys.clear();
  looks = [() => {}, () => {}, found];
  await standingAside('$2');
  await write('$3', 'lost');
  expect(await next()).toBe('again');
  expect(looks).toHaveLength(1);
});

test('where no look succeeds the chat goes on after its minute all the same', async () => {
  looks = [unavailable, unavailable];
  await write('$1', 'lost');
  await expect(next()).rejects.toMatchObject({ code: 'matrix.server-error' });
  clock.advance(minute);
  expect(await next()).toBe('again');
  expect(await store.events.late(room)).toMatchObject([{ event: { event_id: '$1' } }]);
});

test('each lost key has its minute, and so has an event that names none', async () => {
  await standingAside('$1');
  await write('$2', 'another');
  expect(await next()).toEqual({ waitMs: minute });
  clock.advance(minute);
  await next();
  for (const id of ['$3', '$4']) {
    await push(id, 'm.room.encrypted', { algorithm: 'unheard-of' });
    expect(await next()).toEqual({ waitMs: minute });
    clock.advance(minute);
    expect(await next()).toBe('again');
  }
});

test('a key that never comes is forgotten when what waited for it has been given up', async () => {
  await standingAside('$1');
  clock.advance(73 * 60 * minute);
  await write('$2', 'another');
  await next();
  expect(waits.size).toBe(1);
});

test('of however many stand aside, each is sent when its key comes, and none that was deleted', async () => {
  await standingAside('$1');
  for (let n = 2; n <= 250; n += 1) await write(`$${n}`, 'lost');
  while ((await next()) === 'again');
  await remove('$250');
  expect(await next()).toBe('again');
  keys.add('lost');
  await late();
  expect(await outgoing()).toEqual(Array.from({ length: 249 }, (_, n) => `$${n + 1}`));
  expect(await store.events.late(room)).toEqual([]);
});

test('what is deleted in the moment in which its key has come is not sent', async () => {
  await standingAside('$1');
  keys.add('lost');
  await remove('$1');
  meanwhile = next;
  await late();
  expect(await store.events.roomsWithWork()).toEqual([]);
  expect(await outgoing()).toEqual([]);
});

test('what is sent in the moment in which it is deleted is deleted at the other side', async () => {
  await standingAside('$1');
  keys.add('lost');
  await remove('$1');
  const overtaken = {
    ...store,
    commit: async (changes: Parameters<OpenStore['commit']>[0]) => {
      await late();
      await store.commit(changes);
    },
  };
  await expect(next({ ...context, store: overtaken })).rejects.toMatchObject({ code: 'store.changed', retry: 'later' });
  expect(await outgoing()).toEqual(['$1']);
  expect(await next()).toBe('again');
  expect(await outgoing()).toEqual(['deletion']);
});
