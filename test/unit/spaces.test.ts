// A Space is kept as its user wants it, one step after another; a homeserver that remembers what was asked of it stands in.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import { runCommand } from '../../src/bridge/bot/commands.ts';
import type { BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { depart } from '../../src/bridge/departures.ts';
import { departureOf } from '../../src/bridge/erasures.ts';
import { orderOf } from '../../src/bridge/spaces/children.ts';
import { keepSpace } from '../../src/bridge/spaces/keep-space.ts';
import { watched } from '../../src/bridge/spaces/moved-chats.ts';
import { handleSpaceEvent } from '../../src/bridge/spaces/space-events.ts';
import { type Account, type Arrangement, allOff } from '../../src/model/account.ts';
import { BridgeError } from '../../src/model/errors.ts';
import {
  type AccountId,
  botActorId,
  type DeviceId,
  type EventId,
  type RoomId,
  type UserId,
} from '../../src/model/ids.ts';
import type { MatrixEvent } from '../../src/model/journal.ts';
import type { Homeserver } from '../../src/model/matrix.ts';
import type { Portal } from '../../src/model/portal.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, openTestStore, present } from '../support/store.ts';

test('the order of a Space is that of the positions, in the characters that the specification allows', () => {
  const position = fc.integer({ min: 1, max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(position, position, (one, other) => {
      expect(orderOf(one)).toMatch(/^[\x20-\x7e]{1,50}$/);
      expect(orderOf(one) < orderOf(other)).toBe(one < other);
    }),
  );
});

/** What the homeserver has of Spaces: each with its owner, who is in it, and its children by their order. */
interface Room {
  readonly account: AccountId;
  readonly members: Set<UserId>;
  readonly children: Map<RoomId, string>;
}

class SpacesOfHomeserver {
  readonly rooms = new Map<RoomId, Room>();
  requests = 0;
  /** Thrown by the next request with this name, before or after it has been carried out. */
  failure: { readonly at: string; readonly carriedOut: boolean; readonly error: BridgeError } | undefined;

  get port(): Partial<Homeserver> {
    return {
      createSpace: (actor, { account, invite }) =>
        this.#request('createSpace', () => {
          const room = `!space${this.rooms.size}` as RoomId;
          this.rooms.set(room, { account, members: new Set([actor.user, invite]), children: new Map() });
          return room;
        }),
      findSpace: (actor, account, others) =>
        this.#request('findSpace', () => {
          const mine = [...this.rooms].filter(([, { members }]) => members.has(actor.user));
          return mine.find(([room, each]) => each.account === account && !others.has(room))?.[0];
        }),
      placeInSpace: (actor, space, room, place) =>
        this.#request('placeInSpace', () => {
          const { members, children } = present(this.rooms.get(space));
          if (!members.has(actor.user)) throw new BridgeError('matrix.forbidden', 'not in the room');
          if (place === undefined) children.delete(room);
          else children.set(room, place.order);
        }),
      members: (_actor, space) =>
        this.#request(
          'members',
          () => new Map([...present(this.rooms.get(space)).members].map((user) => [user, 'join'])),
        ),
      kick: (_actor, space, user) => this.#request('kick', () => void this.rooms.get(space)?.members.delete(user)),
      leave: (actor, space) => this.#request('leave', () => void this.rooms.get(space)?.members.delete(actor.user)),
    };
  }

  /** Those in which somebody is. */
  get inhabited(): Room[] {
    return [...this.rooms.values()].filter(({ members }) => members.size > 0);
  }

  async #request<Answer>(name: string, answer: () => Answer): Promise<Answer> {
    this.requests += 1;
    const { failure } = this;
    if (failure?.at !== name) return answer();
    this.failure = undefined;
    if (failure.carriedOut) answer();
    throw failure.error;
  }
}

const bot = { id: botActorId, user: '@bot:example.org' as UserId, device: 'BOT' as DeviceId };
const never = new AbortController().signal;
const later = new BridgeError('matrix.unreachable', 'away', { retry: 'later' });

let store: OpenStore;
let homeserver: SpacesOfHomeserver;
let context: BridgeContext;
let account: Account;
let portal: Portal;
let woken: Set<AccountId>;
let byDefault: Arrangement;

beforeEach(async () => {
  byDefault = 'combined';
  woken = new Set();
  homeserver = new SpacesOfHomeserver();
  store = await openTestStore();
  const settings: Partial<BridgeSettings> = {
    serverName: 'example.org',
    botName: 'Bridge',
    federatePortals: false,
    networks: ['whatsapp'],
    get arrangement() {
      return byDefault;
    },
  };
  const parts: Partial<BridgeContext> = {
    store: watched(store, (id) => woken.add(id)),
    homeserver: homeserver.port as Homeserver,
    settings: settings as BridgeSettings,
    bot,
    logger: createLogger({ level: 'silent' }),
    clock: { now: () => 1 } as BridgeContext['clock'],
  };
  context = parts as BridgeContext;
  ({ account, portal } = await aChat(store));
});

