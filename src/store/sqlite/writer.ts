// The writer on SQLite: what is handed over in one turn of the event loop goes into one transaction, which runs synchronously.
import { closed } from '../errors.ts';
import type { Steps } from '../steps.ts';
import { MAX_GROUP, type Writer } from '../writer.ts';
import type { SqliteConnection } from './connection.ts';

interface Job {
  /** Runs the steps; returns what to do once they are durable. */
  readonly run: () => () => void;
  readonly reject: (error: unknown) => void;
}

export class SqliteWriter implements Writer {
  readonly #connection: SqliteConnection;
  #queue: Job[] = [];
  #scheduled = false;
  #closed = false;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

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

  async close(): Promise<void> {
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
        // One that stands alone fails as a whole with its transaction.
        for (const job of group) settled.push(group.length === 1 ? job.run() : this.#savepoint(job));
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
  while (!next.done) {
    const { query, mustChange } = next.value;
    const outcome = connection.execute(query);
    if (mustChange !== undefined && outcome.changes === 0) throw mustChange();
    next = steps.next(outcome);
  }
  return next.value;
}
