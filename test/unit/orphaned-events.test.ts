// Nothing that a user writes is dropped in silence, not even where the bridge has lost what it knew of the other person. The store is real.
import { expect, test } from 'vitest';
import type { CommandEffects } from '../../src/bridge/bot/commands.ts';
import type { BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { handleLateEvents } from '../../src/bridge/late-events.ts';
import { handleNextEvent } from '../../src/bridge/matrix-events.ts';
import type { Account } from '../../src/model/account.ts';
import type { Actor } from '../../src/model/contact.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { EventId, RoomId, UserId } from '../../src/model/ids.ts';
import type { MatrixEvent } from '../../src/model/journal.ts';
import type { Homeserver } from '../../src/model/matrix.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { aChat, anAccount, aPlace, execute, openTestStore, present } from '../support/store.ts';

const room = '!chat' as RoomId;
const bot = '@bot:example.org' as UserId;

const written = ({ user }: Account, id: string): MatrixEvent => ({
  event_id: id as EventId,
  room_id: room,
  sender: user,
  type: 'm.room.encrypted',
  content: { algorithm: 'm.megolm.v1.aes-sha2' },
  origin_server_ts: 5,
});

async function aChatWithoutGhost(at: Account['state']['at'] = 'active') {
  const place = await aPlace();
  const before = await openTestStore(place);
  const { account, portal } = await aChat(before);
  await before.commit([
    { change: 'portal.state', portal: portal.id, state: { at: 'open', room, labelled: true } },
    ...(at === 'enlisting' ? [{ change: 'account.put', account: { ...account, state: { at } } } as const] : []),
  ]);
  await before.close();
  await execute(place, 'delete from ghost');
  const store = await openTestStore(place);
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const settings: Partial<BridgeSettings> = { moderationRoom: undefined };
  const logger = createLogger({ level: 'info', destination });
  const context: Partial<BridgeContext> = { store, logger, settings: settings as BridgeSettings };
  const woken: RoomId[] = [];
  const effects: Partial<CommandEffects> = { wakeBot: (which) => void woken.push(which) };
  const handle = async (id: string) => {
    const transaction = { id, body: {}, events: [written(account, id)] };
    await store.commit([{ change: 'transaction.store', transaction }]);
    return handleNextEvent(context as BridgeContext, room, new Map(), effects as CommandEffects);
  };
  return { store, account, portal, handle, lines, woken };
}

test('where the ghost is lost, the log names the chat and its user is told once', async () => {
  const { store, account, portal, handle, lines, woken } = await aChatWithoutGhost();
  expect([await handle('$one'), await handle('$two')]).toEqual(['again', 'again']);
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([
    { portal: portal.id, reason: 'no-ghost' },
    { portal: portal.id, reason: 'no-ghost' },
  ]);
  const told = present(await store.botMessages.next(account.managementRoom));
  expect(told.text).toMatch(/^A message of yours was not sent/);
  await store.commit([{ change: 'bot-message.done', seq: told.seq }]);
  expect(await store.botMessages.next(account.managementRoom)).toBeUndefined();
  expect(woken).toEqual([account.managementRoom, account.managementRoom]);
});

test('where there is no account in use, the log names the chat', async () => {
  const { store, account, portal, handle, lines } = await aChatWithoutGhost('enlisting');
  expect(await handle('$one')).toBe('again');
  expect(lines.map((line) => JSON.parse(line))).toMatchObject([{ portal: portal.id, reason: 'no-account' }]);
  expect(await store.botMessages.next(account.managementRoom)).toBeUndefined();
});

/** A room of which nothing is known. `members`: who is there, as the bot sees it; nobody: the bot is not there. */
async function elsewhere(members: readonly UserId[], at: Account['state']['at'] = 'active') {
  const store = await openTestStore();
  const made = anAccount();
  const account: Account = at === 'enlisting' ? { ...made, state: { at } } : made;
  await store.commit([{ change: 'account.put', account }]);
  const homeserver: Partial<Homeserver> = {
    members: async () => {
      if (members.length === 0) throw new BridgeError('matrix.forbidden', 'not in it');
      return new Map([...members, account.user].map((user) => [user, 'join']));
    },
  };
  const lines: string[] = [];
  const destination = { write: (line: string) => void lines.push(line) };
  const settings: Partial<BridgeSettings> = { moderationRoom: undefined };
  const context: Partial<BridgeContext> = {
    store,
    homeserver: homeserver as Homeserver,
    logger: createLogger({ level: 'info', destination }),
    settings: settings as BridgeSettings,
    bot: { id: 'bot' as Actor['id'], user: bot, device: 'BOT' as Actor['device'] },
  };
  const woken: RoomId[] = [];
  const effects: Partial<CommandEffects> = { wakeBot: (which) => void woken.push(which) };
  const push = async (id: string, over: Partial<MatrixEvent> = {}) => {
    const event = { ...written(account, id), ...over };
    await store.commit([{ change: 'transaction.store', transaction: { id, body: {}, events: [event] } }]);
  };
  const handle = async (id: string, over: Partial<MatrixEvent> = {}) => {
    await push(id, over);
    return handleNextEvent(context as BridgeContext, over.room_id ?? room, new Map(), effects as CommandEffects);
  };
  const late = () => handleLateEvents(context as BridgeContext, room, effects as CommandEffects);
  const told = async () => {
    const said = await store.botMessages.next(account.managementRoom);
    if (said !== undefined) await store.commit([{ change: 'bot-message.done', seq: said.seq }]);
    return said?.text;
  };
  return { store, account, push, handle, late, told, lines, woken };
}

const text = { msgtype: 'm.text', body: 'hello?' };

test('what is written where nobody is connected any more is told its sender, once for each room', async () => {
  const { account, handle, told, lines, woken } = await elsewhere([]);
  expect(await handle('$one')).toBe('again');
  expect(await told()).toMatch(/^A message of yours was not sent: the room .*!chat$/);
  await handle('$two', { type: 'm.room.message', content: text });
  expect(await told()).toBeUndefined();
  await handle('$three', { type: 'm.reaction', content: { 'm.relates_to': {} }, room_id: '!another' as RoomId });
  expect(await told()).toMatch(/!another$/);
  expect(woken).toEqual(Array.from({ length: 3 }, () => account.managementRoom));
  const [first = ''] = lines;
  expect(JSON.parse(first)).toMatchObject({ reason: 'no-chat' });
  expect(lines.join()).not.toContain(account.user);
});

test('so is what stood aside there', async () => {
  const { store, push, late, told } = await elsewhere([]);
  await push('$one');
  await store.commit([{ change: 'event.late', seq: present(await store.events.next(room)).seq }]);
  expect(await late()).toBe('idle');
  expect(await told()).toMatch(/^A message of yours was not sent/);
  expect(await store.events.late(room)).toEqual([]);
});

test.each<[string, Partial<MatrixEvent>]>([
  ['who comes and goes', { type: 'm.room.member', state_key: '@x:example.org', content: { membership: 'leave' } }],
  ['what a room is like', { type: 'm.room.name', state_key: '', content: { name: 'x' } }],
  ['what was taken back before', { content: {} }],
  ['what somebody without an account writes', { sender: '@x:example.org' as UserId }],
])('nothing is told of %s', async (_, over) => {
  const { handle, told } = await elsewhere([]);
  expect(await handle('$one', over)).toBe('again');
  expect(await told()).toBeUndefined();
});

test('nor to whoever has no account in use, nor of the room in which the bot was talked to', async () => {
  const joining = await elsewhere([], 'enlisting');
  await joining.handle('$one');
  expect(await joining.told()).toBeUndefined();
  const { account, handle, told } = await elsewhere([]);
  await handle('$one', { room_id: account.managementRoom });
  expect(await told()).toBeUndefined();
});

test.each([
  ['with its user', [bot]],
  ['among others', [bot, '@x:example.org' as UserId]],
])('nor of a room in which the bot is, %s', async (_, members) => {
  const { handle, told, lines } = await elsewhere(members);
  await handle('$one', { type: 'm.sticker', content: text });
  expect(await told()).toBeUndefined();
  expect(lines).toEqual([]);
});
