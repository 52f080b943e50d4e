// A Matrix user as Element would be: matrix-js-sdk with rust crypto, cross-signing, secret storage and key backup.
import type { MatrixClient, MatrixEvent, Room } from 'matrix-js-sdk';
import type { RoomMessageEventContent } from 'matrix-js-sdk/lib/@types/events.js';
import { loadMatrixSdk, type MatrixSdk } from './matrix-sdk.ts';
import {
  cryptoOf,
  type DeviceTrust,
  devicesKnown,
  deviceTrust,
  keysBackedUp,
  RecoveryKey,
  resetIdentity,
  restoreIdentity,
  type Shield,
  setUpIdentity,
  shieldOf,
  type UserTrust,
  userTrust,
} from './matrix-user-crypto.ts';
import { waitFor } from './matrix-wait.ts';

export type LoginOptions = {
  homeserverUrl: string;
  /** Localpart or Matrix ID. */
  user: string;
  password: string;
  deviceName?: string;
  /** From an earlier login; this one then verifies itself with it and restores the key backup. */
  recoveryKey?: string;
  /** MSC4153: neither reads from nor encrypts to devices that their owner has not cross-signed. */
  strict?: boolean;
  /** Leaves this device unsigned: a user without an identity, or an unverified further login of one who has it. */
  withoutCrossSigning?: boolean;
};

/** An event as this user sees it: after decryption, or with the reason why that failed. */
export type SeenEvent = {
  eventId: string;
  sender: string;
  type: string;
  msgtype: string | undefined;
  body: string | undefined;
  content: Record<string, unknown>;
  encrypted: boolean;
  /** The library's code, such as MEGOLM_KEY_WITHHELD; undefined when the event can be read. */
  decryptionFailure: string | undefined;
  redacted: boolean;
  /** The homeserver's time of the event, in milliseconds since 1970. */
  timestamp: number;
};
export type Message = SeenEvent & { shield: Shield };
export type Invite = { roomId: string; inviter: string | undefined; isDirect: boolean };
export type Member = { userId: string; membership: string; displayName: string | undefined };

const defaultTimeoutMs = 30_000;
const historyPage = 100;

export class MatrixUser {
  readonly homeserverUrl: string;
  readonly userId: string;
  readonly deviceId: string;
  /** For what has no method here. */
  readonly client: MatrixClient;
  readonly #sdk: MatrixSdk;
  readonly #recovery: RecoveryKey;
  readonly #password: string;

  private constructor(sdk: MatrixSdk, client: MatrixClient, recovery: RecoveryKey, options: LoginOptions) {
    this.homeserverUrl = options.homeserverUrl;
    this.userId = client.getSafeUserId();
    this.deviceId = client.getDeviceId() ?? '';
    this.client = client;
    this.#sdk = sdk;
    this.#recovery = recovery;
    this.#password = options.password;
  }

  /** Logs in on a new device and returns when it has synced. The first login of a user makes their identity and recovery key. */
  static async login(options: LoginOptions): Promise<MatrixUser> {
    const loaded = await loadMatrixSdk();
    const { sdk, crypto, logger } = loaded;
    const { homeserverUrl: baseUrl, password, recoveryKey, strict = false, withoutCrossSigning = false } = options;
    const session = await sdk.createClient({ baseUrl, logger }).loginRequest({
      type: 'm.login.password',
      identifier: { type: 'm.id.user', user: options.user },
      password,
      initial_device_display_name: options.deviceName ?? 'Matrix user',
    });
    const recovery = new RecoveryKey(loaded, recoveryKey);
    const client = sdk.createClient({
      baseUrl,
      logger,
      userId: session.user_id,
      deviceId: session.device_id,
      accessToken: session.access_token,
      cryptoCallbacks: recovery.callbacks,
    });
    await client.initRustCrypto({ useIndexedDB: false });
    if (strict) cryptoOf(client).setDeviceIsolationMode(new crypto.OnlySignedDevicesIsolationMode());
    // Before the first sync, so that no message is looked at without its backed-up key.
    if (recoveryKey !== undefined) await restoreIdentity(client);
    const user = new MatrixUser(loaded, client, recovery, options);
    await user.#firstSync();
    const encryptedRooms = client.getRooms().filter((room) => room.hasEncryptionStateEvent());
    const members = new Set(encryptedRooms.flatMap((room) => room.getMembers().map(({ userId }) => userId)));
    await devicesKnown(loaded, client, [...members], defaultTimeoutMs);
    if (recoveryKey === undefined && !withoutCrossSigning) await setUpIdentity(client, recovery, password);
    return user;
  }

