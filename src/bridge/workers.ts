// Workers: one loop per key (a portal, a room, an account), woken when there is work, bounded in how many run at once, fair between keys.
import type { Clock } from '../model/clock.ts';
import { BridgeError, errorCode } from '../model/errors.ts';
import type { Logger } from '../observability/logger.ts';

/** `again`: there may be more. `idle`: nothing to do until woken. `waitMs`: try again then, or earlier when woken. */
export type Step = 'again' | 'idle' | { readonly waitMs: number };

export interface WorkersOptions<Key> {
  readonly name: string;
  readonly step: (key: Key) => Promise<Step>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many keys are worked on at the same time. */
  readonly parallel?: number;
}

const firstBackOffMs = 500;
const longestBackOffMs = 60_000;

interface Loop {
  /** Set when woken during a step or a wait. */
  woken: boolean;
  wake: AbortController;
  failures: number;
}

export class Workers<Key> {
  readonly #options: WorkersOptions<Key>;
  readonly #loops = new Map<Key, Loop>();
  readonly #running = new Set<Promise<void>>();
  readonly #queue: (() => void)[] = [];
  #free: number;
  #stopped = false;

  constructor(options: WorkersOptions<Key>) {
    this.#options = options;
    this.#free = options.parallel ?? 16;
  }

  /** Makes sure that `key` is looked at. Cheap; may be called at any time and as often as wanted. */
  wake(key: Key): void {
    if (this.#stopped) return;
    const loop = this.#loops.get(key);
    if (loop !== undefined) {
      loop.woken = true;
      loop.wake.abort();
      return;
    }
    const fresh: Loop = { woken: false, wake: new AbortController(), failures: 0 };
    this.#loops.set(key, fresh);
    const run = this.#run(key, fresh).finally(() => this.#running.delete(run));
    this.#running.add(run);
  }

  /** Lets running steps end, starts no more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    for (const loop of this.#loops.values()) loop.wake.abort();
    await Promise.all(this.#running);
  }

  async #run(key: Key, loop: Loop): Promise<void> {
    while (!this.#stopped) {
      loop.woken = false;
      loop.wake = new AbortController();
      const next = await this.#step(key, loop);
      if (next === 'again' || loop.woken) continue;
      if (next === 'idle') break;
      await this.#options.clock.sleep(next.waitMs, loop.wake.signal);
    }
    this.#loops.delete(key);
  }

  async #step(key: Key, loop: Loop): Promise<Step> {
    await this.#enter();
    try {
      if (this.#stopped) return 'idle';
      const step = await this.#options.step(key);
      loop.failures = 0;
      return step;
    } catch (error) {
      // An account that was erased in the meantime has no work left.
      if (error instanceof BridgeError && error.code === 'store.gone') return 'idle';
      return { waitMs: this.#backOff(error, loop) };
    } finally {
      this.#leave();
    }
  }

  #backOff(error: unknown, loop: Loop): number {
    loop.failures += 1;
    const exponential = Math.min(longestBackOffMs, firstBackOffMs * 2 ** Math.min(loop.failures - 1, 10));
    const waitMs = Math.max((error instanceof BridgeError && error.retryAfterMs) || 0, exponential);
    const { name, logger } = this.#options;
    const fields = { worker: name, code: errorCode(error), failures: loop.failures, waitMs, err: error };
    if (error instanceof BridgeError && error.retry === 'later') logger.warn(fields, 'step failed, trying again later');
    else logger.error(fields, 'step failed unexpectedly, trying again later');
    return waitMs;
  }

  #enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
