// The port under the Matrix crypto stores: every committed change of an actor's store, appended durably and replayed when it opens.
import type { ActorId } from './ids.ts';

/** One row of one object store of one IndexedDB database. Keys are canonical encodings, values opaque bytes. */
export type JournalOperation =
  | { readonly op: 'schema'; readonly database: string; readonly schema: string }
  | {
      readonly op: 'put';
      readonly database: string;
      readonly store: string;
      readonly key: Uint8Array;
      readonly value: Uint8Array;
    }
  | { readonly op: 'delete'; readonly database: string; readonly store: string; readonly key: Uint8Array }
  | { readonly op: 'clear'; readonly database: string; readonly store: string }
  | { readonly op: 'drop'; readonly database: string };

export interface JournalSnapshot {
  readonly schemas: ReadonlyMap<string, string>;
  readonly rows: readonly {
    readonly database: string;
    readonly store: string;
    readonly key: Uint8Array;
    readonly value: Uint8Array;
  }[];
}

/**
 * What changes is appended synchronously on purpose: in IndexedDB's `complete` event, before the caller's promise resolves, so it is in order. An
 * exception there, or a rejection of `flushed`, means that a ratchet would run ahead of the disk, so the process must stop; all but one: where
 * `flushed` rejects with `store.unavailable` (disk full, read-only), what was appended is kept in order, and the next call tries again.
 */
export interface CryptoJournal {
  /** Whether anything is kept of this actor's store. */
  exists(actor: ActorId): Promise<boolean>;
  /** Everything appended so far. */
  load(actor: ActorId): Promise<JournalSnapshot>;
  /** All or nothing; durable after `flushed`. */
  append(actor: ActorId, operations: readonly JournalOperation[]): void;
  /** Resolves when everything appended so far is durable. Nothing that a machine produced may leave the process before. */
  flushed(): Promise<void>;
  /** The actor's random 32-byte store key; made at first use, kept wrapped by the master key. */
  storeKey(actor: ActorId): Promise<Uint8Array>;
  /** The `/sync` token up to which to-device messages were fetched. */
  syncToken(actor: ActorId): Promise<string | undefined>;
  /** Durable as an append is, in the same order. */
  setSyncToken(actor: ActorId, token: string): void;
  /** Destroys the key, then the rows; durable as an append is. */
  erase(actor: ActorId): void;
}
