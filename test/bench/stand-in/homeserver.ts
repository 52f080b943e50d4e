// A stand-in for the homeserver, in a process of its own: it takes what the bridge sends at once, and pushes transactions that were
// recorded before, so that what is measured is the bridge.
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import type { JsonObject } from '../../../src/model/journal.ts';
import { answer, sharedNow } from '../apart.ts';
import { KeyServer } from './keys.ts';
import { Pushes, type PushTarget } from './pushes.ts';
import { StandInUser, type ToDevice } from './user.ts';

const serverName = 'localhost';
/** As clients take it. */
const fewKeys = 25;
const keys = new KeyServer();
let user: StandInUser | undefined;
let pushes: Pushes | undefined;

interface Room {
  readonly id: string;
  readonly ghost: string;
  /** When each message of the ghost was taken. */
  readonly taken: number[];
  /** The last ones, by transaction id: what is sent again because its answer did not come is the same event. */
  readonly sent: Map<string, JsonObject>;
}

/** Of each room. */
const remembered = 50;

/** In the order in which they were made. */
const rooms = new Map<string, Room>();
const requests = new Map<string, number>();
let echoes = false;
let holding: { readonly released: Promise<void>; release(): void } | undefined;

/** What was recorded: one event, and what is pushed to devices before it. */
interface Recorded {
  readonly room: Room;
  readonly event: JsonObject;
  readonly toDevice: readonly ToDevice[];
}
let recorded: Recorded[] = [];

const requireUser = (): StandInUser => {
  if (user === undefined) throw new Error('there is no user yet');
  return user;
};
const requirePushes = (): Pushes => {
  if (pushes === undefined) throw new Error('it is not known yet where to push');
  return pushes;
};

const eventId = (): string => `$${randomBytes(32).toString('base64url')}`;

function roomEvent(room: string, sender: string, type: string, content: JsonObject, more: JsonObject = {}): JsonObject {
  const event_id = eventId();
  return { event_id, room_id: room, sender, type, content, origin_server_ts: Date.now(), ...more };
}

interface Asked {
  readonly as: string;
  readonly device: string;
  readonly segments: readonly string[];
  body(): Promise<JsonObject>;
}

type Handler = (asked: Asked) => JsonObject | undefined | Promise<JsonObject | undefined>;

const nothing: Handler = () => ({});

/** Every ghost takes a one-time key of the user, who makes others in time. */
async function claim(body: JsonObject): Promise<JsonObject> {
  const claimed = keys.claim(body);
  if ((keys.counts(requireUser().id)?.oneTimeKeys ?? 0) < fewKeys) await requireUser().topUp();
  return claimed;
}

/** By method and the first segment below /_matrix/client/v3. Undefined is answered 404. */
const handlers: Readonly<Record<string, Handler>> = {
  'POST register': async ({ body }) => ({ user_id: `@${(await body()).username}:${serverName}` }),
  'PUT devices': nothing,
  'DELETE devices': nothing,
  'GET profile': () => undefined,
  'PUT profile': nothing,
  'POST keys': async ({ as, device, segments, body }) => {
    switch (segments.slice(1).join('/')) {
      case 'upload':
        return keys.upload(as, device, await body());
      case 'device_signing/upload':
        return keys.uploadCrossSigning(as, await body());
      case 'signatures/upload':
        return keys.uploadSignatures(await body());
      case 'query':
        return keys.query(await body());
      case 'claim':
        return claim(await body());
      default:
        return undefined;
    }
  },
  'PUT sendToDevice': nothing,
  'GET sync': ({ as }) => ({
    next_batch: `s${Date.now()}`,
    to_device: { events: [] },
    device_one_time_keys_count: { signed_curve25519: keys.counts(as)?.oneTimeKeys ?? 0 },
    device_unused_fallback_key_types: ['signed_curve25519'],
  }),
  'GET joined_rooms': () => ({ joined_rooms: [] }),
  'POST createRoom': ({ as }) => {
    const room: Room = {
      id: `!${randomBytes(12).toString('hex')}:${serverName}`,
      ghost: as,
      taken: [],
      sent: new Map(),
    };
    rooms.set(room.id, room);
    return { room_id: room.id };
  },
  'PUT rooms': async ({ as, segments, body }) => {
    const [, id = '', action, type = '', transaction = ''] = segments;
    const content = await body();
    if (action !== 'send') return {};
    if (holding !== undefined) await holding.released;
    const room = rooms.get(id);
    const before = room?.sent.get(transaction);
    if (before !== undefined) return { event_id: before.event_id };
    const event = roomEvent(id, as, type, content);
    room?.taken.push(sharedNow());
    room?.sent.set(transaction, event);
    const [oldest] = room?.sent.keys() ?? [];
    if (room !== undefined && oldest !== undefined && room.sent.size > remembered) room.sent.delete(oldest);
    // A homeserver pushes the events of our own users as well.
    if (echoes) requirePushes().add(event, as);
    return { event_id: event.event_id };
  },
  'GET rooms': ({ segments }) => {
    const [, id = '', action] = segments;
    const room = rooms.get(id);
    const ghost = room?.ghost ?? '';
    if (action === 'messages') return { chunk: [...(room?.sent.values() ?? [])].reverse() };
    const member = (name: string) => ({ state_key: name, content: { membership: 'join' } });
    return action === 'members' ? { chunk: [member(ghost), member(requireUser().id)] } : undefined;
  },
  'POST rooms': nothing,
  'POST appservice': nothing,
};

