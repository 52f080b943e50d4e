// The port to the homeserver: the client API as one of our users, and end-to-end encryption with that user's own device.
import type { Actor } from './contact.ts';
import type { AccountId, EventId, RoomId, SendId, UserId } from './ids.ts';
import type { JsonObject, KeptEvent, MatrixEvent, NewTransaction } from './journal.ts';
import type { MediaUri } from './media.ts';
import type { DevicePolicy } from './trust.ts';

export interface PortalRoomSpec {
  /** Undefined: clients show the ghost's own name, which then needs no second update. */
  readonly name: string | undefined;
  readonly topic: string;
  readonly invite: UserId;
  readonly federate: boolean;
  /** MSC2346 bridge info. `stateKey` is unique per bridge and portal: by it a killed creation is found again. */
  readonly bridgeInfo: { readonly stateKey: string; readonly content: JsonObject };
}

export interface SpaceSpec {
  readonly name: string;
  readonly topic: string;
  readonly invite: UserId;
  readonly federate: boolean;
  /** For whom it is: by that a killed creation is found again. */
  readonly account: AccountId;
}

/** How a room stands in a Space (Matrix spec, `m.space.child`). */
export interface SpacePlace {
  /** A server by which the room can be reached. */
  readonly via: string;
  /** At most 50 characters from space to `~`; children are sorted by it, by code point. */
  readonly order: string;
}

/** A state event, by what counts in it. */
export interface StateEvent {
  readonly type: string;
  readonly stateKey: string;
  readonly content: JsonObject;
}

/**
 * The client API. Every call is made as one of our users, from its own device, and may be repeated.
 * Rejects with BridgeError `matrix.*`: `retry: 'later'` (with `retryAfterMs` where the homeserver said so) for what passes by itself.
 */
export interface Homeserver {
  /** Registers the user, its device and its cross-signing identity as far as they are missing. Repeatable at any point. */
  prepare(actor: Actor): Promise<void>;
  /** Empty: the actor has no name any more. */
  setDisplayName(actor: Actor, name: string): Promise<void>;
  displayName(user: UserId): Promise<string | undefined>;
  /** Undefined: the actor shows no picture any more. */
  setAvatar(actor: Actor, avatar: MediaUri | undefined): Promise<void>;
  /** Creates an encrypted, invite-only direct chat; only `actor` may invite or change encryption, history or membership rules. */
  createPortalRoom(actor: Actor, spec: PortalRoomSpec): Promise<RoomId>;
  /** A room that `actor` has joined and whose bridge info carries this state key. */
  findPortalRoom(actor: Actor, stateKey: string): Promise<RoomId | undefined>;
  /** Creates a Space that nobody but `actor` can change or invite to. */
  createSpace(actor: Actor, spec: SpaceSpec): Promise<RoomId>;
  /** A Space that `actor` has made for this account and not left; `otherRooms` are not looked at. */
  findSpace(actor: Actor, account: AccountId, otherRooms: ReadonlySet<RoomId>): Promise<RoomId | undefined>;
  /** Puts a room into a Space, or (`undefined`) takes it out. The same again changes nothing. */
  placeInSpace(actor: Actor, space: RoomId, room: RoomId, place: SpacePlace | undefined): Promise<void>;
  setRoomName(actor: Actor, room: RoomId, name: string): Promise<void>;
  /** `via`: a server by which it can be reached, if this one does not know the room. */
  join(actor: Actor, room: RoomId, via?: string): Promise<void>;
  /** The room of this alias; undefined where there is none. */
  resolveAlias(alias: string): Promise<{ readonly room: RoomId; readonly via: string | undefined } | undefined>;
  /** The state of a room; undefined where `actor` has not joined it. Fails as `matrix.answer-too-large` beyond 32 MiB. */
  state(actor: Actor, room: RoomId): Promise<readonly StateEvent[] | undefined>;
  invite(actor: Actor, room: RoomId, user: UserId): Promise<void>;
  /** A room that `actor` is not in, or that is gone, is left already. */
  leave(actor: Actor, room: RoomId): Promise<void>;
  /** Takes an invitation back, or removes a member; whoever is neither is left alone. */
  kick(actor: Actor, room: RoomId, user: UserId): Promise<void>;
  /** Users who have joined or are invited, each with that membership. */
  members(actor: Actor, room: RoomId): Promise<ReadonlyMap<UserId, 'join' | 'invite'>>;
  isEncrypted(actor: Actor, room: RoomId): Promise<boolean>;
  /**
   * Sends a finished event. The same `sendId` with the same content is the same event, however often it is sent, as long as the homeserver
   * remembers the id: Synapse for 24 hours, unless the device is gone. A reaction that is there already fails as `matrix.duplicate-annotation`.
   * `writtenAt`: what clients show as its time, in milliseconds since the Unix epoch by our clock; absent: now.
   */
  send(
    actor: Actor,
    room: RoomId,
    type: string,
    sendId: SendId,
    content: JsonObject,
    writtenAt?: number,
  ): Promise<EventId>;
  /** The last `limit` events of this type that `actor` has sent into this room, the latest first. */
  lastSent(actor: Actor, room: RoomId, type: string, limit: number): Promise<readonly MatrixEvent[]>;
  /** The last `limit` events of this room that `actor` has not sent itself, or the last before the event `before`; the latest first. */
  lastOfOthers(actor: Actor, room: RoomId, limit: number, before?: EventId): Promise<readonly MatrixEvent[]>;
  /** Redacts an event of the same user. Resolves to the redaction; undefined where there is no such event, or it may not. */
  redact(actor: Actor, room: RoomId, event: EventId, sendId: SendId): Promise<EventId | undefined>;
  /** Marks everything up to this event as read by `actor`, for everybody to see. Never goes back. */
  sendReadReceipt(actor: Actor, room: RoomId, event: EventId): Promise<void>;
  /** Shows `actor` as typing for at most `forMs` milliseconds; undefined: not any more. */
  setTyping(actor: Actor, room: RoomId, forMs: number | undefined): Promise<void>;
  /** An event as the homeserver keeps it; undefined where there is none, or none for `actor`. */
  event(actor: Actor, room: RoomId, event: EventId): Promise<KeptEvent | undefined>;
  /** Sends the actor's own device a message that says nothing: the homeserver pushes it, as it pushes whatever else is new. */
  provokePush(actor: Actor): Promise<void>;
  /** Asks the homeserver to reach us; also makes it retry at once what it could not push. */
  ping(): Promise<void>;
}

