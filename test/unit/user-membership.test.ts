// A user who has left a chat unheard: nothing more is put into that room, what they said before comes first, and no chat waits for ever. The store is real.
import { expect, test } from 'vitest';
import type { BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import type { Chat } from '../../src/bridge/deliver-events.ts';
import { UserMembership } from '../../src/bridge/user-membership.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { EventId, RoomId, UserId } from '../../src/model/ids.ts';
import type { Homeserver, MatrixCrypto } from '../../src/model/matrix.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, openTestStore, present } from '../support/store.ts';

async function aRoom() {
  const clock = new ManualClock();
  const store = await openTestStore();
  const { account, contact, ghost, portal } = await aChat(store);
  if (account.state.at !== 'active' || portal.state.at !== 'open') throw new Error('the chat is not open');
  const { room } = portal.state;
  const chat: Chat = { account: { ...account, state: account.state }, contact, ghost, portal, room };
  const leavingEvent = {
    event_id: '$leaving' as EventId,
    room_id: room,
    sender: account.user,
    state_key: account.user,
    type: 'm.room.member',
    content: { membership: 'leave' },
    origin_server_ts: clock.now(),
  };
  const asked: RoomId[] = [];
  const left: RoomId[] = [];
  const readBack: RoomId[] = [];
  const found = {
    members: [account.user] as UserId[],
    error: undefined as BridgeError | undefined,
    wasInvited: true,
    invitationError: undefined as BridgeError | undefined,
  };
  const invited: UserId[] = [];
  const homeserver: Partial<Homeserver> = {
    members: async (_, of) => {
      asked.push(of);
      if (found.error !== undefined) throw found.error;
      return new Map(found.members.map((user) => [user, 'join' as const]));
    },
    state: async () =>
      [ghost.actor.user, ...(found.wasInvited ? [account.user] : [])].map((user) => ({
        type: 'm.room.member',
        stateKey: user,
        content: {},
      })),
    invite: async (_, __, user) => {
      if (found.invitationError !== undefined) throw found.invitationError;
      invited.push(user);
    },
    leave: async (_, of) => void left.push(of),
    lastOfOthers: async () => [leavingEvent],
  };
  const crypto: Partial<MatrixCrypto> = { forgetRoom: async () => undefined };
  const lines: string[] = [];
  const logger = createLogger({ level: 'info', destination: { write: (line: string) => void lines.push(line) } });
  const context: Partial<BridgeContext> = {
    store,
    clock,
    logger,
    homeserver: homeserver as Homeserver,
    crypto: crypto as MatrixCrypto,
    settings: { retentionMs: 7 * 24 * 60 * 60 * 1000, serverName: 'example.org' } as BridgeSettings,
  };
  const membership = new UserMembership(context as BridgeContext, async (of) => void readBack.push(of));
  /** The homeserver has pushed that the user has gone. */
  const leaving = (): Promise<void> =>
    store.commit([{ change: 'transaction.store', transaction: { id: '1', body: {}, events: [leavingEvent] } }]);
  /** And it has been dealt with, as an event of a room that belonged to no chat. */
  const heard = async (): Promise<void> => {
    await leaving();
    await store.commit([{ change: 'event.done', seq: present(await store.events.next(room)).seq }]);
  };
  const state = async () => (await store.portals.get(portal.id))?.state;
  /** What the bot says next, which is said then. */
  const bot = async () => {
    const message = await store.botMessages.next(account.managementRoom);
    if (message !== undefined) await store.commit([{ change: 'bot-message.done', seq: message.seq }]);
    return message?.text;
  };
  return { bot, invited, chat, room, membership, found, asked, left, readBack, clock, lines, leaving, heard, state };
}

test('whoever is there is asked about once, and once more when something may have been missed', async () => {
  const { chat, room, membership, asked } = await aRoom();
  expect([await membership.ask(chat), await membership.ask(chat)]).toEqual(['there', 'there']);
  expect(asked).toEqual([room]);
  membership.suspect();
  expect(await membership.ask(chat)).toBe('there');
  expect(asked).toEqual([room, room]);
});

test('who has left holds the chat until that is heard of; if it is not pushed, it is read', async () => {
  const { chat, room, membership, found, readBack, clock, lines, leaving, left, state } = await aRoom();
  found.members = [];
  expect(await membership.ask(chat)).toEqual({ waitMs: 1_000 });
  clock.advance(9_000);
  expect(await membership.ask(chat)).toEqual({ waitMs: 1_000 });
  expect(readBack).toEqual([]);
  clock.advance(1_000);
  await leaving();
  expect(await membership.ask(chat)).toEqual({ waitMs: 1_000 });
  expect(readBack).toEqual([room]);
  // What they had said before they went is on its way through the room.
  expect(left).toEqual([]);
  expect(await state()).toMatchObject({ at: 'open' });
  expect(lines.filter((line) => line.includes('a user has left a chat'))).toHaveLength(1);
});

test('whose leaving is pushed while everything runs is asked about again', async () => {
  const { chat, room, membership, found } = await aRoom();
  expect(await membership.ask(chat)).toBe('there');
  found.members = [];
  membership.changed(room);
  expect(await membership.ask(chat)).toEqual({ waitMs: 1_000 });
});

test('where their leaving can be neither heard of nor read yet, the room is kept for what they said before', async () => {
  const { chat, room, membership, found, readBack, clock, left } = await aRoom();
  found.members = [];
  await membership.ask(chat);
  clock.advance(10_000);
  expect(await membership.ask(chat)).toEqual({ waitMs: 1_000 });
  expect(readBack).toEqual([room]);
  expect(left).toEqual([]);
});

test('where their leaving had been pushed before the room was known, the room is closed and another one wanted', async () => {
  const { chat, room, membership, found, readBack, clock, heard, left, state } = await aRoom();
  await heard();
  found.members = [];
  await membership.ask(chat);
  clock.advance(10_000);
  expect(await membership.ask(chat)).toBe('again');
  expect(readBack).toEqual([room]);
  expect(left).toEqual([room]);
  expect(await state()).toEqual({ at: 'wanted' });
});

test('a room that the ghost has lost is for sending to find out; a homeserver that is away is waited for', async () => {
  const { chat, membership, found } = await aRoom();
  found.error = new BridgeError('matrix.forbidden', 'not in it');
  expect(await membership.ask(chat)).toBe('there');
  found.error = new BridgeError('matrix.unreachable', 'away', { retry: 'later' });
  await expect(membership.ask(chat)).resolves.toBe('there');
  membership.suspect();
  await expect(membership.ask(chat)).rejects.toMatchObject({ code: 'matrix.unreachable' });
});

test('who was never invited, for the homeserver died over it, is invited before anything is said', async () => {
  const { chat, membership, found, invited, asked } = await aRoom();
  Object.assign(found, { members: [], wasInvited: false });
  expect([await membership.ask(chat), await membership.ask(chat)]).toEqual(['there', 'there']);
  expect(invited).toEqual([chat.account.user]);
  expect(asked).toHaveLength(1);
});

test('who takes no invitations is told so once, and invited again now and then until it succeeds', async () => {
  const { chat, membership, found, invited, readBack, bot } = await aRoom();
  const invitationError = new BridgeError('matrix.forbidden', 'POST invite: 403 M_INVITE_BLOCKED');
  Object.assign(found, { members: [], wasInvited: false, invitationError });
  expect(await membership.ask(chat)).toEqual({ waitMs: 600_000 });
  expect(await bot()).toContain('Accept invitations from example.org');
  expect(await membership.ask(chat)).toEqual({ waitMs: 600_000 });
  expect(await bot()).toBeUndefined();
  expect(readBack).toEqual([]);
  found.invitationError = undefined;
  expect(await membership.ask(chat)).toBe('there');
  expect(invited).toEqual([chat.account.user]);
});

test('a user who was invited and has gone is not invited again', async () => {
  const { chat, membership, found, invited } = await aRoom();
  found.members = [];
  expect(await membership.ask(chat)).toEqual({ waitMs: 1_000 });
  expect(invited).toEqual([]);
});

test('a leaving that was never pushed and is too old to be read back holds its chat no longer', async () => {
  const { chat, membership, found, clock, left, room, state } = await aRoom();
  found.members = [];
  clock.advance(25 * 60 * 60 * 1000);
  await membership.ask(chat);
  clock.advance(10_000);
  expect(await membership.ask(chat)).toBe('again');
  expect(left).toEqual([room]);
  expect(await state()).toEqual({ at: 'wanted' });
});
