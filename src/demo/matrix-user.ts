// A Matrix user as Element would be: matrix-js-sdk with rust crypto, cross-signing, secret storage and key backup.
import type { MatrixClient } from 'matrix-js-sdk';
import type { RoomMessageEventContent } from 'matrix-js-sdk/lib/@types/events.js';
import { type Invite, waitForInvite, waitForMembership } from './matrix-membership.ts';
import { loadMatrixSdk, type MatrixSdk } from './matrix-sdk.ts';
import { allMessages, decideAgain, type Message, type SeenEvent, waitForMessage } from './matrix-timeline.ts';
import {
  cryptoOf,
  type DeviceTrust,
  devicesKnown,
  deviceTrust,
  keysBackedUp,
  RecoveryKey,
  resetIdentity,
  restoreIdentity,
  setUpIdentity,
  type UserTrust,
  userTrust,
} from './matrix-user-crypto.ts';
import { waitFor } from './matrix-wait.ts';

export type { Invite, Message, SeenEvent };

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
    decideAgain(loaded, client, defaultTimeoutMs);
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
    return waitForInvite(this.#sdk, this.client, accept, timeoutMs);
  }

  /** Resolves when the user's membership is one of `memberships`. */
  waitForMembership(
    roomId: string,
    userId: string,
    memberships: readonly string[],
    timeoutMs = defaultTimeoutMs,
  ): Promise<void> {
    return waitForMembership(this.#sdk, this.client, roomId, userId, memberships, timeoutMs);
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
    return waitForMessage(this.#sdk, this.client, roomId, accept, timeoutMs);
  }

  /** Everything in the room that is not state, oldest first, from its beginning. */
  async messages(roomId: string): Promise<Message[]> {
    return allMessages(this.#sdk, this.client, roomId);
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
      probe: () => (this.client.getRoom(roomId)?.hasEncryptionStateEvent() === encrypted ? true : undefined),
      seen: () => [],
    });
  }
}
