// The session that may write: it holds the lock itself, so a process that has lost the lock has lost the only connection it writes on.
import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { BridgeError } from '../../model/errors.ts';
import { closed, isUnavailable, locked } from '../errors.ts';
import type { Outcome } from '../steps.ts';
import { type PostgresAddress, prepared } from './client.ts';
import { fromPostgres, translatingErrors, unavailable } from './errors.ts';

/** What a process writes, each under a lock of its own. */
export type WriterName = 'store' | 'journal';

export interface SessionOptions {
  readonly address: PostgresAddress;
  readonly writer: WriterName;
  /** Another process has taken the database over while we were cut off from it. May be called more than once. */
  readonly onTakenOver?: ((error: BridgeError) => void) | undefined;
  /** The session was lost and is there again: from now on a commit of which nobody knew what became of it may be seen. */
  readonly onRegained?: (() => void) | undefined;
}

/** One transaction: statements are sent without waiting for the answers of earlier ones, and carried out in order. */
export interface Transaction {
  execute(sql: string, parameters?: readonly unknown[]): Promise<Outcome>;
}

/** The server session of a killed process or a lost connection takes a moment to end. Milliseconds. */
const LOCK_WAIT_MS = 1_000;
const LOCK_POLL_MS = 100;
const HEARTBEAT_MS = 10_000;
/** How long the fate of a transaction is asked for, where the connection was lost while it was committed. */
const VERDICT_LIMIT_MS = 60_000;
const OLDEST_SERVER = 140_000;

/** Among all advisory locks of a database those of this program, so that other programs' locks are others. */
const LOCK_CLASS: Readonly<Record<WriterName, number>> = { store: 0x6d_61_77_01, journal: 0x6d_61_77_02 };

/** A dead peer is given up after about half a minute on both sides, so that its lock does not outlive it for long. */
const settings = `
  set idle_session_timeout = 0; set default_transaction_isolation = 'read committed';
  set tcp_keepalives_idle = 15; set tcp_keepalives_interval = 5; set tcp_keepalives_count = 3;
  select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') = 'off';`;

export class LockedSession {
  readonly #options: SessionOptions;
  /** Of this process, kept beside the lock: whoever finds another one there has been replaced. */
  readonly #holder = randomUUID();
  #client: pg.Client | undefined;
  #ended: BridgeError | undefined;
  #heartbeat: NodeJS.Timeout | undefined;
  #busy: Promise<unknown> = Promise.resolve();

  private constructor(options: SessionOptions) {
    this.#options = options;
  }

  /** Rejects with BridgeError `store.locked` where another process holds the lock, `store.refused` or `store.unavailable`. */
  static async open(options: SessionOptions): Promise<LockedSession> {
    const session = new LockedSession(options);
    const client = await session.#connect();
    try {
      if (!(await session.#lock(client))) throw locked(options.address.name);
      await session.#takeOver(client);
    } catch (error) {
      await client.end();
      throw fromPostgres(error);
    }
    session.#client = client;
    session.#heartbeat = setInterval(() => void session.#beat(), HEARTBEAT_MS).unref();
    return session;
  }

  /**
   * Runs `work` in a transaction, after everything handed over before; resolves once it is committed. Where the connection is lost
   * during the commit itself, what became of it is looked up afterwards (decision 27). Rejects with what `work` rejects with, with BridgeError
   * `store.unavailable` where nothing was committed or that could not be found out, or with `store.locked` for good once another process has taken over.
   */
  transaction<Result>(work: (transaction: Transaction) => Promise<Result>): Promise<Result> {
    return this.#alone(async () => {
      const client = await this.#live();
      const execute: Transaction['execute'] = (sql, parameters = []) => run(client, sql, parameters);
      const begun = silently(run(client, 'begin', []));
      const id = randomUUID();
      const marked = silently(
        run(client, 'update last_write set id = $1 where writer = $2', [id, this.#options.writer]),
      );
      let result: Result;
      try {
        result = await work({ execute });
        await begun;
        await marked;
      } catch (error) {
        await this.#rollBack(client);
        throw error;
      }
      await this.#commit(client, id);
      return result;
    });
  }

  /** Runs a statement that no transaction may contain. */
  maintain(sql: string): Promise<Outcome> {
    return this.#alone(async () => run(await this.#live(), sql, []));
  }

  /** Finishes what has been handed over, then lets others have the lock. May be called again. */
  async close(): Promise<void> {
    clearInterval(this.#heartbeat);
    await this.#alone(async () => {
      this.#ended ??= closed();
      const client = this.#client;
      this.#client = undefined;
      await client?.end();
    });
  }

  #alone<Result>(work: () => Promise<Result>): Promise<Result> {
    const turn = this.#busy.then(work);
    this.#busy = turn.catch(() => undefined);
    return turn;
  }

