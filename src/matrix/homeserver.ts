// The client API as one of our users: the port `Homeserver` on HTTP.
import { randomUUID } from 'node:crypto';
import { z } from 'zod';
import type { Actor } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import {
  type AccountId,
  type ActorId,
  type EventId,
  localpartOf,
  type RoomId,
  type SendId,
  type UserId,
} from '../model/ids.ts';
import type { JsonObject, KeptEvent, MatrixEvent } from '../model/journal.ts';
import type { Homeserver, PortalRoomSpec, SpacePlace, SpaceSpec, StateEvent } from '../model/matrix.ts';
import type { MediaUri } from '../model/media.ts';
import { Serial } from '../model/serial.ts';
import { type ClientApi, isError, unless } from './client-api.ts';
import { type ClientRequest, request, sendEndpoint } from './client-request.ts';
import { bridgeInfoTypes, createRoomRequest } from './portal-room.ts';
import { bundledEdit, bundledRedaction, readable, roomEvent } from './room-event.ts';
import { createSpaceRequest, spaceAccount } from './space-room.ts';

export interface ClientHomeserverOptions {
  readonly api: ClientApi;
  readonly serviceId: string;
  /** Whether we have keys of this actor's device. */
  readonly hasKeys: (actor: Actor) => Promise<boolean>;
  /** Publishes the device keys and the cross-signing identity of an actor whose device exists. */
  readonly publishIdentity: (actor: Actor) => Promise<void>;
}

export class ClientHomeserver implements Homeserver {
  readonly #api: ClientApi;
  readonly #serviceId: string;
  readonly #hasKeys: (actor: Actor) => Promise<boolean>;
  readonly #publishIdentity: (actor: Actor) => Promise<void>;
  readonly #preparing = new Serial<ActorId>();

  constructor(options: ClientHomeserverOptions) {
    this.#api = options.api;
    this.#serviceId = options.serviceId;
    this.#hasKeys = options.hasKeys;
    this.#publishIdentity = options.publishIdentity;
  }

  /** One at a time for each actor: the second finds what the first has made. */
  prepare(actor: Actor): Promise<void> {
    return this.#preparing.run(actor.id, () => this.#prepare(actor));
  }

