// The port to the network: one live connection per account (the interop client), and enlistment.
import type { Account, Enlistment, Network } from './account.ts';
import type { AccountId, MessageId, UserId } from './ids.ts';
import type { Jid, UserJid } from './jid.ts';
import type { MediaRetryAnswer, NetworkPicture } from './media.ts';
import type { NamedMessage } from './report.ts';
import type { PreKeyBundle, PublicKeys, SignalCiphertext } from './signal.ts';
import type { LinkedDevice, SignedDevices } from './trust.ts';

/** A message stanza as it arrived: addressed, still encrypted. */
export interface IncomingMessage {
  readonly id: MessageId;
  /** The sender without device. */
  readonly from: UserJid;
  readonly device: number;
  /** The same person's other address (LID or phone number), where the stanza names it. */
  readonly alternative: UserJid | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  /** The name that the sender chose for themselves; untrusted text. */
  readonly pushName: string | undefined;
  readonly ciphertexts: readonly SignalCiphertext[];
  /** The proof that a companion device sends along (ADVSignedDeviceIdentity); see `proveDevice`. */
  readonly deviceIdentity: Uint8Array | undefined;
  /** True where the network had kept it while we were away. */
  readonly offline: boolean;
}

export interface IncomingReceipt {
  readonly ids: readonly MessageId[];
  readonly from: UserJid;
  /** Undefined where the receipt came from the person, not from one device. */
  readonly device: number | undefined;
  readonly type: 'delivered' | 'read' | 'played' | 'other';
  readonly timestamp: number;
}

/** A contact's device could not decrypt what we sent and asks for it again. */
export interface RetryReceipt {
  readonly id: MessageId;
  readonly from: UserJid;
  readonly device: number;
  readonly count: number;
  readonly registrationId: number;
  readonly bundle: PreKeyBundle | undefined;
}

/** What a contact does in the chat with us at this moment. */
export interface IncomingTyping {
  readonly from: UserJid;
  readonly state: 'composing' | 'recording' | 'paused';
}

/** Somebody calls. Calls themselves are not carried. */
export interface IncomingCall {
  /** The same for everything that concerns one call. */
  readonly id: string;
  readonly from: UserJid;
  /** The caller's other address, where the stanza names it. */
  readonly alternative: UserJid | undefined;
  readonly video: boolean;
  readonly timestamp: number;
}

/** A contact's device answers a media re-request. */
export interface MediaRetry {
  /** Of the message whose file was asked for. */
  readonly id: MessageId;
  readonly from: UserJid;
  readonly answer: MediaRetryAnswer;
}

/** Why a connection ended, and what that means for the next one. */
export type Disconnect =
  | { readonly reason: 'network'; readonly retry: 'later' }
  | { readonly reason: 'server-restart'; readonly retry: 'later' }
  | { readonly reason: 'unavailable'; readonly retry: 'later' }
  /** Another connection of the same account took over: this one comes back after a long and growing pause, so that two do not fight. */
  | { readonly reason: 'replaced'; readonly retry: 'later' }
  /** The token was refused: mint a new one, then try again. */
  | { readonly reason: 'token-refused'; readonly retry: 'later' }
  | { readonly reason: 'logged-out'; readonly retry: 'never' }
  | { readonly reason: 'banned'; readonly retry: 'never' | 'later'; readonly expiresInMs?: number }
  | { readonly reason: 'client-outdated'; readonly retry: 'never' }
  | { readonly reason: 'untrusted-server'; readonly retry: 'later' }
  | { readonly reason: 'protocol'; readonly retry: 'later' }
  /** We closed it. */
  | { readonly reason: 'stopped'; readonly retry: 'never' };

/**
 * What the client tells the domain. A stanza is acknowledged to the network only after the promise has resolved, so the
 * handler commits first. A rejected promise leaves the stanza unacknowledged: the network sends it again.
 */
