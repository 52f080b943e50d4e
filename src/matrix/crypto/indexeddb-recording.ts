// Recording: what each committed IndexedDB transaction has changed, told in its `complete` event, before its caller goes on.
import { IDBCursor, IDBDatabase, IDBFactory, IDBObjectStore } from 'fake-indexeddb';
import type { JournalOperation } from '../../model/crypto-journal.ts';
import { type DatabaseSchema, encodeKey, encodeSchema, encodeValue, type StoreSchema } from './indexeddb-codec.ts';

/** An operation of one database, whose name the listener knows. */
export type Recorded = JournalOperation extends infer Op ? (Op extends unknown ? Omit<Op, 'database'> : never) : never;

export interface DatabaseListener {
  /** Undefined for a database that does not exist yet. */
  schema: DatabaseSchema | undefined;
  /** One committed transaction. Must not throw. */
  committed(operations: readonly Recorded[]): void;
  /** Every connection, so that they can be closed. */
  opened(connection: IDBDatabase): void;
}

const listeners = new Map<string, DatabaseListener>();

/** Everything that happens to the database `name` from now on is told to `listener`, until `unlisten`. */
export function listen(name: string, listener: DatabaseListener): void {
  install();
  listeners.set(name, listener);
}

export function unlisten(name: string): void {
  listeners.delete(name);
}

interface Upgrade {
  version: number;
  stores: Record<string, { keyPath: StoreSchema['keyPath']; indexes: Record<string, StoreSchema['indexes'][string]> }>;
}

/** What one transaction has done so far. Forgotten with it when it aborts. */
interface Recording {
  readonly operations: Recorded[];
  readonly upgrade: Upgrade | undefined;
}

const recordings = new WeakMap<IDBTransaction, Recording>();
/** The running upgrade of a connection: `deleteObjectStore` is called on the connection, not on its transaction. */
const upgrades = new WeakMap<IDBDatabase, Recording>();

function recordingOf(transaction: IDBTransaction, upgrade?: Upgrade): Recording | undefined {
  const listener = listeners.get(transaction.db.name);
  if (listener === undefined) return undefined;
  const running = recordings.get(transaction);
  if (running !== undefined) return running;
  const recording: Recording = { operations: [], upgrade };
  recordings.set(transaction, recording);
  transaction.addEventListener('complete', () => {
    let { operations } = recording;
    if (upgrade !== undefined) {
      listener.schema = upgrade;
      // Requests to a store that the same upgrade deletes afterwards succeed, and leave nothing.
      operations = operations.filter((operation) => operation.op !== 'put' || operation.store in upgrade.stores);
      operations.push({ op: 'schema', schema: encodeSchema(upgrade) });
    }
    if (operations.length > 0) listener.committed(operations);
  });
  return recording;
}

/** Records what `operation` says once `request` has succeeded: failed requests have changed nothing. */
function onSuccess<T>(
  store: IDBObjectStore,
  request: IDBRequest<T>,
  operation: (result: T) => Recorded[],
): IDBRequest<T> {
  const recording = recordingOf(store.transaction);
  if (recording !== undefined) {
    request.addEventListener('success', () => recording.operations.push(...operation(request.result)));
  }
  return request;
}

const removal = (store: IDBObjectStore, key: IDBValidKey): Recorded => ({
  op: 'delete',
  store: store.name,
  key: encodeKey(key),
});

const storeOf = (cursor: IDBCursor): IDBObjectStore =>
  cursor.source instanceof IDBObjectStore ? cursor.source : cursor.source.objectStore;

/** A copy of the key path in a form that JSON keeps. */
const plain = (keyPath: string | Iterable<string>): string | string[] =>
  typeof keyPath === 'string' ? keyPath : [...keyPath];

let installed = false;

/** Wraps every method of fake-indexeddb that changes a database. Databases nobody listens to behave as before. */
function install(): void {
  if (installed) return;
  installed = true;
  recordRows();
  recordCursors();
  recordSchemas();
}