/** Until there is nothing left to do. */
async function keep(): Promise<void> {
  while ((await keepSpace(context, account.id, () => undefined, never)) === 'again');
}
const choose = (arrangement: Arrangement) =>
  store.commit([{ change: 'account.preferences', account: account.id, preferences: { ...allOff, arrangement } }]);
const roomOf = ({ state }: Portal): RoomId => (state.at === 'open' ? state.room : ('' as RoomId));
const inOrder = ({ children }: Room): RoomId[] =>
  [...children].sort(([, one], [, other]) => (one < other ? -1 : 1)).map(([room]) => room);
/** The Space of the user; fails where there is none, or more than one. */
function theSpace(): Room {
  expect(homeserver.inhabited).toHaveLength(1);
  return present(homeserver.inhabited[0]);
}
const choice = async () => (await store.accounts.preferences(account.id)).arrangement;

/** What the bot answers; commits what follows from it. */
async function ask(text: string): Promise<string> {
  const command = {
    user: account.user,
    room: account.managementRoom,
    event: `$${text}` as EventId,
    text,
    encrypted: true,
  };
  const effects = { wakeBot: () => undefined } as Partial<Parameters<typeof runCommand>[2]>;
  const handled = await runCommand(context, command, effects as Parameters<typeof runCommand>[2]);
  if (handled.kind !== 'done') throw new Error('an answer');
  await context.store.commit(handled.changes);
  const answers = handled.changes.flatMap((change) => (change.change === 'bot-message.add' ? [change.text] : []));
  return present(answers.at(-1));
}

/** The user's membership of their Space becomes this. */
async function userBecomes(membership: string): Promise<void> {
  const [[room, { members }]] = [...homeserver.rooms].slice(-1) as [[RoomId, Room]];
  if (membership !== 'join') members.delete(account.user);
  const event = { type: 'm.room.member', room_id: room, state_key: account.user, content: { membership } };
  const space = present(await store.spaces.byRoom(room));
  const handled = await handleSpaceEvent(context, space, event as unknown as MatrixEvent, { wakeBot: () => undefined });
  if (handled.kind === 'done') await context.store.commit(handled.changes);
}

describe('a user who wants it', () => {
  test('gets one Space with the chats in the order in which they began, and what comes and goes later', async () => {
    const { portal: second } = await aChat(store, { account });
    await choose('separate');
    await keep();
    expect([...theSpace().members]).toEqual([bot.user, account.user]);
    expect(inOrder(theSpace())).toEqual([roomOf(portal), roomOf(second)]);
    const { portal: third } = await aChat(store, { account });
    await store.commit([{ change: 'portal.state', portal: portal.id, state: { at: 'wanted' } }]);
    await keep();
    expect(inOrder(theSpace())).toEqual([roomOf(second), roomOf(third)]);
    const requests = homeserver.requests;
    await keep();
    expect(homeserver.requests).toBe(requests);
  });

  test('has it where the server does it so, until they say otherwise; and again', async () => {
    await keep();
    expect(homeserver.inhabited).toEqual([]);
    byDefault = 'separate';
    await keep();
    expect(inOrder(theSpace())).toEqual([roomOf(portal)]);
    const told = present(await store.botMessages.next(account.managementRoom));
    expect(told.text).toContain('On this server');
    await store.commit([{ change: 'bot-message.done', seq: told.seq }]);
    await choose('combined');
    await keep();
    expect(homeserver.inhabited).toEqual([]);
    await choose('separate');
    await keep();
    expect(await store.botMessages.next(account.managementRoom)).toBeUndefined();
    expect(inOrder(theSpace())).toEqual([roomOf(portal)]);
    expect(theSpace().members).toContain(account.user);
  });

  test.each(['createSpace', 'placeInSpace', 'kick', 'leave'])(
    'has one, or none, whichever %s was cut off',
    async (at) => {
      for (const carriedOut of [false, true]) {
        for (const wanted of ['separate', 'combined', 'separate'] as const) {
          await choose(wanted);
          homeserver.failure = { at, carriedOut, error: later };
          // The second look is at what the first has left, as after a restart.
          await keep().catch(() => undefined);
          await keep();
          homeserver.failure = undefined;
          if (wanted === 'separate') expect(inOrder(theSpace())).toEqual([roomOf(portal)]);
          else expect(homeserver.inhabited).toEqual([]);
        }
        await choose('combined');
        await keep();
      }
    },
  );

  test('who changes their mind while it is being taken away gets another one, and is in it', async () => {
    await choose('separate');
    await keep();
    await choose('combined');
    homeserver.failure = { at: 'leave', carriedOut: false, error: later };
    await expect(keep()).rejects.toBe(later);
    await choose('separate');
    await keep();
    expect(theSpace().members).toContain(account.user);
    expect(inOrder(theSpace())).toEqual([roomOf(portal)]);
  });

  test('who changes their mind while it is being made is left with none', async () => {
    await choose('separate');
    homeserver.failure = { at: 'createSpace', carriedOut: true, error: later };
    await expect(keep()).rejects.toBe(later);
    await choose('combined');
    await keep();
    expect(homeserver.inhabited).toEqual([]);
    expect(await store.spaces.of(account.id)).toBeUndefined();
  });
});

