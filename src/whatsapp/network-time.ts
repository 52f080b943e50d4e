// The network's clock, as far as it has shown it: tokens are judged by that one, and ours may be hours off.
import type { Clock } from '../model/clock.ts';

export class NetworkTime {
  readonly #clock: Clock;
  #shown: { readonly time: number; readonly at: number } | undefined;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** `time` in milliseconds since the Unix epoch; what is no number says nothing. */
  shown(time: number | undefined): void {
    if (time !== undefined && Number.isFinite(time) && time > 0) this.#shown = { time, at: this.#clock.elapsed() };
  }

  /**
   * A token of that time was refused: another one is made by our own clock, unless the time is shown again. While a machine is suspended,
   * what counts on from the time that was shown may stand still.
   */
  forget(): void {
    this.#shown = undefined;
  }

  /** Milliseconds since the Unix epoch; our own clock's while the network has shown nothing. Setting that one changes nothing afterwards. */
  now(): number {
    const shown = this.#shown;
    return shown === undefined ? this.#clock.now() : shown.time + this.#clock.elapsed() - shown.at;
  }
}