  /** Opens secret storage and with it the identity and the key backup; undefined for a login without them. */
  get recoveryKey(): string | undefined {
    return this.#recovery.encoded;
  }

  // Rooms

  async createDirectRoom(inviteUserId: string, { encrypted = true }: { encrypted?: boolean } = {}): Promise<string> {
    const { Preset } = this.#sdk.sdk;
    const encryption = { type: 'm.room.encryption', state_key: '', content: { algorithm: 'm.megolm.v1.aes-sha2' } };
    const { room_id: roomId } = await this.client.createRoom({
      preset: Preset.TrustedPrivateChat,
      is_direct: true,
      invite: [inviteUserId],
      initial_state: encrypted ? [encryption] : [],
    });
    await this.#joined(roomId, encrypted);
    // Whoever is invited gets the room keys as well, once this client knows of the invitation.
    await this.waitForMembership(roomId, inviteUserId, ['invite', 'join']);
    return roomId;
  }

  /** Returns when the room and its members have been synced, so that what is sent next is encrypted if the room is. */
  async join(roomId: string): Promise<void> {
    await this.client.joinRoom(roomId);
    await this.#joined(roomId, (await this.roomState(roomId, 'm.room.encryption')) !== undefined);
  }

  async leave(roomId: string): Promise<void> {
    await this.client.leave(roomId);
  }

  waitForInvite(accept: (invite: Invite) => boolean = () => true, timeoutMs = defaultTimeoutMs): Promise<Invite> {
    const { RoomEvent, ClientEvent } = this.#sdk.sdk;
    const invites = () =>
      this.client
        .getRooms()
        .filter((room) => room.getMyMembership() === 'invite')
        .map((room) => ({
          roomId: room.roomId,
          inviter: room.getDMInviter(),
          isDirect: room.getDMInviter() !== undefined,
        }));
    return waitFor({
      what: `an invitation of ${this.userId}`,
      timeoutMs,
      watch: (check) => {
        this.client.on(RoomEvent.MyMembership, check).on(ClientEvent.Room, check);
        return () => this.client.off(RoomEvent.MyMembership, check).off(ClientEvent.Room, check);
      },
      probe: () => invites().find(accept),
      seen: () => invites().map(({ roomId, inviter }) => `invited to ${roomId} by ${inviter ?? 'an unknown user'}`),
    });
  }

  /** Resolves when the user's membership is one of `memberships`. */
  waitForMembership(
    roomId: string,
    userId: string,
    memberships: readonly string[],
    timeoutMs = defaultTimeoutMs,
  ): Promise<void> {
    const { RoomStateEvent, RoomEvent } = this.#sdk.sdk;
    const current = () => this.client.getRoom(roomId)?.getMember(userId)?.membership;
    return waitFor({
      what: `${userId} to be "${memberships.join('" or "')}" in ${roomId}`,
      timeoutMs,
      watch: (check) => {
        this.client.on(RoomStateEvent.Members, check).on(RoomEvent.MyMembership, check);
        return () => this.client.off(RoomStateEvent.Members, check).off(RoomEvent.MyMembership, check);
      },
      probe: () => (memberships.includes(current() ?? 'none') ? true : undefined),
      seen: () => [`${userId} is "${current() ?? 'unknown'}"`],
    }).then(() => {});
  }

