// Slots for transfers: a bound on how many run at once, shared fairly between accounts, and broken off when an account ends.
import { BridgeError } from '../../model/errors.ts';
import type { AccountId } from '../../model/ids.ts';

interface Waiting {
  readonly start: () => void;
}

export class TransferSlots {
  readonly #stopping = new AbortController();
  readonly #running = new Map<AccountId, Set<AbortController>>();
  /** Accounts take turns: the first one in the map is next, and goes to the end once it has been served. */
  readonly #waiting = new Map<AccountId, Waiting[]>();
  #free: number;

  constructor(slots: number) {
    this.#free = slots;
  }

  /** Runs `transfer` once a slot is free. Its signal is aborted when the account or the process ends; it then rejects with `store.gone`. */
  async run<Result>(account: AccountId, transfer: (signal: AbortSignal) => Promise<Result>): Promise<Result> {
    const controller = new AbortController();
    const own = this.#running.get(account) ?? new Set();
    this.#running.set(account, own.add(controller));
    const signal = AbortSignal.any([controller.signal, this.#stopping.signal]);
    try {
      await this.#enter(account, signal);
      try {
        return await transfer(signal);
      } finally {
        this.#leave();
      }
    } catch (error) {
      // Whatever the transfer made of being broken off.
      if (signal.aborted) throw ended();
      throw error;
    } finally {
      own.delete(controller);
      if (own.size === 0) this.#running.delete(account);
    }
  }

  /** Breaks off what runs or waits for this account. */
  abort(account: AccountId): void {
    for (const controller of this.#running.get(account) ?? []) controller.abort();
  }

  /** Breaks off everything; what is begun later ends at once. */
  stop(): void {
    this.#stopping.abort();
  }

  #enter(account: AccountId, signal: AbortSignal): Promise<void> {
    if (signal.aborted) return Promise.reject(ended());
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve, reject) => {
      const queue = this.#waiting.get(account) ?? [];
      const onAbort = (): void => {
        queue.splice(queue.indexOf(entry), 1);
        if (queue.length === 0) this.#waiting.delete(account);
        reject(ended());
      };
      const entry: Waiting = {
        start: () => {
          signal.removeEventListener('abort', onAbort);
          resolve();
        },
      };
      signal.addEventListener('abort', onAbort, { once: true });
      queue.push(entry);
      this.#waiting.set(account, queue);
    });
  }

  #leave(): void {
    for (const [account, queue] of this.#waiting) {
      const next = queue.shift();
      this.#waiting.delete(account);
      if (queue.length > 0) this.#waiting.set(account, queue);
      if (next === undefined) continue;
      next.start();
      return;
    }
    this.#free += 1;
  }
}

const ended = (): BridgeError =>
  new BridgeError('store.gone', 'a transfer was broken off: its account or the process ends');
