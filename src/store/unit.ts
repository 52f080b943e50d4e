// What a read and a write are given to work with.
import type { Kysely } from 'kysely';
import type { CommitKeys, Keyring } from './keyring.ts';
import type { DataKey } from './sealing.ts';
import type { Tables } from './tables.ts';

interface Base {
  readonly db: Kysely<Tables>;
  /** Seals what belongs to no account or contact. */
  readonly bridge: DataKey;
  /** Of the hashes in lookup columns. */
  readonly lookup: DataKey;
  /** Of the MACs over what is on record about consent. */
  readonly ledger: DataKey;
}

export interface Reader extends Base {
  readonly keys: Keyring;
}

/** One commit. Its queries are compiled here and run by the writer. */
export interface Unit extends Base {
  readonly keys: CommitKeys;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}
