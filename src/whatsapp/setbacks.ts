// What could not be handled and comes again: how often each has failed, how long to wait before the next try, and when to stop.
import type { ClientTuning } from './tuning.ts';

/** Longer pauses than this help nobody: whoever knows that the cause is over says so (see InteropClient.redeliver). */
const LONGEST_PAUSES = 4;
/** Of so many stanzas the failures are remembered; more at once are the failure of something else. */
const MOST_REMEMBERED = 1_000;

interface Setback {
  readonly failures: number;
  /** Those that count towards giving up. */
  readonly counted: number;
}

/** Of one account, for as long as its client lives: a stanza fails on one connection, and again on the next. */
export class Setbacks {
  readonly #tuning: Pick<ClientTuning, 'redeliverAfterMs' | 'handlingTries'>;
  readonly #known = new Map<string, Setback>();

  constructor(tuning: Pick<ClientTuning, 'redeliverAfterMs' | 'handlingTries'>) {
    this.#tuning = tuning;
  }

  /**
   * This stanza has failed (again). `counts`: it is its own failure, or may be. Returns whether that was the last try, and how many
   * milliseconds to wait before the network is asked for it once more.
   */
  failed(key: string, counts: boolean): { readonly last: boolean; readonly pauseMs: number } {
    const before = this.#known.get(key) ?? { failures: 0, counted: 0 };
    const setback = { failures: before.failures + 1, counted: before.counted + (counts ? 1 : 0) };
    // The newest at the end, so that the first is the one that has not failed for longest.
    this.#known.delete(key);
    this.#known.set(key, setback);
    const [oldest] = this.#known.keys();
    if (this.#known.size > MOST_REMEMBERED && oldest !== undefined) this.#known.delete(oldest);
    const doublings = Math.min(setback.failures - 1, LONGEST_PAUSES);
    return {
      last: setback.counted >= this.#tuning.handlingTries,
      pauseMs: this.#tuning.redeliverAfterMs * 2 ** doublings,
    };
  }

  over(key: string): void {
    this.#known.delete(key);
  }
}