function recordRows(): void {
  const prototype = IDBObjectStore.prototype;
  const { put, add, delete: remove, clear } = prototype;
  const storing = (original: typeof put) =>
    function (this: IDBObjectStore, value: unknown, ...key: [IDBValidKey?]): IDBRequest<IDBValidKey> {
      const request = original.call(this, value, ...key);
      if (!listeners.has(this.transaction.db.name)) return request;
      const bytes = encodeValue(value);
      return onSuccess(this, request, (stored) => [
        { op: 'put', store: this.name, key: encodeKey(stored), value: bytes },
      ]);
    };
  prototype.put = storing(put);
  prototype.add = storing(add);
  prototype.delete = function (query) {
    // What a range covers is known only when its turn comes: ask in the same transaction, just before.
    if (recordingOf(this.transaction) !== undefined) {
      onSuccess(this, this.getAllKeys(query), (keys) => keys.map((key) => removal(this, key)));
    }
    return remove.call(this, query);
  };
  prototype.clear = function () {
    return onSuccess(this, clear.call(this), () => [{ op: 'clear', store: this.name }]);
  };
}

function recordCursors(): void {
  const prototype = IDBCursor.prototype;
  const { update, delete: remove } = prototype;
  prototype.update = function (value) {
    const store = storeOf(this);
    const request = update.call(this, value);
    const bytes = encodeValue(value);
    return onSuccess(store, request, (key) => [{ op: 'put', store: store.name, key: encodeKey(key), value: bytes }]);
  };
  prototype.delete = function () {
    const { primaryKey } = this;
    const store = storeOf(this);
    return onSuccess(store, remove.call(this), () => [removal(store, primaryKey)]);
  };
}

function recordSchemas(): void {
  const factory = IDBFactory.prototype;
  const { open, deleteDatabase } = factory;
  factory.open = function (name, ...version) {
    const request = open.call(this, name, ...version);
    const listener = listeners.get(name);
    if (listener === undefined) return request;
    request.addEventListener('upgradeneeded', () => {
      const { transaction, result } = request;
      if (transaction === null) return;
      const upgrade: Upgrade = { version: result.version, stores: structuredClone({ ...listener.schema?.stores }) };
      const recording = recordingOf(transaction, upgrade);
      if (recording !== undefined) upgrades.set(result, recording);
    });
    request.addEventListener('success', () => listener.opened(request.result));
    return request;
  };
  factory.deleteDatabase = function (name) {
    const request = deleteDatabase.call(this, name);
    const listener = listeners.get(name);
    request.addEventListener('success', () => {
      if (listener === undefined) return;
      listener.schema = undefined;
      listener.committed([{ op: 'drop' }]);
    });
    return request;
  };

  const database = IDBDatabase.prototype;
  const { createObjectStore, deleteObjectStore } = database;
  database.createObjectStore = function (name, options) {
    const store = createObjectStore.call(this, name, options);
    const upgrade = upgrades.get(this)?.upgrade;
    if (upgrade !== undefined) {
      // Generated keys would have to be journaled with their counter; Rust's store names its keys itself.
      if (store.autoIncrement) throw new TypeError('object stores with generated keys cannot be recorded');
      upgrade.stores[name] = { keyPath: store.keyPath === null ? null : plain(store.keyPath), indexes: {} };
    }
    return store;
  };
  database.deleteObjectStore = function (name) {
    deleteObjectStore.call(this, name);
    const recording = upgrades.get(this);
    if (recording?.upgrade === undefined) return;
    delete recording.upgrade.stores[name];
    recording.operations.push({ op: 'clear', store: name });
  };

  const store = IDBObjectStore.prototype;
  const { createIndex, deleteIndex } = store;
  store.createIndex = function (name: string, keyPath: string | Iterable<string>, options?: IDBIndexParameters) {
    const path = plain(keyPath);
    const index = createIndex.call(this, name, path, options);
    const schema = recordings.get(this.transaction)?.upgrade?.stores[this.name];
    if (schema !== undefined)
      schema.indexes[name] = { keyPath: path, unique: index.unique, multiEntry: index.multiEntry };
    return index;
  };
  store.deleteIndex = function (name) {
    deleteIndex.call(this, name);
    const schema = recordings.get(this.transaction)?.upgrade?.stores[this.name];
    if (schema !== undefined) delete schema.indexes[name];
  };
  refuseRenaming();
}

/** A renamed store would take its rows along; the journal has no word for that. */
function refuseRenaming(): void {
  const name = Object.getOwnPropertyDescriptor(IDBObjectStore.prototype, 'name');
  Object.defineProperty(IDBObjectStore.prototype, 'name', {
    ...name,
    set(this: IDBObjectStore, value: string) {
      if (recordingOf(this.transaction) !== undefined) throw new TypeError('object stores cannot be renamed');
      name?.set?.call(this, value);
    },
  });
}
