// The journal under the Matrix crypto stores as a SQLite file and connection of its own: an unrelated rollback cannot touch it.
import type { KeyObject } from 'node:crypto';
import type Database from 'better-sqlite3';
import type { JournalOperation, JournalSnapshot } from '../../model/crypto-journal.ts';
import type { ActorId } from '../../model/ids.ts';
import type { OpenCryptoJournal } from '../crypto-journal.ts';
import { isUnavailable, newerSchema, wrongKey } from '../errors.ts';
import { unwrapKey, wrapKey } from '../keyring.ts';
import { newDataKey } from '../sealing.ts';
import { createPrivateFile, SqliteConnection, translatingErrors } from './connection.ts';
import { lockDatabase } from './lock.ts';

const SCHEMA_VERSION = 1;

// Values are ciphertext already: the wasm stores seal them under the actor's store key, which is kept here wrapped.
const SCHEMA = `
  create table data_key (id text primary key, wrapped blob not null);
  create table journal_schema (
    actor text not null, database text not null, schema text not null, primary key (actor, database)
  ) without rowid;
  create table journal_row (
    actor text not null, database text not null, store text not null, key blob not null, value blob not null,
    primary key (actor, database, store, key)
  ) without rowid;
  create table sync_token (actor text primary key, token text not null) without rowid;
  pragma user_version = ${SCHEMA_VERSION};
`;

/** Throws as `openCryptoJournal` rejects. */
export function openSqliteJournal(path: string, master: KeyObject): OpenCryptoJournal {
  const unlock = lockDatabase(path);
  let connection: SqliteConnection | undefined;
  try {
    createPrivateFile(path);
    connection = new SqliteConnection(path);
    prepareFile(connection, path, master);
    return new SqliteCryptoJournal(connection, master, unlock);
  } catch (error) {
    connection?.close();
    unlock();
    throw error;
  }
}

function prepareFile(connection: SqliteConnection, path: string, master: KeyObject): void {
  const version = Number(connection.raw.pragma('user_version', { simple: true }));
  if (version > SCHEMA_VERSION) throw newerSchema(path);
  if (version === 0) {
    connection.transaction(() => {
      connection.raw.exec(SCHEMA);
      const wrapped = wrapKey(master, 'check', newDataKey());
      connection.raw.prepare("insert into data_key (id, wrapped) values ('check', ?)").run(wrapped);
    });
  }
  const check = connection.raw.prepare<[], Buffer>("select wrapped from data_key where id = 'check'").pluck().get();
  try {
    unwrapKey(master, 'check', check ?? Buffer.alloc(0));
  } catch (error) {
    throw wrongKey(path, error);
  }
}

type Bound = (string | Uint8Array)[];
interface StoredRow {
  readonly database: string;
  readonly store: string;
  readonly key: Uint8Array;
  readonly value: Uint8Array;
}

/** See CryptoJournal. Every method fails with BridgeError `store.*`. */
class SqliteCryptoJournal implements OpenCryptoJournal {
  readonly #connection: SqliteConnection;
  readonly #master: KeyObject;
  readonly #unlock: () => void;
  readonly #sql: ReturnType<typeof prepareStatements>;
  /** What is not written yet, in order. Nothing leaves the process while there is any. */
  #behind: (() => void)[] = [];
  /** The end of this turn of the event loop, when all of it is written: what several actors do at once shares one wait for the disk. */
  #turn: Promise<void> | undefined;

  constructor(connection: SqliteConnection, master: KeyObject, unlock: () => void) {
    this.#connection = connection;
    this.#master = master;
    this.#unlock = unlock;
    this.#sql = prepareStatements(connection.raw);
  }

