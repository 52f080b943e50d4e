// libsignal's stores for one operation on one session: everything it may ask for is loaded before, everything it changes is
// collected here, so its callbacks do no I/O and a failed operation leaves nothing behind.
import {
  Direction,
  IdentityKeyStore,
  PreKeyRecord,
  PreKeyStore,
  type PrivateKey,
  type ProtocolAddress,
  type PublicKey,
  SessionRecord,
  SessionStore,
  SignedPreKeyRecord,
  SignedPreKeyStore,
} from '@signalapp/libsignal-client';
import { BridgeError } from '../../model/errors.ts';
import type { OneTimePreKey, SignalIdentity, SignedPreKey } from '../../model/signal.ts';
import { keyPairOf, sameKey } from './keys.ts';

/** What an operation starts from. */
export interface OperationInput {
  readonly identity: SignalIdentity;
  readonly session: Uint8Array | undefined;
  /** The only identity to which anything may be encrypted; undefined while no key is known. */
  readonly trusted: Uint8Array | undefined;
  readonly preKey?: OneTimePreKey | undefined;
  readonly signedPreKey?: SignedPreKey | undefined;
}

export class Operation {
  readonly sessions: SessionStore;
  readonly identities: IdentityKeyStore;
  readonly preKeys: PreKeyStore;
  readonly signedPreKeys: SignedPreKeyStore;
  readonly #sessions: OneSession;
  readonly #preKeys: OnePreKey;

  constructor(input: OperationInput) {
    this.#sessions = new OneSession(input.session);
    this.#preKeys = new OnePreKey(input.preKey);
    this.sessions = this.#sessions;
    this.preKeys = this.#preKeys;
    this.signedPreKeys = new OneSignedPreKey(input.signedPreKey);
    this.identities = new Identities(input.identity, input.trusted);
  }

  /** The session as the operation left it. */
  get session(): Uint8Array | undefined {
    return this.#sessions.record;
  }

  get usedPreKey(): number | undefined {
    return this.#preKeys.used;
  }
}

class OneSession extends SessionStore {
  record: Uint8Array | undefined;

  constructor(record: Uint8Array | undefined) {
    super();
    this.record = record;
  }
  override async saveSession(_: ProtocolAddress, record: SessionRecord): Promise<void> {
    this.record = new Uint8Array(record.serialize());
  }
  override async getSession(): Promise<SessionRecord | null> {
    return this.record ? SessionRecord.deserialize(Buffer.from(this.record)) : null;
  }
  override async getExistingSessions(): Promise<SessionRecord[]> {
    const record = await this.getSession();
    return record ? [record] : [];
  }
}

/** Whom we trust is decided in the unit of work; what libsignal asks while sending is a second lock on the same door. */
class Identities extends IdentityKeyStore {
  readonly #own: SignalIdentity;
  readonly #trusted: Uint8Array | undefined;

  constructor(own: SignalIdentity, trusted: Uint8Array | undefined) {
    super();
    this.#own = own;
    this.#trusted = trusted;
  }
  override async getIdentityKey(): Promise<PrivateKey> {
    return keyPairOf(this.#own).privateKey;
  }
  override async getLocalRegistrationId(): Promise<number> {
    return this.#own.registrationId;
  }
  override async saveIdentity(): Promise<boolean> {
    return false;
  }
  override async isTrustedIdentity(_: ProtocolAddress, key: PublicKey, direction: Direction): Promise<boolean> {
    if (direction === Direction.Receiving || this.#trusted === undefined) return true;
    return sameKey(key.serialize(), this.#trusted);
  }
  override async getIdentity(): Promise<PublicKey | null> {
    return null;
  }
}

class OnePreKey extends PreKeyStore {
  readonly #key: OneTimePreKey | undefined;
  used: number | undefined;

  constructor(key: OneTimePreKey | undefined) {
    super();
    this.#key = key;
  }
  override async savePreKey(): Promise<void> {}
  override async getPreKey(id: number): Promise<PreKeyRecord> {
    if (this.#key?.id !== id) throw new BridgeError('signal.unknown-pre-key', 'no such one-time pre-key');
    return PreKeyRecord.deserialize(Buffer.from(this.#key.record));
  }
  override async removePreKey(id: number): Promise<void> {
    this.used = id;
  }
}

class OneSignedPreKey extends SignedPreKeyStore {
  readonly #key: SignedPreKey | undefined;

  constructor(key: SignedPreKey | undefined) {
    super();
    this.#key = key;
  }
  override async saveSignedPreKey(): Promise<void> {}
  override async getSignedPreKey(id: number): Promise<SignedPreKeyRecord> {
    if (this.#key?.id !== id) throw new BridgeError('signal.unknown-pre-key', 'no such signed pre-key');
    return SignedPreKeyRecord.deserialize(Buffer.from(this.#key.record));
  }
}
