// The sandbox's whole state in one SQLite file (or in memory): what was answered to anybody survives a kill.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import Database from 'better-sqlite3';

export type Value = string | number | bigint | Buffer | Uint8Array | null;

const SCHEMA_VERSION = 4;

const SCHEMA = `
-- The network's own secrets and settings.
CREATE TABLE setting (name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;

-- Everybody: phones (with a number) and third-party users (with an identifier, a Matrix ID).
CREATE TABLE account (
  id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL CHECK (kind IN ('phone', 'interop')), name TEXT NOT NULL,
  number TEXT UNIQUE, identifier TEXT UNIQUE, lid TEXT NOT NULL UNIQUE, interop_id TEXT UNIQUE,
  read_receipts INTEGER NOT NULL DEFAULT 1, next_device INTEGER NOT NULL DEFAULT 1);

-- Each device's public keys, as uploaded.
CREATE TABLE device (
  account INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, device INTEGER NOT NULL, registration_id INTEGER NOT NULL,
  identity_key BLOB NOT NULL, signed_id INTEGER NOT NULL, signed_key BLOB NOT NULL, signed_signature BLOB NOT NULL,
  PRIMARY KEY (account, device)) WITHOUT ROWID;
CREATE TABLE one_time_key (
  account INTEGER NOT NULL, device INTEGER NOT NULL, id INTEGER NOT NULL, public_key BLOB NOT NULL,
  PRIMARY KEY (account, device, id), FOREIGN KEY (account, device) REFERENCES device ON DELETE CASCADE) WITHOUT ROWID;

-- Linked clients: devices with a number above 0, and what their account's primary device has signed for them.
CREATE TABLE companion (
  account INTEGER NOT NULL, device INTEGER NOT NULL, key_index INTEGER NOT NULL, noise_key BLOB NOT NULL, identity BLOB NOT NULL,
  platform TEXT NOT NULL, linked_at INTEGER NOT NULL, welcomed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (account, device), FOREIGN KEY (account, device) REFERENCES device ON DELETE CASCADE) WITHOUT ROWID;
CREATE TABLE key_index_list (
  account INTEGER PRIMARY KEY REFERENCES account ON DELETE CASCADE, signed_at INTEGER NOT NULL, list BLOB NOT NULL);

-- Stanzas on their way to a device, until it acknowledges them.
CREATE TABLE queued (
  id INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL, device INTEGER NOT NULL, class TEXT NOT NULL,
  type TEXT, stanza_id TEXT NOT NULL, sender INTEGER, stanza BLOB NOT NULL,
  FOREIGN KEY (account, device) REFERENCES device ON DELETE CASCADE);
CREATE INDEX queued_to ON queued (account, device, id);
CREATE INDEX queued_stanza ON queued (account, device, class, stanza_id);

-- Messages that have been routed: a second copy is acknowledged and dropped; identity changes are told to these peers.
CREATE TABLE routed (
  sender INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, device INTEGER NOT NULL,
  recipient INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, message_id TEXT NOT NULL, copy TEXT NOT NULL,
  PRIMARY KEY (sender, device, recipient, message_id, copy)) WITHOUT ROWID;
-- Devices that could not read a message: for them a second copy is let through.
CREATE TABLE asked_again (
  sender INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, device INTEGER NOT NULL, message_id TEXT NOT NULL,
  asking INTEGER NOT NULL REFERENCES account ON DELETE CASCADE, asking_device INTEGER NOT NULL,
  PRIMARY KEY (sender, device, message_id, asking, asking_device)) WITHOUT ROWID;
CREATE INDEX routed_recipient ON routed (recipient, sender);

-- Profile pictures, which lie on the media host.
CREATE TABLE picture (
  account INTEGER PRIMARY KEY REFERENCES account ON DELETE CASCADE, id TEXT NOT NULL, direct_path TEXT NOT NULL);

-- The private side of phones: what would lie on the handset.
CREATE TABLE phone (
  account INTEGER PRIMARY KEY REFERENCES account ON DELETE CASCADE, offline INTEGER NOT NULL DEFAULT 0, identity BLOB NOT NULL,
  registration_id INTEGER NOT NULL, next_key_id INTEGER NOT NULL);
CREATE TABLE phone_session (
  account INTEGER NOT NULL REFERENCES phone ON DELETE CASCADE, address TEXT NOT NULL, record BLOB NOT NULL,
  PRIMARY KEY (account, address)) WITHOUT ROWID;
CREATE TABLE phone_identity (
  account INTEGER NOT NULL REFERENCES phone ON DELETE CASCADE, address TEXT NOT NULL, public_key BLOB NOT NULL,
  PRIMARY KEY (account, address)) WITHOUT ROWID;
CREATE TABLE phone_key (
  account INTEGER NOT NULL REFERENCES phone ON DELETE CASCADE, kind TEXT NOT NULL CHECK (kind IN ('signed', 'one-time')),
  id INTEGER NOT NULL, record BLOB NOT NULL, PRIMARY KEY (account, kind, id)) WITHOUT ROWID;
CREATE TABLE phone_message (
  seq INTEGER PRIMARY KEY AUTOINCREMENT, account INTEGER NOT NULL REFERENCES phone ON DELETE CASCADE, id TEXT NOT NULL,
  peer TEXT NOT NULL, peer_name TEXT NOT NULL, direction TEXT NOT NULL CHECK (direction IN ('in', 'out')), type TEXT NOT NULL,
  text TEXT, payload BLOB NOT NULL, timestamp INTEGER NOT NULL, status TEXT NOT NULL, stanza BLOB,
  UNIQUE (account, direction, peer, id));
-- Files of messages: still to be fetched, verified, or given up; for those that the phone has sent itself, where they came from.
CREATE TABLE phone_file (
  message INTEGER PRIMARY KEY REFERENCES phone_message ON DELETE CASCADE,
  state TEXT NOT NULL CHECK (state IN ('fetching', 'verified', 'failed')), error TEXT, source_path TEXT, source_bytes BLOB);
CREATE INDEX phone_file_fetching ON phone_file (message) WHERE state = 'fetching';
`;

