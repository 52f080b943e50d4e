// An opened database, whichever it is: what the store needs of it.
import type { Kysely } from 'kysely';
import type { Tables } from './tables.ts';
import type { Writer } from './writer.ts';

/** A SQLite file (`:memory:` for none), or a database on a PostgreSQL server. */
export type StoreLocation = { readonly path: string } | { readonly postgres: string };

export interface Database {
  /** What errors call it: no password in it. */
  readonly name: string;
  /** Compiles every statement, and runs reads. */
  readonly db: Kysely<Tables>;
  readonly writer: Writer;
  /** Names of the migrations that have run; empty in a new database. */
  migrated(): Promise<readonly string[]>;
  /** Runs what is missing, all or nothing. */
  migrate(): Promise<void>;
  /** After a data key was destroyed: removes what the database itself would keep of it. What is committed stays so if this fails. */
  scrub(): Promise<void>;
  /** Takes everything that was deleted out of the free space of the database. */
  compact(): Promise<void>;
  /** What the database finds wrong with itself; empty where it is sound. */
  examine(): Promise<readonly string[]>;
  /** Finishes what has been handed over, then lets others use it. May be called again. */
  close(): Promise<void>;
}