  async exists(actor: ActorId): Promise<boolean> {
    this.#catchUp();
    return translatingErrors(() => this.#sql.schemas.get(actor) !== undefined);
  }

  async load(actor: ActorId): Promise<JournalSnapshot> {
    this.#catchUp();
    return translatingErrors(() => ({
      schemas: new Map(this.#sql.schemas.all(actor).map(({ database, schema }) => [database, schema])),
      rows: this.#sql.rows.all(actor),
    }));
  }

  append(actor: ActorId, operations: readonly JournalOperation[]): void {
    this.#behind.push(...operations.map((operation) => this.#job(actor, operation)));
  }

  async flushed(): Promise<void> {
    if (this.#behind.length === 0) return;
    this.#turn ??= new Promise<void>((turn) => setImmediate(turn)).then(() => {
      this.#turn = undefined;
      this.#catchUp();
    });
    await this.#turn;
  }

  async storeKey(actor: ActorId): Promise<Uint8Array> {
    this.#catchUp();
    return this.#connection.transaction(() => {
      const id = keyId(actor);
      const wrapped = this.#sql.key.pluck().get(id);
      if (wrapped) return unwrapKey(this.#master, id, wrapped).export();
      const key = newDataKey();
      this.#sql.addKey.run(id, wrapKey(this.#master, id, key));
      return key.export();
    });
  }

  async syncToken(actor: ActorId): Promise<string | undefined> {
    this.#catchUp();
    return translatingErrors(() => this.#sql.token.pluck().get(actor));
  }

  setSyncToken(actor: ActorId, token: string): void {
    this.#behind.push(() => this.#sql.setToken.run(actor, token));
  }

  erase(actor: ActorId): void {
    this.#behind.push(() => {
      this.#sql.deleteKey.run(keyId(actor));
      for (const statement of this.#sql.eraseActor) statement.run(actor);
    });
    try {
      this.#catchUp();
    } catch (error) {
      // On a full disk it is kept, as an append is.
      if (!isUnavailable(error)) throw error;
    }
    this.#connection.emptyLog();
  }

  async close(): Promise<void> {
    try {
      this.#catchUp();
    } finally {
      this.#connection.emptyLog();
      this.#connection.close();
      this.#unlock();
    }
  }

  #catchUp(): void {
    if (this.#behind.length === 0) return;
    this.#connection.transaction(() =>
      translatingErrors(() => {
        for (const job of this.#behind) job();
      }),
    );
    this.#behind = [];
  }

  #job(actor: ActorId, operation: JournalOperation): () => void {
    const { database } = operation;
    switch (operation.op) {
      case 'schema': {
        const { schema } = operation;
        return () => this.#sql.putSchema.run(actor, database, schema);
      }
      case 'put': {
        const { store, key, value } = operation;
        return () => this.#sql.put.run(actor, database, store, key, value);
      }
      case 'delete': {
        const { store, key } = operation;
        return () => this.#sql.delete.run(actor, database, store, key);
      }
      case 'clear': {
        const { store } = operation;
        return () => this.#sql.clear.run(actor, database, store);
      }
      case 'drop':
        return () => {
          for (const statement of this.#sql.drop) statement.run(actor, database);
        };
    }
  }
}

const keyId = (actor: ActorId): string => `actor:${actor}`;

function prepareStatements(sqlite: Database.Database) {
  const write = (sql: string) => sqlite.prepare<Bound>(sql);
  return {
    schemas: sqlite.prepare<[string], { database: string; schema: string }>(
      'select database, schema from journal_schema where actor = ?',
    ),
    rows: sqlite.prepare<[string], StoredRow>(
      'select database, store, key, value from journal_row where actor = ? order by database, store, key',
    ),
    putSchema: write('insert or replace into journal_schema (actor, database, schema) values (?, ?, ?)'),
    put: write('insert or replace into journal_row (actor, database, store, key, value) values (?, ?, ?, ?, ?)'),
    delete: write('delete from journal_row where actor = ? and database = ? and store = ? and key = ?'),
    clear: write('delete from journal_row where actor = ? and database = ? and store = ?'),
    drop: [
      write('delete from journal_row where actor = ? and database = ?'),
      write('delete from journal_schema where actor = ? and database = ?'),
    ],
    eraseActor: ['journal_row', 'journal_schema', 'sync_token'].map((table) =>
      write(`delete from ${table} where actor = ?`),
    ),
    key: sqlite.prepare<[string], Buffer>('select wrapped from data_key where id = ?'),
    addKey: write('insert into data_key (id, wrapped) values (?, ?)'),
    deleteKey: write('delete from data_key where id = ?'),
    token: sqlite.prepare<[string], string>('select token from sync_token where actor = ?'),
    setToken: write('insert or replace into sync_token (actor, token) values (?, ?)'),
  };
}