export interface InteropEvents {
  message(message: IncomingMessage): Promise<void>;
  receipt(receipt: IncomingReceipt): Promise<void>;
  retry(receipt: RetryReceipt): Promise<void>;
  mediaRetry(retry: MediaRetry): Promise<void>;
  /** The network says that this person's identity key has changed (new phone, reinstalled). */
  identityChanged(from: UserJid): Promise<void>;
  /** The network says that this person has linked or unlinked devices. */
  devicesChanged(from: UserJid): Promise<void>;
  call(call: IncomingCall): Promise<void>;
  /** Nothing waits for this, and the network keeps it for nobody. */
  typing(typing: IncomingTyping): void;
  /** The network says that this person has another picture, or none any more. */
  pictureChanged(from: UserJid): Promise<void>;
  /** The network's store of our one-time pre-keys holds `count`. */
  preKeysLow(count: number): Promise<void>;
  /**
   * A stanza could not be handled, however often the network brought it. Once this has resolved, the network is told so and brings it no
   * more: whoever has to know must be told before.
   */
  givenUp(stanza: GivenUp): Promise<void>;
  /** There is a connection. What follows on that is the domain's own affair. */
  online(): void;
  offline(why: Disconnect): void;
}

export interface GivenUp {
  /** What kind of stanza. */
  readonly kind: string;
  /** Of the last failure. */
  readonly code: string;
  readonly message: IncomingMessage | undefined;
}

export interface ContactLookup {
  /** All addresses of the person that the network names: phone-number JID and LID. */
  readonly addresses: readonly UserJid[];
  readonly devices: readonly ListedDevice[];
  /** The primary's own list of its companions (ADVSignedKeyIndexList), where the network shows one; see `readSignedDevices`. */
  readonly signedDevices?: Uint8Array;
}

export type PictureLookup =
  | ({ readonly outcome: 'found'; readonly id: string } & NetworkPicture)
  /** It is the one that is known. */
  | { readonly outcome: 'unchanged' }
  /** There is none, or we may not see it. */
  | { readonly outcome: 'none' };

/** A device as the network names it, which proves nothing. */
export interface ListedDevice {
  /** 0 is the primary. */
  readonly device: number;
  /** The number under which the primary has linked it; the primary has none. */
  readonly keyIndex: number | undefined;
}

/** The network's answer to a sent message. */
export type SendResult =
  | { readonly accepted: true; readonly timestamp: number }
  | { readonly accepted: false; readonly code: number };

/**
 * One account's live connection. Methods reject with BridgeError `interop.offline` (retry later) while there is no
 * connection, and with `interop.refused` where the network answers an error.
 */
export interface InteropClient {
  readonly connected: boolean;
  /** How the last connection, or try to make one, ended; undefined while there is a connection, and before the first. */
  readonly trouble: Disconnect['reason'] | undefined;
  /** Connects and keeps connected until stopped; never rejects. */
  start(): void;
  stop(): Promise<void>;
  /** Has the network send again now what could not be handled; without this it does so by and by. */
  redeliver(): void;
  /** Resolves when the network has answered. Sending the same bytes again is safe: the network drops doubles by id. */
  send(stanza: Uint8Array, id: MessageId): Promise<SendResult>;
  /** Tells the contact that a message has arrived. */
  sendDeliveryReceipt(id: MessageId, to: UserJid, device: number): Promise<void>;
  /** Tells the contact that messages of theirs have been read. */
  sendReadReceipt(ids: readonly [MessageId, ...MessageId[]], to: UserJid): Promise<void>;
  /** Shows the contact that the user types, or does not any more. The network does not answer this. */
  sendTyping(to: UserJid, state: 'composing' | 'paused'): Promise<void>;
  /** Whether the user is shown as present. Holds for this connection only, which begins without a word. The network does not answer this. */
  sendPresence(state: 'available' | 'unavailable'): Promise<void>;
  /** Asks the sender for a message again; `keys` lets it start a new session. */
  sendRetryReceipt(request: {
    readonly id: MessageId;
    readonly to: UserJid;
    readonly device: number;
    readonly timestamp: number;
    readonly count: number;
    readonly registrationId: number;
    readonly keys: PublicKeys | undefined;
  }): Promise<void>;
  /** Asks the contact's device to upload a file again that the network has dropped; the answer comes as `mediaRetry`. */
  sendMediaRetry(request: {
    readonly id: MessageId;
    /** The other side of the chat. */
    readonly to: UserJid;
    /** Whether the message with the file is ours. */
    readonly fromMe: boolean;
    /** 32 bytes. */
    readonly mediaKey: Uint8Array;
  }): Promise<void>;
  /** Tells the network that the user reports these messages of this person. Told again, it is the same report. */
  reportMessages(messages: readonly NamedMessage[], from: UserJid): Promise<void>;
  /** Undefined where the network knows nobody (or nobody reachable) under this address. */
  lookUp(address: UserJid): Promise<ContactLookup | undefined>;
  /** The person's picture; `known` is the id of the one that we have. */
  picture(address: UserJid, known: string | undefined): Promise<PictureLookup>;
  fetchBundle(address: UserJid, device: number): Promise<PreKeyBundle | undefined>;
  countPreKeys(): Promise<number>;
  uploadPreKeys(keys: PublicKeys): Promise<void>;
  uploadSignedPreKey(key: PublicKeys['signedPreKey']): Promise<void>;
}

