// The one writer: what is handed over in one turn of the event loop goes into one transaction, each commit behind a savepoint of its own.
import { closed } from './errors.ts';
import type { SqliteConnection } from './sqlite.ts';
import type { Steps } from './steps.ts';

interface Job {
  /** Runs the steps; returns what to do once they are durable. */
  readonly run: () => () => void;
  readonly reject: (error: unknown) => void;
}

/** Commits in one transaction, so that a long queue does not hold up the event loop. */
const MAX_GROUP = 100;

export class Writer {
  readonly #connection: SqliteConnection;
  #queue: Job[] = [];
  #scheduled = false;
  #closed = false;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  /**
   * Runs the steps synchronously, all or nothing. `durable` is called after the commit has reached the disk, before the promise resolves.
   * Rejects with what the steps threw, or BridgeError `store.*`.
   */
  submit<Result>(steps: () => Steps<Result>, durable: () => void = () => undefined): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed());
      const run = (): (() => void) => {
        const result = drive(this.#connection, steps());
        return () => {
          durable();
          resolve(result);
        };
      };
      this.#queue.push({ run, reject });
      this.#schedule();
    });
  }

  /** Commits what has been handed over, and refuses what comes later. */
  close(): void {
    this.#closed = true;
    while (this.#queue.length > 0) this.#commitGroup();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#commitGroup();
      if (this.#queue.length > 0) this.#schedule();
    });
  }

  #commitGroup(): void {
    const group = this.#queue.splice(0, MAX_GROUP);
    if (group.length === 0) return;
    const settled: (() => void)[] = [];
    try {
      this.#connection.transaction(() => {
        for (const job of group) settled.push(this.#savepoint(job));
      });
    } catch (error) {
      for (const job of group) job.reject(error);
      return;
    }
    for (const settle of settled) settle();
  }

  /** Throws only where SQLite has given up the whole transaction, which it does on a full disk. */
  #savepoint(job: Job): () => void {
    this.#connection.exec('SAVEPOINT job');
    try {
      const durable = job.run();
      this.#connection.exec('RELEASE job');
      return durable;
    } catch (error) {
      if (!this.#connection.raw.inTransaction) throw error;
      this.#connection.exec('ROLLBACK TO job');
      this.#connection.exec('RELEASE job');
      return () => job.reject(error);
    }
  }
}

function drive<Result>(connection: SqliteConnection, steps: Steps<Result>): Result {
  let next = steps.next();
  while (!next.done) next = steps.next(connection.execute(next.value));
  return next.value;
}