  async #commit(client: pg.Client, id: string): Promise<void> {
    try {
      const { command } = await translatingErrors(client.query('commit'));
      if (command !== 'COMMIT') throw unavailable('the transaction was rolled back');
    } catch (error) {
      this.#drop(client);
      if (!(await this.#wasCommitted(id))) throw error;
    }
  }

  /** What became of a transaction whose commit was not answered. Rejects with `store.locked`, or `store.unavailable` where it cannot be found out. */
  async #wasCommitted(id: string): Promise<boolean> {
    const deadline = Date.now() + VERDICT_LIMIT_MS;
    for (;;) {
      try {
        const client = await this.#live();
        // The lock is ours again, so the session that committed has ended, or its server has: the answer is final.
        const last = await run(client, 'select id from last_write where writer = $1', [this.#options.writer]);
        return value(last.rows, 'id') === id;
      } catch (error) {
        if (this.#ended) throw this.#ended;
        if (Date.now() > deadline) {
          throw isUnavailable(error) ? error : unavailable('nobody can say whether the last commit was made', error);
        }
        await new Promise((done) => setTimeout(done, LOCK_POLL_MS));
      }
    }
  }

  async #rollBack(client: pg.Client): Promise<void> {
    try {
      await run(client, 'rollback', []);
    } catch {
      // The server rolls back what a lost connection had begun.
      this.#drop(client);
    }
  }

  /** The connection; another one, with the lock, where it was lost. */
  async #live(): Promise<pg.Client> {
    if (this.#ended) throw this.#ended;
    if (this.#client) return this.#client;
    const client = await this.#connect();
    try {
      await this.#requireOurs(client);
      if (!(await this.#lock(client))) throw unavailable('the session that was lost still holds the lock');
      await this.#requireOurs(client);
    } catch (error) {
      await client.end();
      throw fromPostgres(error);
    }
    this.#client = client;
    this.#options.onRegained?.();
    return client;
  }

  async #connect(): Promise<pg.Client> {
    const client = new pg.Client({ ...this.#options.address.config, pipeline: true });
    client.on('error', () => this.#drop(client));
    client.on('end', () => this.#drop(client));
    try {
      await client.connect();
      const { rows } = await client.query("select current_setting('server_version_num')::int as version");
      if (Number(value(rows, 'version')) < OLDEST_SERVER) {
        const text = `${this.#options.address.name} is older than PostgreSQL 14`;
        throw new BridgeError('store.refused', text, { retry: 'after-action' });
      }
      await client.query(settings);
      return client;
    } catch (error) {
      await client.end().catch(() => undefined);
      throw fromPostgres(error);
    }
  }

  #drop(client: pg.Client): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    client.end().catch(() => undefined);
  }

  /** The lock ends with the session. Installations in several schemas of one database have one each. */
  async #lock(client: pg.Client): Promise<boolean> {
    const deadline = Date.now() + LOCK_WAIT_MS;
    const statement = 'select pg_try_advisory_lock($1, hashtext(current_schema())) as held';
    for (;;) {
      const { rows } = await run(client, statement, [LOCK_CLASS[this.#options.writer]]);
      if (value(rows, 'held') === true) return true;
      if (Date.now() > deadline) return false;
      await new Promise((done) => setTimeout(done, LOCK_POLL_MS));
    }
  }

  /** Only with the lock. */
  async #takeOver(client: pg.Client): Promise<void> {
    await run(client, 'create table if not exists lock_holder (writer text primary key, holder text not null)', []);
    const statement =
      'insert into lock_holder (writer, holder) values ($1, $2) on conflict (writer) do update set holder = excluded.holder';
    await run(client, statement, [this.#options.writer, this.#holder]);
    // Each transaction leaves its own mark there: a row, unlike a transaction id, is there after a crash of the server if and only if the rest is.
    await run(client, 'create table if not exists last_write (writer text primary key, id text not null)', []);
    const mark = "insert into last_write (writer, id) values ($1, 'none') on conflict (writer) do nothing";
    await run(client, mark, [this.#options.writer]);
  }

  async #requireOurs(client: pg.Client): Promise<void> {
    const { rows } = await run(client, 'select holder from lock_holder where writer = $1', [this.#options.writer]);
    if (value(rows, 'holder') === this.#holder) return;
    this.#ended = locked(this.#options.address.name);
    this.#options.onTakenOver?.(this.#ended);
    throw this.#ended;
  }

  /** Finds out that a connection is lost while nothing is written, and gets another one. */
  #beat(): Promise<void> {
    return this.#alone(async () => {
      if (this.#ended) return;
      const client = await this.#live();
      await run(client, 'select 1', []).catch(() => this.#drop(client));
    }).catch(() => undefined);
  }
}

async function run(client: pg.Client, sql: string, parameters: readonly unknown[]): Promise<Outcome> {
  const { rows, rowCount } = await translatingErrors(client.query(prepared(sql, parameters)));
  return { rows, changes: rowCount ?? 0 };
}

/** A failure of the promise is met when it is awaited; until then it is no unhandled one. */
export function silently<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => undefined);
  return promise;
}

function value(rows: readonly unknown[], column: string): unknown {
  const [row] = rows;
  return typeof row === 'object' && row !== null ? Reflect.get(row, column) : undefined;
}
