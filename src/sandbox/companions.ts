// The network's list of linked clients: a phone number is a primary device (0) and up to four companions.
import type { Device, DeviceKeys, PreKeys } from './pre-keys.ts';
import type { State } from './state.ts';

export interface Companion extends Device {
  readonly keyIndex: number;
  /** What its connections must prove to own, 32 bytes. */
  readonly noiseKey: Uint8Array;
  /** Serialised AdvSignedDeviceIdentity with the account's key: why others may trust this device. */
  readonly deviceIdentity: Uint8Array;
  /** What the client calls itself. */
  readonly platform: string;
  /** Milliseconds since the Unix epoch. */
  readonly linkedAt: number;
}

export interface KeyIndexList {
  /** Unix seconds. */
  readonly signedAt: number;
  /** Serialised AdvSignedKeyIndexList. */
  readonly list: Uint8Array;
}

interface CompanionRow {
  readonly account: number;
  readonly device: number;
  readonly key_index: number;
  readonly noise_key: Buffer;
  readonly identity: Buffer;
  readonly platform: string;
  readonly linked_at: number;
}

export const MAX_COMPANIONS = 4;
/** A device number is one byte on the wire and is never used again. */
const MAX_DEVICE = 99;

const companion = ({ account, device, ...row }: CompanionRow): Companion => ({
  account,
  device,
  keyIndex: row.key_index,
  noiseKey: row.noise_key,
  deviceIdentity: row.identity,
  platform: row.platform,
  linkedAt: row.linked_at,
});

export class Companions {
  readonly #state: State;
  readonly #preKeys: PreKeys;

  constructor(state: State, preKeys: PreKeys) {
    this.#state = state;
    this.#preKeys = preKeys;
  }

  /** A number for one more device, which also serves as its key index; undefined if the account has no room. */
  reserve(account: number): number | undefined {
    if (this.list(account).length >= MAX_COMPANIONS) return undefined;
    const sql =
      'UPDATE account SET next_device = next_device + 1 WHERE id = ? AND next_device <= ? RETURNING next_device';
    const row = this.#state.row<{ next_device: number }>(sql, account, MAX_DEVICE);
    return row && row.next_device - 1;
  }

  add(added: Companion, keys: DeviceKeys): void {
    const { account, device, keyIndex, noiseKey, deviceIdentity, platform, linkedAt } = added;
    this.#state.transaction(() => {
      this.#preKeys.upload({ account, device }, keys, []);
      this.#state.run(
        'INSERT INTO companion (account, device, key_index, noise_key, identity, platform, linked_at) VALUES (?, ?, ?, ?, ?, ?, ?)',
        account,
        device,
        keyIndex,
        noiseKey,
        deviceIdentity,
        platform,
        linkedAt,
      );
    });
  }

  /** Its keys and its queue go with it. */
  remove({ account, device }: Device): void {
    this.#state.run('DELETE FROM device WHERE account = ? AND device = ? AND device > 0', account, device);
  }

  get({ account, device }: Device): Companion | undefined {
    const sql = 'SELECT * FROM companion WHERE account = ? AND device = ?';
    const row = this.#state.row<CompanionRow>(sql, account, device);
    return row && companion(row);
  }

  /** Those that have not been given the history that they wait for. */
  unwelcomed(account: number): Companion[] {
    const sql = 'SELECT * FROM companion WHERE account = ? AND welcomed = 0 ORDER BY device';
    return this.#state.rows<CompanionRow>(sql, account).map(companion);
  }

  markWelcomed({ account, device }: Device): void {
    this.#state.run('UPDATE companion SET welcomed = 1 WHERE account = ? AND device = ?', account, device);
  }

  list(account: number): Companion[] {
    const sql = 'SELECT * FROM companion WHERE account = ? ORDER BY device';
    return this.#state.rows<CompanionRow>(sql, account).map(companion);
  }

  keyIndexList(account: number): KeyIndexList | undefined {
    const sql = 'SELECT signed_at, list FROM key_index_list WHERE account = ?';
    const row = this.#state.row<{ signed_at: number; list: Buffer }>(sql, account);
    return row && { signedAt: row.signed_at, list: row.list };
  }

  setKeyIndexList(account: number, { signedAt, list }: KeyIndexList): void {
    const sql = 'INSERT OR REPLACE INTO key_index_list (account, signed_at, list) VALUES (?, ?, ?)';
    this.#state.run(sql, account, signedAt, list);
  }
}