async function handle(request: IncomingMessage): Promise<JsonObject | undefined> {
  const url = new URL(request.url ?? '/', 'http://localhost');
  const segments = url.pathname.split('/').slice(4).map(decodeURIComponent);
  const name = `${request.method} ${segments[0]}`;
  requests.set(name, (requests.get(name) ?? 0) + 1);
  const as = url.searchParams.get('user_id') ?? '';
  const device = url.searchParams.get('device_id') ?? '';
  return handlers[name]?.({ as, device, segments, body: async () => JSON.parse((await text(request)) || '{}') });
}

const server = createServer(async (request, response) => {
  const result = await handle(request);
  request.resume();
  response.writeHead(result === undefined ? 404 : 200, { 'content-type': 'application/json' });
  response.end(JSON.stringify(result ?? { errcode: 'M_NOT_FOUND', error: 'There is nothing here.' }));
});
server.keepAliveTimeout = 60_000;

/** The rooms of the first `count` chats, in the order of their making. */
function chats(count: number): Room[] {
  const chosen = [...rooms.values()].slice(0, count);
  if (chosen.length < count) throw new Error(`there are ${chosen.length} rooms, not ${count}`);
  return chosen;
}

const calls = {
  listen: async (): Promise<string> => {
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  },
  /** Makes the user; answers the master key. */
  makeUser: async (id: string): Promise<string | undefined> => {
    user = await StandInUser.create(id, keys);
    return keys.masterKey(id);
  },
  pushTo: (target: PushTarget): void => {
    pushes = new Pushes(target, (user: string) => keys.counts(user));
  },
  /** Whether what the bridge sends is pushed back to it, as a homeserver does. */
  echo: (on: boolean): void => {
    echoes = on;
  },
  /** Sends of the bridge are not answered until `release`. */
  hold: (): void => {
    const { promise, resolve } = Promise.withResolvers<void>();
    holding = { released: promise, release: resolve };
  },
  release: (): void => {
    holding?.release();
    holding = undefined;
  },
  rooms: (): string[] => [...rooms.keys()],
  requests: (): Record<string, number> => Object.fromEntries(requests),
  /** How many messages of ghosts were taken in all. */
  taken: (): number => [...rooms.values()].reduce((sum, room) => sum + room.taken.length, 0),
  /** When each message of each of these chats was taken; forgotten afterwards. */
  takenAt: (count: number): number[][] => chats(count).map(({ taken }) => taken.splice(0)),
  /** The user joins the rooms of these chats. */
  join: async ({ from, count }: { from: number; count: number }): Promise<void> => {
    const { id: sender } = requireUser();
    for (const { id, ghost } of chats(from + count).slice(from)) {
      requirePushes().add(roomEvent(id, sender, 'm.room.member', { membership: 'join' }, { state_key: sender }), ghost);
    }
    await requirePushes().drained();
  },
  /** Writes `messages` texts, in turn into each of the chats, and keeps them for `replay`. */
  record: async ({ count, messages }: { count: number; messages: number }): Promise<void> => {
    const chosen = chats(count);
    recorded = [];
    for (let number = 0; number < messages; number += 1) {
      const room = chosen[number % count];
      if (room === undefined) return;
      const toDevice: ToDevice[] = [];
      const body = { msgtype: 'm.text', body: `message ${number} of a conversation as people have it` };
      const content = await requireUser().encrypt(room.id, room.ghost, body, (message) => toDevice.push(message));
      recorded.push({ room, event: roomEvent(room.id, requireUser().id, 'm.room.encrypted', content), toDevice });
    }
  },
  /**
   * Pushes what was recorded, at `perSecond` (as fast as it is taken where that is 0), as a homeserver does: one transaction after
   * another, each with what waits. Answers when each event of each chat was first sent, in order.
   */
  replay: async ({ count, perSecond }: { count: number; perSecond: number }): Promise<number[][]> => {
    const times = new Map(chats(count).map(({ id }) => [id, [] as number[]]));
    const started = sharedNow();
    for (const [index, { room, event, toDevice }] of recorded.entries()) {
      if (perSecond > 0) await until(started + (index * 1000) / perSecond);
      requirePushes().add(event, room.ghost, toDevice, (at) => times.get(room.id)?.push(at));
    }
    recorded = [];
    await requirePushes().drained();
    return [...times.values()];
  },
};

async function until(time: number): Promise<void> {
  const wait = time - sharedNow();
  if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
}

export type StandInHomeserver = typeof calls;
answer(calls);
