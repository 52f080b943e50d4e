// How long a run waits for what may never come: without end while processes are killed, for their work takes as long as it takes; then until nothing has come for a while.

export class Patience {
  readonly #ms: number;
  #over = new AbortController();
  #timer: NodeJS.Timeout | undefined;

  /** `ms`: long after that nothing comes any more. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Aborted when it is over. */
  get over(): AbortSignal {
    return this.#over.signal;
  }

  /** A process lives that is not killed any more: from now on something must come. */
  begin(): void {
    clearTimeout(this.#timer);
    if (this.#over.signal.aborted) this.#over = new AbortController();
    this.#timer = setTimeout(() => this.#over.abort(), this.#ms);
  }

  /** Something has come. */
  renew(): void {
    if (this.#timer !== undefined && !this.#over.signal.aborted) this.#timer.refresh();
  }

  end(): void {
    clearTimeout(this.#timer);
  }
}