  /** The content of a state event as the homeserver has it now; undefined where there is none. */
  async roomState(roomId: string, type: string, stateKey = ''): Promise<Record<string, unknown> | undefined> {
    try {
      return await this.client.getStateEvent(roomId, type, stateKey);
    } catch (error) {
      if (error instanceof this.#sdk.sdk.MatrixError && error.errcode === 'M_NOT_FOUND') return undefined;
      throw error;
    }
  }

  /** Everybody who is or was in the room, as the homeserver has it now. */
  async members(roomId: string): Promise<Member[]> {
    const { chunk = [] } = await this.client.members(roomId);
    return chunk.map(({ state_key, content }) => ({
      userId: state_key ?? '',
      membership: String(content.membership),
      displayName: typeof content.displayname === 'string' ? content.displayname : undefined,
    }));
  }

  // Sending: each returns the event id when the homeserver has accepted the event.

  async sendText(roomId: string, text: string): Promise<string> {
    return (await this.client.sendTextMessage(roomId, text)).event_id;
  }

  async sendMessage(roomId: string, content: RoomMessageEventContent): Promise<string> {
    return (await this.client.sendMessage(roomId, content)).event_id;
  }

  async reply(roomId: string, eventId: string, text: string): Promise<string> {
    const inReplyTo = { 'm.relates_to': { 'm.in_reply_to': { event_id: eventId } } };
    return this.sendMessage(roomId, { msgtype: this.#sdk.sdk.MsgType.Text, body: text, ...inReplyTo });
  }

  async react(roomId: string, eventId: string, key: string): Promise<string> {
    const { EventType, RelationType } = this.#sdk.sdk;
    const relation = { rel_type: RelationType.Annotation, event_id: eventId, key } as const;
    return (await this.client.sendEvent(roomId, EventType.Reaction, { 'm.relates_to': relation })).event_id;
  }

  async redact(roomId: string, eventId: string, reason?: string): Promise<string> {
    return (await this.client.redactEvent(roomId, eventId, undefined, reason ? { reason } : {})).event_id;
  }

  /** Puts an event on the homeserver as it is, past the encryption of an encrypted room. */
  async sendUnencrypted(roomId: string, content: Record<string, unknown>, type = 'm.room.message'): Promise<string> {
    const path = `/rooms/${encodeURIComponent(roomId)}/send/${encodeURIComponent(type)}/${this.client.makeTxnId()}`;
    const { Method } = this.#sdk.sdk;
    return (await this.client.http.authedRequest<{ event_id: string }>(Method.Put, path, undefined, content)).event_id;
  }

  // Reading

  /**
   * The first event of the room that `accept` likes, whether it is there already or arrives within `timeoutMs`.
   * It also sees events that could not be decrypted, and again when they could be after all.
   */
  async waitForMessage(
    roomId: string,
    accept: (event: SeenEvent) => boolean,
    timeoutMs = defaultTimeoutMs,
  ): Promise<Message> {
    const { RoomEvent, MatrixEventEvent } = this.#sdk.sdk;
    const event = await waitFor({
      what: `a message in ${roomId} for ${this.userId}`,
      timeoutMs,
      watch: (check) => {
        this.client.on(RoomEvent.Timeline, check).on(MatrixEventEvent.Decrypted, check);
        this.client.on(RoomEvent.LocalEchoUpdated, check).on(RoomEvent.Redaction, check);
        return () => {
          this.client.off(RoomEvent.Timeline, check).off(MatrixEventEvent.Decrypted, check);
          this.client.off(RoomEvent.LocalEchoUpdated, check).off(RoomEvent.Redaction, check);
        };
      },
      probe: () => this.#events(roomId).find((event) => accept(seen(event))),
      seen: () => this.#events(roomId).map((event) => describe(seen(event))),
    });
    return this.#message(event);
  }

  /** Everything in the room that is not state, oldest first, from its beginning. */
  async messages(roomId: string): Promise<Message[]> {
    const room = this.#room(roomId);
    const timeline = room.getLiveTimeline();
    const { EventTimeline } = this.#sdk.sdk;
    while (timeline.getPaginationToken(EventTimeline.BACKWARDS) !== null) {
      const more = await this.client.paginateEventTimeline(timeline, { backwards: true, limit: historyPage });
      if (!more) break;
    }
    await Promise.all(timeline.getEvents().map((event) => event.getDecryptionPromise()));
    return Promise.all(this.#events(roomId).map((event) => this.#message(event)));
  }

  // Trust

  deviceTrust(userId: string, deviceId: string): Promise<DeviceTrust> {
    return deviceTrust(this.client, userId, deviceId);
  }

  userTrust(userId: string): Promise<UserTrust> {
    return userTrust(this.client, userId);
  }

  /** Returns when the key backup holds every room key this device knows. */
  keysBackedUp(timeoutMs = defaultTimeoutMs): Promise<void> {
    return keysBackedUp(this.#sdk, this.client, timeoutMs);
  }

  /** New cross-signing keys, secret storage and key backup. Answers the new recovery key. */
  async resetIdentity(): Promise<string> {
    await resetIdentity(this.client, this.#recovery, this.#password);
    return this.recoveryKey ?? '';
  }

  /** Ends this login on the homeserver too: the device and its keys are gone. */
  async logout(): Promise<void> {
    await this.client.logout(true);
    this.client.stopClient();
  }

  async stop(): Promise<void> {
    this.client.stopClient();
  }

  async #firstSync(): Promise<void> {
    const { ClientEvent } = this.#sdk.sdk;
    await this.client.startClient({ initialSyncLimit: historyPage });
    await waitFor({
      what: `the first sync of ${this.userId}`,
      timeoutMs: defaultTimeoutMs,
      watch: (check) => {
        this.client.on(ClientEvent.Sync, check);
        return () => this.client.off(ClientEvent.Sync, check);
      },
      probe: () => (this.client.isInitialSyncComplete() ? true : undefined),
      seen: () => [`sync state ${this.client.getSyncState() ?? 'none'}`],
    });
  }

  async #joined(roomId: string, encrypted: boolean): Promise<void> {
    await this.waitForMembership(roomId, this.userId, ['join']);
    const { RoomStateEvent } = this.#sdk.sdk;
    await waitFor({
      what: `the encryption of ${roomId}`,
      timeoutMs: defaultTimeoutMs,
      watch: (check) => {
        this.client.on(RoomStateEvent.Events, check);
        return () => this.client.off(RoomStateEvent.Events, check);
      },
      probe: () => (this.#room(roomId).hasEncryptionStateEvent() === encrypted ? true : undefined),
      seen: () => [],
    });
  }

  #room(roomId: string): Room {
    const room = this.client.getRoom(roomId);
    if (!room) throw new Error(`${this.userId} knows no room ${roomId}`);
    return room;
  }

  /** What has been accepted by the homeserver (no local echo) and is not being decrypted just now. */
  #events(roomId: string): MatrixEvent[] {
    const events = this.client.getRoom(roomId)?.getLiveTimeline().getEvents() ?? [];
    return events.filter(
      (event) =>
        !event.isState() && event.status === null && !event.isBeingDecrypted() && !event.shouldAttemptDecryption(),
    );
  }

  async #message(event: MatrixEvent): Promise<Message> {
    return { ...seen(event), shield: await shieldOf(this.#sdk, this.client, event) };
  }
}

function seen(event: MatrixEvent): SeenEvent {
  const content: Record<string, unknown> = event.getContent();
  const failure = event.decryptionFailureReason ?? undefined;
  const text = (value: unknown) => (failure === undefined && typeof value === 'string' ? value : undefined);
  return {
    eventId: event.getId() ?? '',
    sender: event.getSender() ?? '',
    type: event.getType(),
    msgtype: text(content.msgtype),
    body: text(content.body),
    content,
    encrypted: event.isEncrypted(),
    decryptionFailure: failure,
    redacted: event.isRedacted(),
    timestamp: event.getTs(),
  };
}

function describe({ sender, type, body, decryptionFailure }: SeenEvent): string {
  return `${type} from ${sender}: ${decryptionFailure === undefined ? JSON.stringify(body) : `cannot be decrypted (${decryptionFailure})`}`;
}
