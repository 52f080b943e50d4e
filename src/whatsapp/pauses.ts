// How long to wait before an account connects again, by how its last connections ended.
import type { Disconnect } from '../model/interop.ts';
import { backOff } from './backoff.ts';
import type { ClientTuning } from './tuning.ts';

type Times = Pick<
  ClientTuning,
  'backOffBaseMs' | 'backOffCapMs' | 'stableAfterMs' | 'replacedBaseMs' | 'replacedCapMs'
>;

export class Pauses {
  readonly #times: Times;
  readonly #random: () => number;
  /** Connections in a row that did not last. */
  #attempts = 0;
  /** How often another connection has taken over since one was left in peace. */
  #replaced = 0;

  constructor(times: Times, random: () => number = Math.random) {
    this.#times = times;
    this.#random = random;
  }

  /** Returns milliseconds. `restart`: the network, or we ourselves, want another connection at once. */
  next(disconnect: Disconnect, restart: boolean, lastedMs: number): number {
    const { backOffBaseMs, backOffCapMs, stableAfterMs, replacedBaseMs, replacedCapMs } = this.#times;
    if (lastedMs >= stableAfterMs) this.#attempts = 0;
    if (lastedMs >= replacedCapMs) this.#replaced = 0;
    const attempt = this.#attempts;
    this.#attempts += 1;
    // Only the first restart is immediate: a server that keeps asking for it must not be hammered.
    if (restart && attempt === 0) return 0;
    const pause = backOff(attempt, this.#random(), backOffBaseMs, backOffCapMs);
    switch (disconnect.reason) {
      case 'banned':
        return Math.max(pause, disconnect.expiresInMs ?? 0);
      case 'replaced': {
        const takeovers = this.#replaced;
        this.#replaced += 1;
        return backOff(takeovers, this.#random(), replacedBaseMs, replacedCapMs);
      }
      default:
        return pause;
    }
  }
}