export class State {
  readonly #db: Database.Database;

  /** `directory` undefined keeps everything in memory. */
  constructor(directory: string | undefined) {
    if (directory !== undefined) mkdirSync(directory, { recursive: true, mode: 0o700 });
    this.#db = new Database(directory === undefined ? ':memory:' : join(directory, 'sandbox.sqlite'));
    this.#db.pragma('journal_mode = WAL');
    this.#db.pragma('foreign_keys = ON');
    const version = this.#db.pragma('user_version', { simple: true });
    if (version === 0) {
      this.transaction(() => {
        this.#db.exec(SCHEMA);
        this.#db.pragma(`user_version = ${SCHEMA_VERSION}`);
      });
    } else if (version !== SCHEMA_VERSION) {
      throw new Error(`sandbox data of another version (${String(version)}); remove it or choose another directory`);
    }
  }

  /** The first row, or undefined. The caller names the columns' types, which the schema above fixes. */
  row<Row>(sql: string, ...values: Value[]): Row | undefined {
    return this.#prepare<Row>(sql).get(...values);
  }

  rows<Row>(sql: string, ...values: Value[]): Row[] {
    return this.#prepare<Row>(sql).all(...values);
  }

  /** Number of rows changed, and the id of the last inserted one. */
  run(sql: string, ...values: Value[]): { readonly changes: number; readonly id: number } {
    const result = this.#prepare(sql).run(...values);
    return { changes: result.changes, id: Number(result.lastInsertRowid) };
  }

  /** All or nothing. May be nested. */
  transaction<Result>(work: () => Result): Result {
    return this.#db.transaction(work).immediate();
  }

  setting(name: string, initial: () => Uint8Array): Uint8Array {
    const known = this.row<{ value: Buffer }>('SELECT value FROM setting WHERE name = ?', name);
    if (known) return known.value;
    const value = initial();
    this.run('INSERT INTO setting (name, value) VALUES (?, ?)', name, value);
    return value;
  }

  close(): void {
    this.#db.close();
  }

  readonly #statements = new Map<string, Database.Statement<Value[], unknown>>();

  #prepare<Row>(sql: string): Database.Statement<Value[], Row> {
    let statement = this.#statements.get(sql);
    if (!statement) {
      statement = this.#db.prepare<Value[], unknown>(sql);
      this.#statements.set(sql, statement);
    }
    return statement as Database.Statement<Value[], Row>;
  }
}
