// While the homeserver is away, everybody waits at one gate and one question is asked, instead of each asking for themselves.
import type { Clock } from '../model/clock.ts';
import { BridgeError, errorCode } from '../model/errors.ts';
import type { Logger } from '../observability/logger.ts';

export interface HomeserverGateOptions {
  /** A cheap request that succeeds when the homeserver is there and knows us. */
  readonly ask: () => Promise<unknown>;
  readonly clock: Clock;
  readonly logger?: Logger | undefined;
  /** Called when it is back. */
  readonly onBack?: (() => void) | undefined;
}

const firstPauseMs = 500;
const longestPauseMs = 30_000;

export class HomeserverGate {
  readonly #options: HomeserverGateOptions;
  readonly #stopping = new AbortController();
  /** Settled when the gate opens, or when waiting is given up. Undefined while it is open. */
  #shut: Promise<void> | undefined;
  /** How often it was shut since a request has last succeeded: a homeserver that answers one question only is not back. */
  #failures = 0;
  /** Counts the times that it opened, so that a request from before an outage does not shut the gate after it. */
  #opening = 0;

  constructor(options: HomeserverGateOptions) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return this.#shut === undefined;
  }

  /** Resolves at once while the homeserver is there, otherwise when it is back. Rejects with BridgeError `matrix.unreachable` after `stop`. */
  async pass(): Promise<number> {
    while (this.#shut !== undefined) await this.#shut;
    return this.#opening;
  }

  /** For what holds more than a place while it waits, such as a file: throws BridgeError `matrix.unreachable` while it is shut. */
  requireOpen(): void {
    if (!this.isOpen) throw away('the homeserver is away');
  }

  succeeded(): void {
    this.#failures = 0;
  }

  /** A request that passed at `opening` has found nobody there. */
  failed(opening: number, error: BridgeError): void {
    if (!this.isOpen || opening !== this.#opening || this.#stopping.signal.aborted) return;
    this.#options.logger?.warn({ code: error.code, err: error }, 'the homeserver is away; everything for it waits');
    this.#shut = this.#untilBack(error.retryAfterMs ?? 0);
    // Whoever waits is told; perhaps nobody does.
    this.#shut.catch(() => undefined);
  }

  /** Whoever waits is sent away. */
  stop(): void {
    this.#stopping.abort();
  }

  async #untilBack(namedMs: number): Promise<void> {
    const { ask, clock, logger } = this.#options;
    const { signal } = this.#stopping;
    for (let atLeastMs = namedMs; ; ) {
      const pause = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failures, 10));
      this.#failures += 1;
      await clock.sleep(Math.max(pause, atLeastMs), signal);
      if (signal.aborted) throw away('shutting down');
      try {
        await ask();
        break;
      } catch (error) {
        logger?.debug({ code: errorCode(error), failures: this.#failures }, 'the homeserver is still away');
        atLeastMs = (error instanceof BridgeError && error.retryAfterMs) || 0;
      }
    }
    logger?.info({}, 'the homeserver is back');
    this.#opening += 1;
    this.#shut = undefined;
    this.#options.onBack?.();
  }
}

const away = (text: string): BridgeError => new BridgeError('matrix.unreachable', text, { retry: 'later' });
