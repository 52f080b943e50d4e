// One SQLite connection: how it is opened, its prepared statements, and its errors in our terms.
import { closeSync, openSync } from 'node:fs';
import Database from 'better-sqlite3';
import type { CompiledQuery, SqliteStatement } from 'kysely';
import { fromSqlite } from '../errors.ts';
import type { Outcome } from '../steps.ts';

/** More than the distinct statements of this program; lists of varying length in conditions would otherwise pile up. */
const MAX_STATEMENTS = 500;
const BUSY_TIMEOUT_MS = 5_000;

export function translatingErrors<Result>(work: () => Result): Result {
  try {
    return work();
  } catch (error) {
    throw fromSqlite(error);
  }
}

/** Has the shape that kysely wants of a database. Every method throws BridgeError `store.*` for what SQLite reports. */
export class SqliteConnection {
  readonly raw: Database.Database;
  readonly #statements = new Map<string, SqliteStatement>();

  /** Every commit reaches the disk before it returns; freed pages are overwritten, so that erased content is gone. */
  constructor(path: string) {
    this.raw = translatingErrors(() => {
      const database = new Database(path, { timeout: BUSY_TIMEOUT_MS });
      database.pragma('journal_mode = WAL');
      database.pragma('synchronous = FULL');
      database.pragma('secure_delete = ON');
      database.pragma('foreign_keys = ON');
      return database;
    });
    this.emptyLog();
  }

  prepare(sql: string): SqliteStatement {
    const known = this.#statements.get(sql);
    if (known) return known;
    if (this.#statements.size >= MAX_STATEMENTS) this.#statements.clear();
    const statement = translatingErrors(() => this.raw.prepare<unknown[]>(sql));
    const translated: SqliteStatement = {
      reader: statement.reader,
      all: (parameters) => translatingErrors(() => statement.all(...parameters)),
      run: (parameters) => translatingErrors(() => statement.run(...parameters)),
      iterate: (parameters) => statement.iterate(...parameters),
    };
    this.#statements.set(sql, translated);
    return translated;
  }

  execute(query: Pick<CompiledQuery, 'sql' | 'parameters'>): Outcome {
    const statement = this.prepare(query.sql);
    if (statement.reader) return { rows: statement.all(query.parameters), changes: 0 };
    return { rows: [], changes: Number(statement.run(query.parameters).changes) };
  }

  /** Runs `work` in a transaction of its own: all or nothing, durable on return. */
  transaction<Result>(work: () => Result): Result {
    this.exec('BEGIN IMMEDIATE');
    try {
      const result = work();
      this.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.raw.inTransaction) this.exec('ROLLBACK');
      throw error;
    }
  }

  /** A statement without parameters or rows. */
  exec(sql: string): void {
    this.prepare(sql).run([]);
  }

  /**
   * Empties the write-ahead log, in which a destroyed key would live on until it happens to be overwritten. What is committed stays
   * so if this fails, and the log is emptied at the latest when the file is opened again.
   */
  emptyLog(): void {
    if (!this.raw.open) return;
    try {
      this.raw.pragma('wal_checkpoint(TRUNCATE)');
    } catch (error) {
      if (!(error instanceof Database.SqliteError)) throw error;
    }
  }

  close(): void {
    this.#statements.clear();
    this.raw.close();
  }
}

/** Creates the file, readable by its owner only, where it does not exist; SQLite gives its log the same permissions. Throws BridgeError `store.unavailable`. */
export function createPrivateFile(path: string): void {
  if (path !== ':memory:') translatingErrors(() => closeSync(openSync(path, 'a', 0o600)));
}
