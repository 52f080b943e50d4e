// The client API as one of our users: the port `Homeserver` on HTTP.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Actor } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import { type EventId, localpartOf, type RoomId, type SendId, type UserId } from '../model/ids.ts';
import type { JsonObject, MatrixEvent } from '../model/journal.ts';
import type { Homeserver, PortalRoomSpec } from '../model/matrix.ts';
import type { MediaUri } from '../model/media.ts';
import { type ClientApi, type ClientRequest, isError, path } from './client-api.ts';
import { bridgeInfoTypes, createRoomRequest } from './portal-room.ts';
import { roomEvent } from './room-event.ts';

export interface ClientHomeserverOptions {
  readonly api: ClientApi;
  readonly serviceId: string;
  /** Publishes the device keys and the cross-signing identity of an actor whose device exists. */
  readonly publishIdentity: (actor: Actor) => Promise<void>;
}

export class ClientHomeserver implements Homeserver {
  readonly #api: ClientApi;
  readonly #serviceId: string;
  readonly #publishIdentity: (actor: Actor) => Promise<void>;

  constructor(options: ClientHomeserverOptions) {
    this.#api = options.api;
    this.#serviceId = options.serviceId;
    this.#publishIdentity = options.publishIdentity;
  }

  async prepare(actor: Actor): Promise<void> {
    // Without `inhibit_login` a server with MSC4190 refuses: appservices do not log in, they name their devices.
    const registration = {
      type: 'm.login.application_service',
      username: localpartOf(actor.user),
      inhibit_login: true,
    };
    await unless('user-in-use', this.#api.asService({ method: 'POST', path: path('register'), body: registration }));
    await this.#api.asUser(actor, {
      method: 'PUT',
      path: path('devices', actor.device),
      body: { display_name: 'WhatsApp bridge' },
    });
    await this.#publishIdentity(actor);
  }

  async setDisplayName(actor: Actor, name: string): Promise<void> {
    await this.#putProfile(actor, 'displayname', name);
  }

  async displayName(user: UserId): Promise<string | undefined> {
    const request = { method: 'GET', path: path('profile', user, 'displayname') } as const;
    const answer = await unless(['not-found', 'forbidden'], this.#api.asService(request));
    return typeof answer?.displayname === 'string' ? answer.displayname : undefined;
  }

  async setAvatar(actor: Actor, avatar: MediaUri | undefined): Promise<void> {
    await this.#putProfile(actor, 'avatar_url', avatar ?? '');
  }

  async createPortalRoom(actor: Actor, spec: PortalRoomSpec): Promise<RoomId> {
    const request = { method: 'POST', path: path('createRoom'), body: createRoomRequest(spec) } as const;
    const answer = await this.#api.asDevice(actor, request);
    return parsed(z.object({ room_id: z.string() }), answer, request).room_id as RoomId;
  }

  async findPortalRoom(actor: Actor, stateKey: string): Promise<RoomId | undefined> {
    const request = { method: 'GET', path: path('joined_rooms') } as const;
    const answer = await this.#api.asDevice(actor, request);
    const { joined_rooms: rooms } = parsed(z.object({ joined_rooms: z.array(z.string()) }), answer, request);
    for (const room of rooms as RoomId[]) {
      if ((await this.#state(actor, room, bridgeInfoTypes[0], stateKey)) !== undefined) return room;
    }
    return undefined;
  }

  async setRoomName(actor: Actor, room: RoomId, name: string): Promise<void> {
    await this.#put(actor, ['rooms', room, 'state', 'm.room.name', ''], { name });
  }

  async join(actor: Actor, room: RoomId): Promise<void> {
    await this.#post(actor, ['join', room], {});
  }

  async invite(actor: Actor, room: RoomId, user: UserId): Promise<void> {
    try {
      await this.#post(actor, ['rooms', room, 'invite'], { user_id: user });
    } catch (error) {
      // Inviting a member is forbidden; a repeated call is not to fail for it.
      if (!isError(error, 'matrix.forbidden') || !(await this.members(actor, room)).has(user)) throw error;
    }
  }

  async leave(actor: Actor, room: RoomId): Promise<void> {
    await unless(['forbidden', 'not-found'], this.#post(actor, ['rooms', room, 'leave'], {}));
  }

  async members(actor: Actor, room: RoomId): Promise<ReadonlyMap<UserId, 'join' | 'invite'>> {
    const request = { method: 'GET', path: path('rooms', room, 'members') } as const;
    const answer = await this.#api.asDevice(actor, request);
    const { chunk } = parsed(memberList, answer, request);
    const members = new Map<UserId, 'join' | 'invite'>();
    for (const { state_key, content } of chunk) {
      const { membership } = content;
      if (membership === 'join' || membership === 'invite') members.set(state_key as UserId, membership);
    }
    return members;
  }

  async isEncrypted(actor: Actor, room: RoomId): Promise<boolean> {
    return (await this.#state(actor, room, 'm.room.encryption', '')) !== undefined;
  }

  async send(actor: Actor, room: RoomId, type: string, sendId: SendId, content: JsonObject): Promise<EventId> {
    const segments = ['rooms', room, 'send', type, sendId];
    const request = { method: 'PUT', path: path(...segments), body: content } as const;
    const answer = await this.#api.asDevice(actor, request);
    return parsed(z.object({ event_id: z.string() }), answer, request).event_id as EventId;
  }

  async redact(actor: Actor, room: RoomId, event: EventId, sendId: SendId): Promise<EventId | undefined> {
    const request = { method: 'PUT', path: path('rooms', room, 'redact', event, sendId), body: {} } as const;
    const answer = await unless(['not-found', 'forbidden'], this.#api.asDevice(actor, request));
    return answer && (parsed(z.object({ event_id: z.string() }), answer, request).event_id as EventId);
  }

  async sendReadReceipt(actor: Actor, room: RoomId, event: EventId): Promise<void> {
    await this.#post(actor, ['rooms', room, 'receipt', 'm.read', event], {});
  }

  async setTyping(actor: Actor, room: RoomId, forMs: number | undefined): Promise<void> {
    const body = forMs === undefined ? { typing: false } : { typing: true, timeout: forMs };
    await this.#put(actor, ['rooms', room, 'typing', actor.user], body);
  }

  async event(actor: Actor, room: RoomId, event: EventId): Promise<MatrixEvent | undefined> {
    const request = { method: 'GET', path: path('rooms', room, 'event', event) } as const;
    const answer = await unless(['not-found', 'forbidden'], this.#api.asDevice(actor, request));
    const parsed = roomEvent.safeParse({ room_id: room, ...answer });
    return parsed.success ? (parsed.data as MatrixEvent) : undefined;
  }

  async ping(): Promise<void> {
    await this.#api.asService({
      method: 'POST',
      path: `/_matrix/client/v1/appservice/${encodeURIComponent(this.#serviceId)}/ping`,
      body: { transaction_id: randomUUID() },
    });
  }

  #state(actor: Actor, room: RoomId, type: string, stateKey: string): Promise<JsonObject | undefined> {
    const request = { method: 'GET', path: path('rooms', room, 'state', type, stateKey) } as const;
    return unless('not-found', this.#api.asDevice(actor, request));
  }

  /** Not as a device: the profile of an actor whose device has been deleted can still be emptied. */
  async #putProfile(actor: Actor, field: 'displayname' | 'avatar_url', value: string): Promise<void> {
    await this.#api.asUser(actor, {
      method: 'PUT',
      path: path('profile', actor.user, field),
      body: { [field]: value },
    });
  }

  #put(actor: Actor, segments: readonly string[], body: JsonObject): Promise<JsonObject> {
    return this.#api.asDevice(actor, { method: 'PUT', path: path(...segments), body });
  }

  #post(actor: Actor, segments: readonly string[], body: JsonObject): Promise<JsonObject> {
    return this.#api.asDevice(actor, { method: 'POST', path: path(...segments), body });
  }
}

const memberList = z.object({
  chunk: z.array(z.object({ state_key: z.string(), content: z.object({ membership: z.string() }) })),
});

/** Resolves to undefined where the homeserver's error is one that is expected here. */
async function unless(codes: string | readonly string[], answer: Promise<JsonObject>): Promise<JsonObject | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isError(error, ...[codes].flat().map((code) => `matrix.${code}`))) return undefined;
    throw error;
  }
}

function parsed<T>(schema: z.ZodType<T>, answer: JsonObject, request: ClientRequest): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  const what = `${request.method} ${request.path}: the answer is not what the specification says`;
  throw new BridgeError('matrix.server-error', what, { retry: 'later' });
}
