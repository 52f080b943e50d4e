// A sender that trickles must not hold a transfer for ever. The time that the reader takes does not count.
import type { Clock } from '../../model/clock.ts';

export interface PaceRule {
  /** So many bytes have to come ... */
  readonly paceBytes: number;
  /** ... within so many milliseconds of waiting. */
  readonly paceMs: number;
}

/** How long to look away at least, in milliseconds. */
const SHORTEST_LOOK = 1_000;

export class Pace {
  readonly #clock: Clock;
  readonly #rule: PaceRule;
  readonly #over = new AbortController();
  /** Bytes, and milliseconds of waiting, since the rule was last kept. */
  #received = 0;
  #waited = 0;
  #waitingSince: number | undefined;

  /** Waiting starts at once: what nobody reads is not kept open either. */
  constructor(clock: Clock, rule: PaceRule, onTooSlow: () => void) {
    this.#clock = clock;
    this.#rule = rule;
    this.wait();
    void this.#watch(onTooSlow);
  }

  wait(): void {
    this.#waitingSince ??= this.#clock.elapsed();
  }

  receive(bytes: number): void {
    this.#waited = this.#waitedSoFar();
    this.#waitingSince = undefined;
    this.#received += bytes;
    if (this.#received < this.#rule.paceBytes) return;
    this.#received = 0;
    this.#waited = 0;
  }

  stop(): void {
    this.#over.abort();
  }

  #waitedSoFar(): number {
    const since = this.#waitingSince;
    return this.#waited + (since === undefined ? 0 : this.#clock.elapsed() - since);
  }

  async #watch(onTooSlow: () => void): Promise<void> {
    while (!this.#over.signal.aborted) {
      const left = this.#rule.paceMs - this.#waitedSoFar();
      if (left <= 0) return onTooSlow();
      await this.#clock.sleep(Math.max(left, SHORTEST_LOOK), this.#over.signal);
    }
  }
}
