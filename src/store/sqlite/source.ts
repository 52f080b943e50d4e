// A SQLite file as something to be copied: its tables in an order in which none refers to a later one, and their rows as a stream.
import type Database from 'better-sqlite3';
import type { Tables } from '../tables.ts';
import { SqliteConnection, translatingErrors } from './connection.ts';
import { lockDatabase } from './lock.ts';

export interface SourceTable {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: number;
  /** The last row id that was ever given; 0 where the table gives none. */
  readonly lastId: number;
}

export type SourceRow = readonly (string | number | Buffer | null)[];

/** Tables that say how far the schema is, which the target knows by itself. */
const INTERNAL = /^(sqlite_|kysely_)/;

export class CopySource {
  readonly #connection: SqliteConnection;
  readonly #unlock: () => void;
  readonly #raw: Database.Database;

  /** Throws BridgeError `store.locked` where a process uses the file. */
  constructor(path: string) {
    this.#unlock = lockDatabase(path);
    try {
      this.#connection = new SqliteConnection(path);
      this.#raw = this.#connection.raw;
    } catch (error) {
      this.#unlock();
      throw error;
    }
  }

  /** Referenced tables before those that refer to them. */
  tables(): readonly SourceTable[] {
    const names = this.#column<string>("select name from sqlite_master where type = 'table' order by name");
    const ordered = new Set<string>();
    const visit = (name: string): void => {
      if (ordered.has(name)) return;
      const references = this.#column<string>(`select distinct "table" from pragma_foreign_key_list('${name}')`);
      for (const other of references) if (other !== name) visit(other);
      ordered.add(name);
    };
    for (const name of names) if (!INTERNAL.test(name)) visit(name);
    return [...ordered].map((name) => this.#table(name));
  }

  /** Holds one row at a time. Nothing else may use this connection until the stream has ended. */
  *rows({ name, columns }: SourceTable): Generator<SourceRow> {
    const list = columns.map((column) => `"${column}"`).join(', ');
    const statement = this.#raw.prepare<[], SourceRow>(`select ${list} from "${name}"`).raw();
    yield* statement.iterate();
  }

  setting(name: Tables['setting']['name']): string | undefined {
    return this.#column<string>(`select value from setting where name = '${name}'`)[0];
  }

  /** Says in the file that its content lives elsewhere now, as this copy, so that no bridge goes on with it. */
  markMoved(to: string, copy: string): void {
    const statement = "insert or replace into setting (name, value) values ('moved', ?), ('moved-as', ?)";
    translatingErrors(() => this.#raw.prepare(statement).run(to, copy));
  }

  close(): void {
    this.#connection.close();
    this.#unlock();
  }

  #table(name: string): SourceTable {
    const columns = this.#column<string>(`select name from pragma_table_info('${name}') order by cid`);
    const [rows = 0] = this.#column<number>(`select count(*) from "${name}"`);
    const counted = this.#column<string>("select name from sqlite_master where name = 'sqlite_sequence'").length > 0;
    const [lastId = 0] = counted ? this.#column<number>(`select seq from sqlite_sequence where name = '${name}'`) : [];
    return { name, columns, rows, lastId };
  }

  #column<Value>(statement: string): Value[] {
    return translatingErrors(() => this.#raw.prepare<[], Value>(statement).pluck().all());
  }
}
