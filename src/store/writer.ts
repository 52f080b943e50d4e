// The one writer of a database: what is handed over while it is busy shares a transaction, each commit behind a savepoint of its own.
import type { Steps } from './steps.ts';

export interface Writer {
  /**
   * Runs the steps in the order of handing over, all or nothing. `durable` is called after the commit has reached the disk, before the
   * promise resolves. Rejects with what the steps threw, or BridgeError `store.*`.
   */
  submit<Result>(steps: () => Steps<Result>, durable?: () => void): Promise<Result>;
  /** Commits what has been handed over, and refuses what comes later. */
  close(): Promise<void>;
}

/** Commits in one transaction: on SQLite a longer one would hold up the event loop. */
export const MAX_GROUP = 100;
