// The writer on PostgreSQL: what is handed over while a transaction runs shares the next one, each commit behind a savepoint of its own.
import { closed } from '../errors.ts';
import type { Outcome, Statement, Steps } from '../steps.ts';
import { MAX_GROUP, type Writer } from '../writer.ts';
import { type LockedSession, silently, type Transaction } from './session.ts';

interface Job {
  /** Runs the steps; returns what to do once they are durable. */
  readonly run: (transaction: Transaction) => Promise<() => void>;
  readonly reject: (error: unknown) => void;
}

export class PostgresWriter implements Writer {
  readonly #session: LockedSession;
  #queue: Job[] = [];
  #working: Promise<void> | undefined;
  #closed = false;

  constructor(session: LockedSession) {
    this.#session = session;
  }

  submit<Result>(steps: () => Steps<Result>, durable: () => void = () => undefined): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closed());
      const run = async (transaction: Transaction): Promise<() => void> => {
        const result = await drive(transaction, steps());
        return () => {
          durable();
          resolve(result);
        };
      };
      this.#queue.push({ run, reject });
      this.#working ??= this.#work();
    });
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#working;
    await this.#session.close();
  }

  async #work(): Promise<void> {
    // What else is handed over in this turn of the event loop goes along.
    await new Promise((turn) => setImmediate(turn));
    while (this.#queue.length > 0) await this.#commitGroup(this.#queue.splice(0, MAX_GROUP));
    this.#working = undefined;
  }

  async #commitGroup(group: readonly Job[]): Promise<void> {
    try {
      const settled = await this.#session.transaction(async (transaction) => {
        const [job] = group;
        if (job && group.length === 1) return [await job.run(transaction)];
        const results: (() => void)[] = [];
        for (const each of group) results.push(await behindSavepoint(transaction, each));
        return results;
      });
      for (const settle of settled) settle();
    } catch (error) {
      for (const job of group) job.reject(error);
    }
  }
}

/** Rejects only where the transaction as a whole is lost. */
async function behindSavepoint(transaction: Transaction, job: Job): Promise<() => void> {
  const begun = silently(transaction.execute('savepoint job'));
  try {
    const settle = await job.run(transaction);
    await begun;
    // Not waited for: if it failed, so would the commit of the whole transaction.
    silently(transaction.execute('release savepoint job'));
    return settle;
  } catch (error) {
    await transaction.execute('rollback to savepoint job');
    await transaction.execute('release savepoint job');
    return () => job.reject(error);
  }
}

/** What the steps are resumed with after a statement whose outcome they do not look at. */
const unknown: Outcome = { rows: [], changes: 0 };

/** Waits for a statement only where the next one depends on it; rejects with the first failure in the order of the statements. */
async function drive<Result>(transaction: Transaction, steps: Steps<Result>): Promise<Result> {
  const sent: Promise<Outcome>[] = [];
  try {
    let next = steps.next();
    while (!next.done) {
      const { query, awaited, mustChange } = next.value;
      const outcome = silently(checked(transaction.execute(query.sql, query.parameters), mustChange));
      sent.push(outcome);
      next = steps.next(awaited ? await outcome : unknown);
    }
    await Promise.all(sent);
    return next.value;
  } catch (error) {
    for (const outcome of sent) await outcome;
    throw error;
  }
}

async function checked(execution: Promise<Outcome>, mustChange: Statement['mustChange']): Promise<Outcome> {
  const outcome = await execution;
  if (mustChange !== undefined && outcome.changes === 0) throw mustChange();
  return outcome;
}
