// How many connections are being made at once: thousands of accounts must flood neither the network nor this process.

/** Attempts in the order in which they were asked for, so many at a time. */
export class Attempts {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  constructor(most: number) {
    this.#free = most;
  }

  /** Resolves to what ends the attempt, once there is room for it; to undefined where `signal` was aborted before. */
  async begin(signal: AbortSignal): Promise<(() => void) | undefined> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    let ended = false;
    const end = (): void => {
      if (ended) return;
      ended = true;
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    };
    if (!signal.aborted) return end;
    end();
    return undefined;
  }
}