/** `gif` is a video that plays like a picture, `ptt` ("push to talk") a voice note. */
export type MediaType = 'image' | 'video' | 'gif' | 'audio' | 'ptt' | 'document' | 'sticker';

/** What the envelope of a message says of its content. */
export interface StanzaKind {
  readonly type: 'text' | 'reaction' | 'media';
  /** What kind of file a message of type `media` describes. */
  readonly mediaType?: MediaType;
  /** 1: an edit; 7: a deletion, or a reaction that is taken back. */
  readonly edit?: '1' | '7';
  /** Whether a client that cannot decrypt it shows nothing. */
  readonly hidden: boolean;
}

/** Message stanzas are built before they are sent, so that the bytes can be stored. */
export interface MessageStanza {
  readonly id: MessageId;
  readonly to: UserJid;
  readonly recipients: readonly { readonly device: number; readonly ciphertext: SignalCiphertext }[];
  /** Absent: an ordinary text. */
  readonly kind?: StanzaKind;
  /** Present when it answers a retry receipt: goes to one device, with the retry's count. */
  readonly retryCount?: number;
}

export type DeviceProof =
  | { readonly outcome: 'proven'; readonly primaryKey: Uint8Array; readonly link: LinkedDevice }
  | {
      readonly outcome: 'unproven';
      readonly why: 'malformed' | 'no-primary' | 'other-primary' | 'account-signature' | 'device-signature';
    };

export interface InteropNetwork {
  /** A connection for an enlisted account. `token` is asked for at every connection attempt. */
  client(
    account: Account & { readonly state: { readonly at: 'active' } },
    token: () => Promise<string>,
    events: InteropEvents,
  ): InteropClient;
  /** Returns the encoded stanza. Pure. */
  encodeMessage(network: Network, stanza: MessageStanza): Uint8Array;
  enlistment(network: Network): EnlistmentApi;
  /** The network's time as it has last shown it, in milliseconds since the Unix epoch; our own until then, and after a refused token that shows none. */
  now(network: Network): number;
  /**
   * Whether the person's primary device vouches for a companion's identity key. Keys are 33 bytes. Without a known `primaryKey` the one
   * that the proof itself names is taken, which is trust on first use. Pure; never throws.
   */
  proveDevice(deviceIdentity: Uint8Array, companionKey: Uint8Array, primaryKey: Uint8Array | undefined): DeviceProof;
  /** The list of companions that the primary with this key (33 bytes) has signed; undefined where it has not signed this. Pure; never throws. */
  readSignedDevices(signedList: Uint8Array, primaryKey: Uint8Array): SignedDevices | undefined;
}

/** The network's call at opt-in and opt-out. Both are idempotent per user. Rejects with BridgeError, `retry: 'later'` where it makes sense. */
export interface EnlistmentApi {
  enlist(request: {
    readonly user: UserId;
    readonly displayName: string;
    readonly token: string;
    readonly keys: PublicKeys;
    /** Breaks the call off; nothing is sent once it is aborted. */
    readonly signal?: AbortSignal;
  }): Promise<Enlistment>;
  withdraw(request: {
    readonly user: UserId;
    readonly interopAccountId: string | undefined;
    readonly token: string;
  }): Promise<void>;
}

/** What a token is good for; a token for one purpose is refused for the other. */
export type TokenPurpose = 'enlist' | 'connect' | 'withdraw';

/** Proof, signed by the provider, that a user of this homeserver owns their Matrix ID. */
export interface TokenMinter {
  /** `interopAccountId` is absent only for the enlistment itself. Rejects with BridgeError `provider.not-opted-in` or `provider.foreign-user`. */
  mint(request: {
    readonly user: UserId;
    readonly account: AccountId;
    readonly interopAccountId: string | undefined;
    readonly purpose: TokenPurpose;
    /** By the network's clock, in milliseconds since the Unix epoch; absent: by our own. */
    readonly now?: number;
  }): Promise<string>;
}

export type { Jid };
