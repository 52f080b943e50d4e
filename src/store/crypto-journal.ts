// The journal under the Matrix crypto stores: opens the one that the configuration names.
import { createSecretKey } from 'node:crypto';
import type { CryptoJournal } from '../model/crypto-journal.ts';
import type { StoreLocation } from './database.ts';
import { openPostgresJournal } from './postgres/crypto-journal.ts';
import { openSqliteJournal } from './sqlite/crypto-journal.ts';

/** A file is another one than the store's; on PostgreSQL the database is the same, with tables of its own. */
export type CryptoJournalOptions = StoreLocation & {
  /** 32 bytes, the same as the store's. */
  readonly masterKey: Uint8Array;
  /** PostgreSQL only: another process has taken the database over while we were cut off. End the process. */
  readonly onTakenOver?: (error: Error) => void;
};

export interface OpenCryptoJournal extends CryptoJournal {
  /** Finishes what has been appended, then lets others use the database. */
  close(): Promise<void>;
}

/**
 * Rejects with BridgeError `store.locked`, `store.wrong-key`, `store.newer-schema`, `store.unavailable`, `store.corrupt`, or
 * `store.refused` and `store.address` (PostgreSQL does not let us in).
 */
export async function openCryptoJournal(options: CryptoJournalOptions): Promise<OpenCryptoJournal> {
  const master = createSecretKey(options.masterKey);
  return 'path' in options
    ? openSqliteJournal(options.path, master)
    : openPostgresJournal(options.postgres, master, options.onTakenOver);
}
