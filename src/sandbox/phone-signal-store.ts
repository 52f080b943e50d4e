// A phone's Signal state as libsignal wants it: reads from the database, changes kept aside until they are committed together.
import {
  type Direction,
  IdentityKeyPair,
  IdentityKeyStore,
  PreKeyRecord,
  PreKeyStore,
  type PrivateKey,
  type ProtocolAddress,
  PublicKey,
  SessionRecord,
  SessionStore,
  SignedPreKeyRecord,
  SignedPreKeyStore,
} from '@signalapp/libsignal-client';
import type { State } from './state.ts';

/** What one operation changed. Undefined stands for a deletion. */
export interface SignalChanges {
  readonly sessions: Map<string, SessionRecord | undefined>;
  readonly identities: Map<string, PublicKey>;
  readonly usedPreKeys: Set<number>;
}

export const addressKey = (address: ProtocolAddress): string => `${address.name()}.${address.deviceId()}`;

/** The stores for one unit of work. Nothing is written before `commit`. */
export class PhoneSignalStores {
  readonly sessions: Sessions;
  readonly identities: Identities;
  readonly preKeys: PreKeys;
  readonly signedPreKeys: SignedPreKeys;
  readonly #state: State;
  readonly #account: number;
  readonly #changes: SignalChanges = { sessions: new Map(), identities: new Map(), usedPreKeys: new Set() };

  constructor(state: State, account: number) {
    this.#state = state;
    this.#account = account;
    this.sessions = new Sessions(state, account, this.#changes);
    this.identities = new Identities(state, account, this.#changes);
    this.preKeys = new PreKeys(state, account, this.#changes);
    this.signedPreKeys = new SignedPreKeys(state, account);
  }

  /** Writes the changes; to be called inside the transaction of what they belong to. */
  commit(): void {
    const { sessions, identities, usedPreKeys } = this.#changes;
    for (const [address, record] of sessions) {
      if (record === undefined) {
        this.#state.run('DELETE FROM phone_session WHERE account = ? AND address = ?', this.#account, address);
      } else {
        const sql = 'INSERT OR REPLACE INTO phone_session (account, address, record) VALUES (?, ?, ?)';
        this.#state.run(sql, this.#account, address, record.serialize());
      }
    }
    for (const [address, key] of identities) {
      const sql = 'INSERT OR REPLACE INTO phone_identity (account, address, public_key) VALUES (?, ?, ?)';
      this.#state.run(sql, this.#account, address, key.serialize());
    }
    for (const id of usedPreKeys) {
      this.#state.run("DELETE FROM phone_key WHERE account = ? AND kind = 'one-time' AND id = ?", this.#account, id);
    }
  }
}

class Sessions extends SessionStore {
  readonly #state: State;
  readonly #account: number;
  readonly #changes: SignalChanges;

  constructor(state: State, account: number, changes: SignalChanges) {
    super();
    this.#state = state;
    this.#account = account;
    this.#changes = changes;
  }

  async saveSession(name: ProtocolAddress, record: SessionRecord): Promise<void> {
    this.#changes.sessions.set(addressKey(name), record);
  }

  async getSession(name: ProtocolAddress): Promise<SessionRecord | null> {
    const key = addressKey(name);
    if (this.#changes.sessions.has(key)) return this.#changes.sessions.get(key) ?? null;
    const row = this.#state.row<{ record: Buffer }>(
      'SELECT record FROM phone_session WHERE account = ? AND address = ?',
      this.#account,
      key,
    );
    return row ? SessionRecord.deserialize(row.record) : null;
  }

  async getExistingSessions(names: ProtocolAddress[]): Promise<SessionRecord[]> {
    const records = await Promise.all(names.map((name) => this.getSession(name)));
    return records.filter((record) => record !== null);
  }

  forgetName(name: string): void {
    const sql = 'SELECT address FROM phone_session WHERE account = ?';
    const known = this.#state.rows<{ address: string }>(sql, this.#account).map(({ address }) => address);
    for (const address of known) if (address.startsWith(`${name}.`)) this.#changes.sessions.set(address, undefined);
  }
}

class Identities extends IdentityKeyStore {
  readonly #state: State;
  readonly #account: number;
  readonly #changes: SignalChanges;

  constructor(state: State, account: number, changes: SignalChanges) {
    super();
    this.#state = state;
    this.#account = account;
    this.#changes = changes;
  }

  async getIdentityKey(): Promise<PrivateKey> {
    return IdentityKeyPair.deserialize(this.#own().identity).privateKey;
  }

  async getLocalRegistrationId(): Promise<number> {
    return this.#own().registration_id;
  }

  async saveIdentity(name: ProtocolAddress, key: PublicKey): Promise<boolean> {
    const known = await this.getIdentity(name);
    this.#changes.identities.set(addressKey(name), key);
    return known !== null && known.compare(key) !== 0;
  }

  /** Like WhatsApp's own clients by default: a new key is taken, and its user may compare safety numbers. */
  async isTrustedIdentity(_name: ProtocolAddress, _key: PublicKey, _direction: Direction): Promise<boolean> {
    return true;
  }

  async getIdentity(name: ProtocolAddress): Promise<PublicKey | null> {
    const key = addressKey(name);
    const changed = this.#changes.identities.get(key);
    if (changed) return changed;
    const row = this.#state.row<{ public_key: Buffer }>(
      'SELECT public_key FROM phone_identity WHERE account = ? AND address = ?',
      this.#account,
      key,
    );
    return row ? PublicKey.deserialize(row.public_key) : null;
  }

  #own(): { readonly identity: Buffer; readonly registration_id: number } {
    const row = this.#state.row<{ identity: Buffer; registration_id: number }>(
      'SELECT identity, registration_id FROM phone WHERE account = ?',
      this.#account,
    );
    if (!row) throw new Error('phone without identity');
    return row;
  }
}

class PreKeys extends PreKeyStore {
  readonly #state: State;
  readonly #account: number;
  readonly #changes: SignalChanges;

  constructor(state: State, account: number, changes: SignalChanges) {
    super();
    this.#state = state;
    this.#account = account;
    this.#changes = changes;
  }

  async savePreKey(): Promise<void> {
    throw new Error('pre-keys are made elsewhere');
  }

  async getPreKey(id: number): Promise<PreKeyRecord> {
    if (this.#changes.usedPreKeys.has(id)) throw new Error('pre-key already used');
    return PreKeyRecord.deserialize(keyRecord(this.#state, this.#account, 'one-time', id));
  }

  async removePreKey(id: number): Promise<void> {
    this.#changes.usedPreKeys.add(id);
  }
}

class SignedPreKeys extends SignedPreKeyStore {
  readonly #state: State;
  readonly #account: number;

  constructor(state: State, account: number) {
    super();
    this.#state = state;
    this.#account = account;
  }

  async saveSignedPreKey(): Promise<void> {
    throw new Error('signed pre-keys are made elsewhere');
  }

  async getSignedPreKey(id: number): Promise<SignedPreKeyRecord> {
    return SignedPreKeyRecord.deserialize(keyRecord(this.#state, this.#account, 'signed', id));
  }
}

function keyRecord(state: State, account: number, kind: 'signed' | 'one-time', id: number): Buffer {
  const sql = 'SELECT record FROM phone_key WHERE account = ? AND kind = ? AND id = ?';
  const row = state.row<{ record: Buffer }>(sql, account, kind, id);
  if (!row) throw new Error(`no ${kind} pre-key ${id}`);
  return row.record;
}
