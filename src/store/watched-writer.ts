// A writer whose trouble is noticed: told once when nothing can be written any more, tried by itself until something can.
import type { BridgeError } from '../model/errors.ts';
import { isUnavailable } from './errors.ts';
import type { Steps } from './steps.ts';
import type { Writer } from './writer.ts';

export interface WriterWatch {
  /** A small write that changes nothing. */
  readonly probe: () => Steps;
  /** The disk is full, read-only or gone: every commit fails until `onBack`. */
  readonly onAway?: ((error: BridgeError) => void) | undefined;
  readonly onBack?: (() => void) | undefined;
}

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;

export class WatchedWriter implements Pick<Writer, 'submit'> {
  readonly #writer: Writer;
  readonly #watch: WriterWatch;
  #away = false;
  #timer: NodeJS.Timeout | undefined;
  #ended = false;

  constructor(writer: Writer, watch: WriterWatch) {
    this.#writer = writer;
    this.#watch = watch;
  }

  /** Whether the last commit could be written. */
  get writable(): boolean {
    return !this.#away;
  }

  async submit<Result>(steps: () => Steps<Result>, durable?: () => void): Promise<Result> {
    try {
      const result = await this.#writer.submit(steps, durable);
      this.#back();
      return result;
    } catch (error) {
      if (isUnavailable(error)) this.#leave(error);
      throw error;
    }
  }

  stopWatching(): void {
    this.#ended = true;
    clearTimeout(this.#timer);
  }

  #leave(error: BridgeError): void {
    if (this.#away || this.#ended) return;
    this.#away = true;
    this.#watch.onAway?.(error);
    this.#tryAfter(firstPauseMs);
  }

  #back(): void {
    if (!this.#away) return;
    this.#away = false;
    clearTimeout(this.#timer);
    this.#watch.onBack?.();
  }

  #tryAfter(pauseMs: number): void {
    this.#timer = setTimeout(() => {
      this.submit(this.#watch.probe).catch(() => {
        if (this.#away && !this.#ended) this.#tryAfter(Math.min(longestPauseMs, pauseMs * 2));
      });
    }, pauseMs).unref();
  }
}
