// The journal under the Matrix crypto stores: opens the one that the configuration names.
import { createSecretKey } from 'node:crypto';
import type { CryptoJournal } from '../model/crypto-journal.ts';
import { openSqliteJournal } from './sqlite/crypto-journal.ts';

export interface CryptoJournalOptions {
  /** The database file, or `:memory:`. Another one than the store's. */
  readonly path: string;
  /** 32 bytes, the same as the store's. */
  readonly masterKey: Uint8Array;
}

export interface OpenCryptoJournal extends CryptoJournal {
  /** Finishes what has been appended, then lets others use the database. */
  close(): Promise<void>;
}

/** Rejects with BridgeError `store.locked`, `store.wrong-key`, `store.newer-schema`, `store.unavailable` or `store.corrupt`. */
export async function openCryptoJournal({ path, masterKey }: CryptoJournalOptions): Promise<OpenCryptoJournal> {
  return openSqliteJournal(path, createSecretKey(masterKey));
}
