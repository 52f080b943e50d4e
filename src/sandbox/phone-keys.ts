// A phone's own keys: its identity, a signed pre-key, and one-time pre-keys to upload.
import { randomInt } from 'node:crypto';
import { IdentityKeyPair, PreKeyRecord, PrivateKey, SignedPreKeyRecord } from '@signalapp/libsignal-client';
import type { Clock } from '../model/clock.ts';
import type { AccountSigner } from './device-identity.ts';
import type { DeviceKeys, OneTimeKey } from './pre-keys.ts';
import type { State } from './state.ts';

interface PhoneRow {
  readonly identity: Buffer;
  readonly registration_id: number;
  readonly next_key_id: number;
}

const SIGNED_PRE_KEY_ID = 1;
const MAX_KEY_ID = 0xffffff;

export class PhoneKeys {
  readonly #state: State;
  readonly #account: number;
  readonly #clock: Clock;

  constructor(state: State, account: number, clock: Clock) {
    this.#state = state;
    this.#account = account;
    this.#clock = clock;
  }

  get exist(): boolean {
    return this.#row() !== undefined;
  }

  /** Makes everything new, as an installation does. Earlier keys and sessions are gone; the messages stay. */
  create(): void {
    const identity = IdentityKeyPair.generate();
    const key = PrivateKey.generate();
    const signature = identity.privateKey.sign(key.getPublicKey().serialize());
    const signed = SignedPreKeyRecord.new(SIGNED_PRE_KEY_ID, this.#clock.now(), key.getPublicKey(), key, signature);
    this.#state.transaction(() => {
      for (const table of ['phone_session', 'phone_identity', 'phone_key']) {
        this.#state.run(`DELETE FROM ${table} WHERE account = ?`, this.#account);
      }
      this.#state.run(
        `INSERT INTO phone (account, identity, registration_id, next_key_id) VALUES (?, ?, ?, 1)
         ON CONFLICT (account) DO UPDATE SET identity = excluded.identity, registration_id = excluded.registration_id, next_key_id = 1`,
        this.#account,
        identity.serialize(),
        randomInt(1, 0x3fff),
      );
      this.#save('signed', SIGNED_PRE_KEY_ID, signed.serialize());
    });
  }

  /** The public half, as it is uploaded. */
  current(): DeviceKeys {
    const { identity, registration_id } = this.#own();
    const sql = "SELECT record FROM phone_key WHERE account = ? AND kind = 'signed' ORDER BY id DESC LIMIT 1";
    const row = this.#state.row<{ record: Buffer }>(sql, this.#account);
    if (!row) throw new Error('phone without signed pre-key');
    const signed = SignedPreKeyRecord.deserialize(row.record);
    return {
      registrationId: registration_id,
      identityKey: IdentityKeyPair.deserialize(identity).publicKey.getPublicKeyBytes(),
      signedPreKey: {
        id: signed.id(),
        publicKey: signed.publicKey().getPublicKeyBytes(),
        signature: signed.signature(),
      },
    };
  }

  /** For what the primary device vouches for. The registration id tells its installations apart. */
  signer(): AccountSigner {
    const { identity, registration_id: rawId } = this.#own();
    const { publicKey, privateKey } = IdentityKeyPair.deserialize(identity);
    return {
      identityKey: publicKey.getPublicKeyBytes(),
      rawId,
      sign: (message) => privateKey.sign(Buffer.from(message)),
    };
  }

  createOneTimeKeys(count: number): OneTimeKey[] {
    return this.#state.transaction(() => {
      const first = this.#own().next_key_id;
      const keys = Array.from({ length: count }, (_, index) => {
        const id = ((first + index - 1) % MAX_KEY_ID) + 1;
        const key = PrivateKey.generate();
        this.#save('one-time', id, PreKeyRecord.new(id, key.getPublicKey(), key).serialize());
        return { id, publicKey: key.getPublicKey().getPublicKeyBytes() };
      });
      this.#state.run('UPDATE phone SET next_key_id = ? WHERE account = ?', first + count, this.#account);
      return keys;
    });
  }

  #save(kind: 'signed' | 'one-time', id: number, record: Buffer): void {
    const sql = 'INSERT OR REPLACE INTO phone_key (account, kind, id, record) VALUES (?, ?, ?, ?)';
    this.#state.run(sql, this.#account, kind, id, record);
  }

  #row(): PhoneRow | undefined {
    return this.#state.row<PhoneRow>('SELECT * FROM phone WHERE account = ?', this.#account);
  }

  #own(): PhoneRow {
    const row = this.#row();
    if (!row) throw new Error('phone without keys');
    return row;
  }
}
