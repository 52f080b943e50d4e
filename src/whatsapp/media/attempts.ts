// How often a transfer is tried: again after a pause while it gets on, and not for ever where it does not.
import type { Clock } from '../../model/clock.ts';
import { BridgeError } from '../../model/errors.ts';
import { backOff } from '../backoff.ts';

export interface AttemptTuning {
  /** Failures in a row without as much as `paceBytes` in between. */
  readonly tries: number;
  readonly paceBytes: number;
  /** First and longest pause before the next try, in milliseconds. */
  readonly backOffBaseMs: number;
  readonly backOffCapMs: number;
  /** Whoever tells us to wait longer than this is not waited for here: the caller is told. */
  readonly longestWaitMs: number;
}

export interface AttemptContext {
  readonly clock: Clock;
  readonly tuning: AttemptTuning;
  readonly signal: AbortSignal;
}

export class Attempts {
  readonly #context: AttemptContext;
  #failures = 0;
  /** Bytes when failures were last counted anew. */
  #reached = 0;

  constructor(context: AttemptContext) {
    this.#context = context;
  }

  /** Until it succeeds, or there is no further try. `position`: the bytes that have come so far. */
  async run<Result>(position: number, attempt: () => Promise<Result>): Promise<Result> {
    for (;;) {
      try {
        return await attempt();
      } catch (error) {
        await this.pause(error, position);
      }
    }
  }

  /** Resolves when it is time for the next try. Throws `error` where there is none, or the signal's reason. */
  async pause(error: unknown, position: number): Promise<void> {
    const { clock, tuning, signal } = this.#context;
    signal.throwIfAborted();
    if (!(error instanceof BridgeError) || error.code !== 'media.unavailable') throw error;
    if (position - this.#reached >= tuning.paceBytes) {
      this.#failures = 0;
      this.#reached = position;
    }
    const pause = backOff(this.#failures, Math.random(), tuning.backOffBaseMs, tuning.backOffCapMs);
    const wait = Math.max(pause, error.retryAfterMs ?? 0);
    this.#failures += 1;
    if (this.#failures >= tuning.tries || wait > tuning.longestWaitMs) throw error;
    await clock.sleep(wait, signal);
    signal.throwIfAborted();
  }
}