  async #prepare(actor: Actor): Promise<void> {
    // Without `inhibit_login` a server with MSC4190 refuses: appservices do not log in, they name their devices.
    const registration = {
      type: 'm.login.application_service',
      username: localpartOf(actor.user),
      inhibit_login: true,
    };
    await unless('user-in-use', this.#api.asService(request('POST register', {}, { body: registration })));
    // A device whose keys we have lost keeps its one-time keys there, and no others are taken under their ids.
    if (!(await this.#hasKeys(actor))) {
      const deletion = request('DELETE devices/{device}', { device: actor.device }, { body: {} });
      await unless('not-found', this.#api.asUser(actor, deletion));
    }
    const body = { display_name: 'WhatsApp bridge' };
    await this.#api.asUser(actor, request('PUT devices/{device}', { device: actor.device }, { body }));
    await this.#publishIdentity(actor);
  }

  /** Not as a device: the profile of an actor whose device has been deleted can still be emptied. */
  async setDisplayName(actor: Actor, name: string): Promise<void> {
    const body = { displayname: name };
    await this.#api.asUser(actor, request('PUT profile/{user}/displayname', { user: actor.user }, { body }));
  }

  async displayName(user: UserId): Promise<string | undefined> {
    const asked = request('GET profile/{user}/displayname', { user });
    const answer = await unless(['not-found', 'forbidden'], this.#api.asService(asked));
    return typeof answer?.displayname === 'string' ? answer.displayname : undefined;
  }

  /** As the name is set. */
  async setAvatar(actor: Actor, avatar: MediaUri | undefined): Promise<void> {
    const body = { avatar_url: avatar ?? '' };
    await this.#api.asUser(actor, request('PUT profile/{user}/avatar_url', { user: actor.user }, { body }));
  }

  createPortalRoom(actor: Actor, spec: PortalRoomSpec): Promise<RoomId> {
    return this.#create(actor, createRoomRequest(spec));
  }

  async findPortalRoom(actor: Actor, stateKey: string): Promise<RoomId | undefined> {
    for (const room of await this.#joinedRooms(actor)) {
      if ((await this.#state(actor, room, bridgeInfoTypes[0], stateKey)) !== undefined) return room;
    }
    return undefined;
  }

  createSpace(actor: Actor, spec: SpaceSpec): Promise<RoomId> {
    return this.#create(actor, createSpaceRequest(spec));
  }

  async findSpace(actor: Actor, account: AccountId, otherRooms: ReadonlySet<RoomId>): Promise<RoomId | undefined> {
    for (const room of await this.#joinedRooms(actor)) {
      if (otherRooms.has(room)) continue;
      const creation = await this.#state(actor, room, 'm.room.create', '');
      if (creation?.[spaceAccount] === account) return room;
    }
    return undefined;
  }

  async placeInSpace(actor: Actor, space: RoomId, room: RoomId, place: SpacePlace | undefined): Promise<void> {
    // Without `via` a room is not in the Space, whatever else stands there.
    const body = place === undefined ? {} : { via: [place.via], order: place.order };
    const params = { room: space, child: room };
    await this.#api.asDevice(actor, request('PUT rooms/{room}/state/m.space.child/{child}', params, { body }));
  }

  async setRoomName(actor: Actor, room: RoomId, name: string): Promise<void> {
    await this.#api.asDevice(actor, request('PUT rooms/{room}/state/m.room.name/', { room }, { body: { name } }));
  }

  async join(actor: Actor, room: RoomId, via?: string): Promise<void> {
    // `server_name` is what `via` was called before Matrix 1.12.
    const query = via === undefined ? {} : { via, server_name: via };
    await this.#api.asDevice(actor, request('POST join/{room}', { room }, { body: {}, query }));
  }

  async resolveAlias(alias: string): Promise<{ readonly room: RoomId; readonly via: string | undefined } | undefined> {
    const asked = request('GET directory/room/{alias}', { alias });
    const answer = await unless(['not-found', 'forbidden', 'refused'], this.#api.asService(asked));
    if (answer === undefined) return undefined;
    const { room_id: room, servers } = parsed(directoryEntry, answer, asked);
    return { room: room as RoomId, via: servers?.[0] };
  }

  async state(actor: Actor, room: RoomId): Promise<readonly StateEvent[] | undefined> {
    const asked = request('GET rooms/{room}/state', { room });
    const list = await unless(['not-found', 'forbidden'], this.#api.listAsDevice(actor, asked));
    // Whoever has left is shown the room as it was then.
    const events = (list ?? []).flatMap((event) => stateEvent.safeParse(event).data ?? []);
    const own = events.find(({ type, state_key }) => type === 'm.room.member' && state_key === actor.user);
    if (own?.content.membership !== 'join') return undefined;
    return events.map(({ type, state_key, content }) => ({ type, stateKey: state_key, content }));
  }

  async invite(actor: Actor, room: RoomId, user: UserId): Promise<void> {
    try {
      const body = { user_id: user };
      await this.#api.asDevice(actor, request('POST rooms/{room}/invite', { room }, { body }));
    } catch (error) {
      // Inviting a member is forbidden; a repeated call is not to fail for it.
      if (!isError(error, 'matrix.forbidden') || !(await this.members(actor, room)).has(user)) throw error;
    }
  }

  async leave(actor: Actor, room: RoomId): Promise<void> {
    try {
      // Leaving needs no device, and may be all that is left to do where that is lost.
      await this.#api.asUser(actor, request('POST rooms/{room}/leave', { room }, { body: {} }));
    } catch (error) {
      // Where it is not, it cannot leave; a repeated call is not to fail for it.
      if (!isError(error, 'matrix.forbidden', 'matrix.not-found')) throw error;
      if ((await this.state(actor, room)) !== undefined) throw error;
    }
  }

  async kick(actor: Actor, room: RoomId, user: UserId): Promise<void> {
    const removal = request('POST rooms/{room}/kick', { room }, { body: { user_id: user } });
    await unless(['forbidden', 'not-found'], this.#api.asDevice(actor, removal));
  }

  async members(actor: Actor, room: RoomId): Promise<ReadonlyMap<UserId, 'join' | 'invite'>> {
    const asked = request('GET rooms/{room}/members', { room });
    const { chunk } = parsed(memberList, await this.#api.asDevice(actor, asked), asked);
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

  async send(
    actor: Actor,
    room: RoomId,
    type: string,
    sendId: SendId,
    content: JsonObject,
    writtenAt?: number,
  ): Promise<EventId> {
    const query = writtenAt === undefined ? {} : { query: { ts: String(writtenAt) } };
    const sending = request(sendEndpoint(type), { room, txn: sendId }, { body: content, ...query });
    const answer = await this.#api.asDevice(actor, sending);
    return parsed(z.object({ event_id: z.string() }), answer, sending).event_id as EventId;
  }

  async lastSent(actor: Actor, room: RoomId, type: string, limit: number): Promise<readonly MatrixEvent[]> {
    return this.#last(actor, room, limit, { senders: [actor.user], types: [type] });
  }

  async lastOfOthers(actor: Actor, room: RoomId, limit: number, before?: EventId): Promise<readonly MatrixEvent[]> {
    const others = { not_senders: [actor.user] };
    if (before === undefined) return this.#last(actor, room, limit, others);
    // Half of it stands before the event.
    const query = { limit: String(2 * limit), filter: JSON.stringify(others) };
    const asked = request('GET rooms/{room}/context/{event}', { room, event: before }, { query });
    const around = z.object({ events_before: z.array(z.unknown()).catch([]) });
    return readable(parsed(around, await this.#api.asDevice(actor, asked), asked).events_before);
  }

  async #last(actor: Actor, room: RoomId, limit: number, filter: JsonObject): Promise<readonly MatrixEvent[]> {
    const query = { dir: 'b', limit: String(limit), filter: JSON.stringify(filter) };
    const asked = request('GET rooms/{room}/messages', { room }, { query });
    const { chunk } = parsed(z.object({ chunk: z.array(z.unknown()) }), await this.#api.asDevice(actor, asked), asked);
    return readable(chunk);
  }

  async redact(actor: Actor, room: RoomId, event: EventId, sendId: SendId): Promise<EventId | undefined> {
    const params = { room, event, txn: sendId };
    const redaction = request('PUT rooms/{room}/redact/{event}/{txn}', params, { body: {} });
    const answer = await unless(['not-found', 'forbidden'], this.#api.asDevice(actor, redaction));
    return answer && (parsed(z.object({ event_id: z.string() }), answer, redaction).event_id as EventId);
  }

  async sendReadReceipt(actor: Actor, room: RoomId, event: EventId): Promise<void> {
    const receipt = request('POST rooms/{room}/receipt/m.read/{event}', { room, event }, { body: {} });
    await this.#api.asDevice(actor, receipt);
  }

  async setTyping(actor: Actor, room: RoomId, forMs: number | undefined): Promise<void> {
    const body = forMs === undefined ? { typing: false } : { typing: true, timeout: forMs };
    await this.#api.asDevice(actor, request('PUT rooms/{room}/typing/{user}', { room, user: actor.user }, { body }));
  }

  async event(actor: Actor, room: RoomId, event: EventId): Promise<KeptEvent | undefined> {
    const asked = request('GET rooms/{room}/event/{event}', { room, event });
    const answer = await unless(['not-found', 'forbidden'], this.#api.asDevice(actor, asked));
    const parsed = roomEvent.safeParse({ room_id: room, ...answer });
    if (!parsed.success) return undefined;
    const { data: bundled } = bundledEdit.safeParse(answer);
    const edit = roomEvent.safeParse({ room_id: room, ...bundled?.unsigned['m.relations']['m.replace'] });
    const { data: redacted } = bundledRedaction.safeParse(answer);
    const redaction = redacted?.unsigned.redacted_because.event_id as EventId | undefined;
    return {
      ...(parsed.data as MatrixEvent),
      ...(edit.success ? { edit: edit.data as MatrixEvent } : {}),
      ...(redaction === undefined ? {} : { redaction }),
    };
  }

  async provokePush({ user, device }: Actor): Promise<void> {
    const endpoint = 'PUT sendToDevice/{type}/{txn}';
    const body = { messages: { [user]: { [device]: {} } } };
    await this.#api.asService(request(endpoint, { type: 'm.dummy', txn: randomUUID() }, { body }));
  }

  async ping(): Promise<void> {
    const endpoint = 'POST /_matrix/client/v1/appservice/{service}/ping';
    const body = { transaction_id: randomUUID() };
    await unless('reached-already', this.#api.asService(request(endpoint, { service: this.#serviceId }, { body })));
  }

  async #create(actor: Actor, body: JsonObject): Promise<RoomId> {
    const creation = request('POST createRoom', {}, { body });
    const answer = await this.#api.asDevice(actor, creation);
    return parsed(z.object({ room_id: z.string() }), answer, creation).room_id as RoomId;
  }

  async #joinedRooms(actor: Actor): Promise<readonly RoomId[]> {
    const asked = request('GET joined_rooms', {});
    const answer = await this.#api.asDevice(actor, asked);
    return parsed(z.object({ joined_rooms: z.array(z.string()) }), answer, asked).joined_rooms as RoomId[];
  }

  #state(actor: Actor, room: RoomId, type: string, stateKey: string): Promise<JsonObject | undefined> {
    const asked = request('GET rooms/{room}/state/{type}/{key}', { room, type, key: stateKey });
    return unless('not-found', this.#api.asDevice(actor, asked));
  }
}

const directoryEntry = z.object({ room_id: z.string(), servers: z.array(z.string()).optional() });

const stateEvent = z.object({ type: z.string(), state_key: z.string(), content: z.record(z.string(), z.unknown()) });

const memberList = z.object({
  chunk: z.array(z.object({ state_key: z.string(), content: z.object({ membership: z.string() }) })),
});

function parsed<T>(schema: z.ZodType<T>, answer: JsonObject, { endpoint }: ClientRequest): T {
  const result = schema.safeParse(answer);
  if (result.success) return result.data;
  const what = `${endpoint}: the answer is not what the specification says`;
  throw new BridgeError('matrix.server-error', what, { retry: 'later' });
}
