// The databases of an actor's crypto store: rebuilt in memory from the journal, journaled while open, forgotten when closed.
import {
  IDBCursor,
  IDBCursorWithValue,
  IDBDatabase,
  IDBFactory,
  IDBIndex,
  IDBKeyRange,
  IDBObjectStore,
  IDBOpenDBRequest,
  IDBRequest,
  IDBTransaction,
  IDBVersionChangeEvent,
  indexedDB,
} from 'fake-indexeddb';
import type { CryptoJournal, JournalOperation, JournalSnapshot } from '../../model/crypto-journal.ts';
import { BridgeError } from '../../model/errors.ts';
import type { ActorId } from '../../model/ids.ts';
import { type DatabaseSchema, decodeKey, decodeSchema, decodeValue } from './indexeddb-codec.ts';
import { listen, type Recorded, unlisten } from './indexeddb-recording.ts';
import { hastenTransactions } from './indexeddb-schedule.ts';

/** Rust's store makes these two under the name it is given (matrix-sdk-indexeddb, `IndexeddbCryptoStore`). */
const databaseNames = ['matrix-sdk-crypto-meta', 'matrix-sdk-crypto'] as const;
export const mainDatabase = databaseNames[1];

/** The wasm module looks for these on the global object, as in a browser. */
Object.assign(globalThis, {
  indexedDB,
  IDBCursor,
  IDBCursorWithValue,
  IDBDatabase,
  IDBFactory,
  IDBIndex,
  IDBKeyRange,
  IDBObjectStore,
  IDBOpenDBRequest,
  IDBRequest,
  IDBTransaction,
  IDBVersionChangeEvent,
});
hastenTransactions();

let instances = 0;

export class CryptoDatabases {
  readonly #journal: CryptoJournal;
  readonly #onFatal: (error: Error) => void;
  /** Apart from other instances in this process: IndexedDB is one per process. */
  readonly #instance = ++instances;
  readonly #connections = new Map<ActorId, Set<IDBDatabase>>();
  #failure: Error | undefined;
  /** Whether something could not be written when it was last asked for. */
  #behind = false;

  constructor(journal: CryptoJournal, onFatal: (error: Error) => void) {
    this.#journal = journal;
    this.#onFatal = onFatal;
  }

  /** Whether anything of this actor has been journaled. */
  exists(actor: ActorId): Promise<boolean> {
    return this.#journal.exists(actor);
  }

  /** Rebuilds what there is of the actor's databases; returns the store name under which Rust finds or makes them. */
  async open(actor: ActorId): Promise<{ readonly storeName: string; readonly existed: boolean }> {
    const snapshot = await this.#journal.load(actor);
    const connections = new Set<IDBDatabase>();
    this.#connections.set(actor, connections);
    for (const database of databaseNames) {
      const name = this.#name(actor, database);
      const text = snapshot.schemas.get(database);
      const schema = text === undefined ? undefined : decodeSchema(text);
      if (schema !== undefined) await restore(name, schema, rowsOf(snapshot, database));
      listen(name, {
        schema,
        committed: (operations) => this.#append(actor, database, operations),
        opened: (connection) => connections.add(connection),
      });
    }
    return { storeName: this.#storeName(actor), existed: snapshot.schemas.size > 0 };
  }

  /** Forgets the databases in memory. What used them must be closed. */
  async close(actor: ActorId): Promise<void> {
    // Rust leaves a connection open, which would hold up the deletion for ever.
    for (const connection of this.#connections.get(actor) ?? []) connection.close();
    this.#connections.delete(actor);
    for (const database of databaseNames) {
      const name = this.#name(actor, database);
      unlisten(name);
      await done(indexedDB.deleteDatabase(name));
    }
  }

  /** Resolves when everything journaled so far is durable. Nothing that a machine produced may leave the process before. */
  async flushed(): Promise<void> {
    try {
      await this.#journal.flushed();
      this.#behind = false;
    } catch (cause) {
      // What machines have done is kept, and nothing of it has left the process: they wait until there is room.
      this.#behind = cause instanceof BridgeError && cause.code === 'store.unavailable';
      if (this.#behind) throw cause;
      this.#fail(cause);
    }
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** Rejects while the journal cannot be written: whatever a machine did now would only be kept in memory. */
  async writable(): Promise<void> {
    if (this.#behind) await this.flushed();
  }

  #append(actor: ActorId, database: string, operations: readonly Recorded[]): void {
    try {
      this.#journal.append(
        actor,
        operations.map((operation): JournalOperation => ({ ...operation, database })),
      );
    } catch (cause) {
      this.#fail(cause);
    }
  }

  /** Memory is ahead of the disk now, and after a restart the machine would use ratchet steps a second time. */
  #fail(cause: unknown): void {
    const text = 'the crypto journal could not be written';
    this.#failure ??= new BridgeError('crypto.journal-failed', text, { retry: 'after-action', cause });
    this.#onFatal(this.#failure);
  }

  #storeName(actor: ActorId): string {
    return `${this.#instance}/${actor}`;
  }

  #name(actor: ActorId, database: string): string {
    return `${this.#storeName(actor)}::${database}`;
  }
}

type Row = JournalSnapshot['rows'][number];

function rowsOf(snapshot: JournalSnapshot, database: string): readonly Row[] {
  return snapshot.rows.filter((row) => row.database === database);
}

async function restore(name: string, schema: DatabaseSchema, rows: readonly Row[]): Promise<void> {
  const request = indexedDB.open(name, schema.version);
  request.onupgradeneeded = () => {
    for (const [storeName, { keyPath, indexes }] of Object.entries(schema.stores)) {
      const store = request.result.createObjectStore(storeName, { keyPath: mutable(keyPath) });
      for (const [index, { keyPath: path, unique, multiEntry }] of Object.entries(indexes)) {
        store.createIndex(index, typeof path === 'string' ? path : [...path], { unique, multiEntry });
      }
      for (const row of rows) {
        if (row.store !== storeName) continue;
        const value = decodeValue(row.value);
        if (keyPath === null) store.put(value, decodeKey(row.key));
        else store.put(value);
      }
    }
  };
  (await done(request)).close();
}

const mutable = (keyPath: string | readonly string[] | null) =>
  keyPath === null || typeof keyPath === 'string' ? keyPath : [...keyPath];

function done<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error));
  });
}