describe('to leave the Space', () => {
  test('is to want none, until it is asked for again', async () => {
    byDefault = 'separate';
    await keep();
    await userBecomes('join');
    expect(await choice()).toBeUndefined();
    await userBecomes('leave');
    await keep();
    expect(homeserver.inhabited).toEqual([]);
    expect(await choice()).toBe('combined');
    expect(await ask('inbox')).toContain('are among your other rooms');
    expect(await ask('inbox separate')).toContain('I invite you');
    await keep();
    expect(theSpace().members).toContain(account.user);
  });

  test('while the bridge was away is seen when the Space is found', async () => {
    await choose('separate');
    homeserver.failure = { at: 'createSpace', carriedOut: true, error: later };
    await expect(keep()).rejects.toBe(later);
    theSpace().members.delete(account.user);
    await keep();
    expect(homeserver.inhabited).toEqual([]);
    expect(await choice()).toBe('combined');
  });

  test('unnoticed is mended by asking again', async () => {
    await choose('separate');
    await keep();
    expect(await ask('inbox separate')).toContain('and stay there');
    theSpace().members.delete(account.user);
    expect(await ask('inbox separate')).toContain('I invite you');
    await keep();
    expect(theSpace().members).toContain(account.user);
    expect(inOrder(theSpace())).toEqual([roomOf(portal)]);
  });
});

test('a Space in which the bot can do nothing any more is given up, and not made again unasked', async () => {
  byDefault = 'separate';
  await keep();
  theSpace().members.delete(bot.user);
  await aChat(store, { account });
  await keep();
  expect(await store.spaces.of(account.id)).toBeUndefined();
  expect(await choice()).toBe('combined');
  expect(homeserver.rooms.size).toBe(1);
  const unasked = present(await store.botMessages.next(account.managementRoom));
  await store.commit([{ change: 'bot-message.done', seq: unasked.seq }]);
  expect((await store.botMessages.next(account.managementRoom))?.text).toContain('"inbox separate" makes another one');
});

test('opting out empties the Space, also one of which only the homeserver knows', async () => {
  for (const known of [true, false]) {
    ({ account, portal } = await aChat(store));
    await store.commit([{ change: 'portal.state', portal: portal.id, state: { at: 'wanted' } }]);
    await choose('separate');
    if (!known) homeserver.failure = { at: 'createSpace', carriedOut: true, error: later };
    await keep().catch(() => undefined);
    expect(theSpace().members).toContain(account.user);
    const departure = { ...(await departureOf(store, account)), chats: [] };
    await store.commit([{ change: 'account.erase', departure }]);
    expect(await depart(context, account.id, () => undefined)).toBe('again');
    expect(homeserver.inhabited).toEqual([]);
    expect((await store.accounts.departureOf('whatsapp', account.user))?.space).toBeUndefined();
  }
});

test('whoever’s chats a commit moves is looked at', async () => {
  const { account: other, contact } = await aChat(store);
  const { contact: same } = await aChat(store, { account: other });
  const commit = async (...changes: Parameters<OpenStore['commit']>[0]) => {
    woken.clear();
    await context.store.commit(changes);
    return [...woken];
  };
  const state = { at: 'wanted' } as const;
  expect(await commit({ change: 'portal.state', portal: portal.id, state })).toEqual([account.id]);
  expect(await commit({ change: 'account.preferences', account: other.id, preferences: allOff })).toEqual([other.id]);
  expect(await commit({ change: 'contact.merge', into: contact.id, from: same.id })).toEqual([other.id]);
  expect(await commit({ change: 'portal.name', portal: portal.id, givenName: 'Anna' })).toEqual([]);
});