/** The result of encrypting for one Matrix user. */
export type MatrixEncryption =
  | { readonly outcome: 'encrypted'; readonly type: string; readonly content: JsonObject }
  /** The user has no device that may receive keys under the policy: encrypting now would be unreadable for ever. */
  | { readonly outcome: 'no-eligible-device' }
  /** The user's master key is not the pinned one. */
  | { readonly outcome: 'identity-changed'; readonly seen: string };

/** Which message under a room key something is: no two are the same. */
export interface RoomKeyUse {
  readonly session: string;
  readonly index: number;
}

export type MatrixDecryption =
  | {
      readonly outcome: 'decrypted';
      readonly type: string;
      readonly content: JsonObject;
      /** Whether the sending device is cross-signed by its owner's current identity. */
      readonly crossSigned: boolean;
      /** The owner's current master key, if there is one. */
      readonly masterKey: string | undefined;
      readonly use: RoomKeyUse;
    }
  /** The room key has not come (yet). */
  | { readonly outcome: 'missing-key' }
  | { readonly outcome: 'failed'; readonly code: string };

export interface UserDevices {
  readonly masterKey: string | undefined;
  /** How many devices may receive keys under the policy. */
  readonly eligible: number;
}

/** End-to-end encryption: one machine per actor, opened on demand. */
export interface MatrixCrypto {
  /**
   * Shares the room key with `recipient` as needed and encrypts. `pinned` is the user's pinned master key (undefined: first use).
   * The outcomes other than `encrypted` have sent nothing.
   */
  encrypt(
    actor: Actor,
    room: RoomId,
    recipient: UserId,
    pinned: string | undefined,
    policy: DevicePolicy,
    type: string,
    content: JsonObject,
  ): Promise<MatrixEncryption>;
  /** Likewise for whoever of `users` has an eligible device; `no-eligible-device` where nobody has. */
  encryptForAll(
    actor: Actor,
    room: RoomId,
    users: readonly UserId[],
    policy: DevicePolicy,
    type: string,
    content: JsonObject,
  ): Promise<MatrixEncryption>;
  decrypt(actor: Actor, event: MatrixEvent): Promise<MatrixDecryption>;
  /** Fetches the user's current devices and identity from the homeserver. */
  devicesOf(actor: Actor, user: UserId, policy: DevicePolicy): Promise<UserDevices>;
  /** Feeds the key part of a pushed transaction to the machines concerned. One actor's failure does not concern the others. */
  receive(body: JsonObject, actors: readonly Actor[]): Promise<void>;
  /** Actors whose machines are open: what they know of devices is not asked for again by itself. */
  openActors(): readonly Actor[];
  /** Fetches to-device messages that the homeserver dropped while we were away, by `/sync` as the actor's device. */
  recover(actor: Actor): Promise<void>;
  /** Destroys every room key of a room that this actor holds. */
  forgetRoom(actor: Actor, room: RoomId): Promise<void>;
  /** The actor follows this user's devices no longer, and forgets whose they were. */
  forgetUser(actor: Actor, user: UserId): Promise<void>;
  /** Deletes the actor's device and destroys its keys. */
  destroy(actor: Actor): Promise<void>;
  close(): Promise<void>;
}

/** What the crypto layer tells the domain. */
export interface MatrixCryptoEvents {
  /** New room keys: events that waited for them may be tried again. */
  roomKeys(rooms: readonly RoomId[]): void;
  /** A user's devices or identity have changed. */
  devicesChanged(users: readonly UserId[]): void;
}

/** A user has read a room up to this event, and lets everybody know. */
export interface ReadReceipt {
  readonly room: RoomId;
  readonly user: UserId;
  readonly event: EventId;
}

/** Everybody who types in a room, from now on. */
export interface TypingUsers {
  readonly room: RoomId;
  readonly users: readonly UserId[];
}

/** What is pushed once, and lost where it is not taken. */
export interface Ephemeral {
  readonly receipts: readonly ReadReceipt[];
  readonly typing: readonly TypingUsers[];
}

/** What the transaction endpoint needs of the rest. It answers 200 only after `store` has resolved. */
export interface TransactionSink {
  /** Stores it durably, once, whatever is pushed again; resolves after the commit. */
  store(transaction: NewTransaction, ephemeral: Ephemeral): Promise<void>;
  /** The homeserver pushes over another connection than before: it may have been restarted. */
  reconnected(): void;
  /** Whether a user or a room alias in our namespace exists or may be created. */
  userExists(user: UserId): Promise<boolean>;
}
