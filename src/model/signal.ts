// The port to Signal sessions (X3DH and double ratchet): what the domain asks of them, and what they read from the store.
import type { AccountId, ContactId } from './ids.ts';
import type { PeerTrust } from './trust.ts';

/** One device of a contact, as one account sees it. Session names derive from this, never from a JID. */
export interface PeerDevice {
  readonly account: AccountId;
  readonly contact: ContactId;
  /** 0 is the primary device. */
  readonly device: number;
}

/** The account's own Signal identity. */
export interface SignalIdentity {
  /** Serialised libsignal IdentityKeyPair. */
  readonly keyPair: Uint8Array;
  readonly registrationId: number;
  /** The next one-time pre-key id to hand out; 24-bit, never 0. */
  readonly nextPreKeyId: number;
}

export interface SignedPreKey {
  readonly id: number;
  /** Serialised libsignal SignedPreKeyRecord. */
  readonly record: Uint8Array;
  readonly createdAt: number;
}

/** A signed pre-key as it is kept. Without a record it is damaged, and nobody's key any more; its id stays taken. */
export interface KeptSignedPreKey extends Omit<SignedPreKey, 'record'> {
  readonly record: Uint8Array | undefined;
}

export interface OneTimePreKey {
  readonly id: number;
  /** Serialised libsignal PreKeyRecord. */
  readonly record: Uint8Array;
}

/** Changes of Signal state. They are committed together with the row they belong to. */
export type SignalChange =
  | { readonly change: 'signal.identity'; readonly account: AccountId; readonly identity: SignalIdentity }
  | { readonly change: 'signal.session'; readonly peer: PeerDevice; readonly record: Uint8Array | undefined }
  | { readonly change: 'signal.pre-keys'; readonly account: AccountId; readonly keys: readonly OneTimePreKey[] }
  | { readonly change: 'signal.pre-key-used'; readonly account: AccountId; readonly id: number }
  | { readonly change: 'signal.signed-pre-key'; readonly account: AccountId; readonly key: SignedPreKey }
  | { readonly change: 'signal.signed-pre-key-expired'; readonly account: AccountId; readonly id: number }
  | { readonly change: 'peer.trust'; readonly peer: PeerDevice; readonly trust: PeerTrust };

/** What the Signal layer reads. Reads see committed state only. */
export interface SignalReads {
  identity(account: AccountId): Promise<SignalIdentity | undefined>;
  session(peer: PeerDevice): Promise<Uint8Array | undefined>;
  preKey(account: AccountId, id: number): Promise<OneTimePreKey | undefined>;
  signedPreKey(account: AccountId, id: number): Promise<SignedPreKey | undefined>;
  /** Newest first, damaged ones among them. */
  signedPreKeys(account: AccountId): Promise<readonly KeptSignedPreKey[]>;
  peerTrust(peer: PeerDevice): Promise<PeerTrust | undefined>;
}

/** A public pre-key bundle as the network hands it out. Public keys are 32 raw bytes. */
export interface PreKeyBundle {
  readonly registrationId: number;
  readonly identityKey: Uint8Array;
  readonly signedPreKey: { readonly id: number; readonly publicKey: Uint8Array; readonly signature: Uint8Array };
  readonly preKey: { readonly id: number; readonly publicKey: Uint8Array } | undefined;
  /** A companion device's proof (ADVSignedDeviceIdentity). */
  readonly deviceIdentity?: Uint8Array;
}

/** Our own public keys, as they are uploaded or put into a retry receipt. Public keys are 32 raw bytes. */
export interface PublicKeys {
  readonly registrationId: number;
  readonly identityKey: Uint8Array;
  readonly signedPreKey: { readonly id: number; readonly publicKey: Uint8Array; readonly signature: Uint8Array };
  readonly preKeys: readonly { readonly id: number; readonly publicKey: Uint8Array }[];
}

/** `pkmsg` carries the sender's keys and may start a session, `msg` needs one. */
export interface SignalCiphertext {
  readonly type: 'pkmsg' | 'msg';
  readonly bytes: Uint8Array;
}

