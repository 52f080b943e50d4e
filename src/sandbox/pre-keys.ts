// The pre-key server: each device's public keys, handed out so that others can start a session (X3DH).
import { PublicKey } from '@signalapp/libsignal-client';
import type { State } from './state.ts';

/** One device of an account. Device 0 is the primary. */
export interface Device {
  readonly account: number;
  readonly device: number;
}

export interface OneTimeKey {
  /** 24-bit, never 0. */
  readonly id: number;
  /** 32 raw bytes, as every public key here. */
  readonly publicKey: Uint8Array;
}

export interface SignedKey extends OneTimeKey {
  readonly signature: Uint8Array;
}

export interface DeviceKeys {
  readonly registrationId: number;
  readonly identityKey: Uint8Array;
  readonly signedPreKey: SignedKey;
}

export interface Bundle extends DeviceKeys {
  readonly preKey: OneTimeKey | undefined;
}

/** Below this many one-time keys the device is told to upload more. */
export const LOW_WATER = 10;
const MAX_ONE_TIME_KEYS = 5_000;

interface DeviceRow {
  readonly registration_id: number;
  readonly identity_key: Buffer;
  readonly signed_id: number;
  readonly signed_key: Buffer;
  readonly signed_signature: Buffer;
}

/** A 32-byte public key in libsignal's form. */
export const publicKey = (raw: Uint8Array): PublicKey => PublicKey.deserialize(Buffer.concat([Buffer.of(5), raw]));

/** Whether the signed pre-key carries the identity's signature (XEdDSA over 0x05 and the key). */
export function signatureHolds(identityKey: Uint8Array, signed: SignedKey): boolean {
  try {
    const message = Buffer.concat([Buffer.of(5), signed.publicKey]);
    return publicKey(identityKey).verify(message, Buffer.from(signed.signature));
  } catch {
    return false;
  }
}

export class PreKeys {
  readonly #state: State;

  constructor(state: State) {
    this.#state = state;
  }

  /**
   * Stores a device's keys and adds one-time keys. Returns whether its identity is another than before; then the old
   * one-time keys are gone, because their private halves are.
   */
  upload(
    { account, device }: Device,
    keys: DeviceKeys,
    oneTimeKeys: readonly OneTimeKey[],
  ): { identityChanged: boolean } {
    return this.#state.transaction(() => {
      const before = this.keys({ account, device });
      const identityChanged = before !== undefined && !Buffer.from(before.identityKey).equals(keys.identityKey);
      if (identityChanged) {
        this.#state.run('DELETE FROM one_time_key WHERE account = ? AND device = ?', account, device);
      }
      const { registrationId, identityKey, signedPreKey } = keys;
      this.#state.run(
        `INSERT INTO device (account, device, registration_id, identity_key, signed_id, signed_key, signed_signature)
         VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (account, device) DO UPDATE SET registration_id = excluded.registration_id,
         identity_key = excluded.identity_key, signed_id = excluded.signed_id, signed_key = excluded.signed_key,
         signed_signature = excluded.signed_signature`,
        account,
        device,
        registrationId,
        identityKey,
        signedPreKey.id,
        signedPreKey.publicKey,
        signedPreKey.signature,
      );
      const room = MAX_ONE_TIME_KEYS - this.count({ account, device });
      for (const key of oneTimeKeys.slice(0, Math.max(room, 0))) {
        this.#state.run(
          'INSERT OR REPLACE INTO one_time_key (account, device, id, public_key) VALUES (?, ?, ?, ?)',
          account,
          device,
          key.id,
          key.publicKey,
        );
      }
      return { identityChanged };
    });
  }

  rotate({ account, device }: Device, key: SignedKey): void {
    this.#state.run(
      'UPDATE device SET signed_id = ?, signed_key = ?, signed_signature = ? WHERE account = ? AND device = ?',
      key.id,
      key.publicKey,
      key.signature,
      account,
      device,
    );
  }

  keys({ account, device }: Device): DeviceKeys | undefined {
    const row = this.#state.row<DeviceRow>('SELECT * FROM device WHERE account = ? AND device = ?', account, device);
    return (
      row && {
        registrationId: row.registration_id,
        identityKey: row.identity_key,
        signedPreKey: { id: row.signed_id, publicKey: row.signed_key, signature: row.signed_signature },
      }
    );
  }

  /** The bundle for one new session. Takes one one-time key out of the store; without any left the bundle has none. */
  take(device: Device): Bundle | undefined {
    return this.#state.transaction(() => {
      const keys = this.keys(device);
      if (!keys) return undefined;
      const key = this.#state.row<{ id: number; public_key: Buffer }>(
        'SELECT id, public_key FROM one_time_key WHERE account = ? AND device = ? ORDER BY id LIMIT 1',
        device.account,
        device.device,
      );
      if (!key) return { ...keys, preKey: undefined };
      this.#state.run(
        'DELETE FROM one_time_key WHERE account = ? AND device = ? AND id = ?',
        device.account,
        device.device,
        key.id,
      );
      return { ...keys, preKey: { id: key.id, publicKey: key.public_key } };
    });
  }

  count({ account, device }: Device): number {
    const row = this.#state.row<{ n: number }>(
      'SELECT count(*) AS n FROM one_time_key WHERE account = ? AND device = ?',
      account,
      device,
    );
    return row?.n ?? 0;
  }

  ids({ account, device }: Device): number[] {
    const sql = 'SELECT id FROM one_time_key WHERE account = ? AND device = ? ORDER BY id';
    return this.#state.rows<{ id: number }>(sql, account, device).map(({ id }) => id);
  }

  devices(account: number): Device[] {
    return this.#state.rows<Device>('SELECT account, device FROM device WHERE account = ? ORDER BY device', account);
  }
}