export type SignalDecryption =
  /** `identityChanged`: the sender's key is not the pinned one. The plaintext is delivered with a warning. */
  | { readonly outcome: 'plaintext'; readonly plaintext: Uint8Array; readonly identityChanged: boolean }
  /** Its key was used before: the same message again, or another one of a sender that uses keys twice (docs/protocol.md). */
  | { readonly outcome: 'duplicate' }
  /** Ask the sender for it again. `noSession` means that it must come with fresh keys. */
  | { readonly outcome: 'failed'; readonly code: string; readonly noSession: boolean };

export type SessionStart =
  | { readonly outcome: 'started' }
  /** The bundle's identity is not the trusted one; the change has been recorded in the unit of work. */
  | { readonly outcome: 'identity-changed' };

/**
 * Operations on a few sessions against an in-memory overlay. Nothing is stored until the caller commits `changes()`
 * together with its own row; a unit of work that is dropped leaves no trace.
 */
export interface SignalWork {
  /** Plaintext is unpadded; padding (docs/protocol.md) is added and removed here. */
  decrypt(peer: PeerDevice, ciphertext: SignalCiphertext): Promise<SignalDecryption>;
  hasSession(peer: PeerDevice): Promise<boolean>;
  /** Only with a session and a trusted identity; throws BridgeError `signal.untrusted` or `signal.no-session` otherwise. */
  encrypt(peer: PeerDevice, plaintext: Uint8Array): Promise<SignalCiphertext>;
  /** Starts a session from a bundle (X3DH), replacing an earlier one, if its identity is the trusted one or the first seen. */
  start(peer: PeerDevice, bundle: PreKeyBundle): Promise<SessionStart>;
  /** Drops the session, so that the next message starts anew. Trust stays. */
  forget(peer: PeerDevice): Promise<void>;
  /**
   * Pins a companion's identity key that its primary device vouches for, in place of an earlier one. A session with another key is
   * dropped. Throws BridgeError `signal.primary` for device 0, whose key changes by the user's decision only.
   */
  vouch(peer: PeerDevice, identityKey: Uint8Array): Promise<void>;
  /** The trust in this device as of this unit. */
  trust(peer: PeerDevice): Promise<PeerTrust | undefined>;
  /** Records that an identity key was seen outside a message (notification, retry receipt): same, first or changed. */
  observeIdentity(peer: PeerDevice, identityKey: Uint8Array): Promise<'same' | 'first' | 'changed'>;
  changes(): readonly SignalChange[];
}

export interface SafetyNumber {
  /** 60 of them, the same on both sides. */
  readonly digits: string;
  /** What a device of the other side scans, and compares with its own: Signal's CombinedFingerprints, serialised. */
  readonly scannable: Uint8Array;
}

export interface Signal {
  /** Runs `work` while no other unit of work touches these sessions. Commit inside it. */
  exclusively<Result>(peers: readonly PeerDevice[], work: (unit: SignalWork) => Promise<Result>): Promise<Result>;
  /**
   * The identity key (33 bytes) that a pre-key message claims; it is the sender's only if the message decrypts. Undefined for other
   * messages, and for malformed ones.
   */
  claimedIdentity(ciphertext: SignalCiphertext): Uint8Array | undefined;
  /** Makes a new identity with a signed pre-key and `count` one-time pre-keys. */
  createIdentity(
    account: AccountId,
    count: number,
  ): { readonly keys: PublicKeys; readonly changes: readonly SignalChange[] };
  /** Makes `count` fresh one-time pre-keys for upload, with the current identity and signed pre-key; with a new one where none is whole. */
  createPreKeys(
    account: AccountId,
    count: number,
  ): Promise<{ readonly keys: PublicKeys; readonly changes: readonly SignalChange[] }>;
  /** A new signed pre-key if the current one is older than the rotation period, or none is whole; old ones are kept for late messages. */
  rotateSignedPreKey(
    account: AccountId,
  ): Promise<{ readonly key: PublicKeys['signedPreKey']; readonly changes: readonly SignalChange[] } | undefined>;
  /** What two people compare (Signal's fingerprint, version 2). `ownId` and `peerId` are what both sides show. */
  safetyNumber(ownId: string, ownKey: Uint8Array, peerId: string, peerKey: Uint8Array): SafetyNumber;
}
