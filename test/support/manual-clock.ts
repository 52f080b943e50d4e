// Time that only a test moves.
import type { Clock } from '../../src/model/clock.ts';

interface Sleeper {
  readonly ms: number;
  readonly until: number;
  wake(): void;
}

export class ManualClock implements Clock {
  #now: number;
  #set = 0;
  readonly #sleepers = new Set<Sleeper>();
  readonly #watchers = new Set<() => void>();

  constructor(now = Date.now()) {
    this.#now = now;
  }

  now(): number {
    return this.#now + this.#set;
  }

  elapsed(): number {
    return this.#now;
  }

  /** Somebody sets the clock: no time passes. */
  set(ms: number): void {
    this.#set += ms;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (signal?.aborted) resolve();
    else {
      const sleeper: Sleeper = {
        ms,
        until: this.#now + ms,
        wake: () => {
          this.#sleepers.delete(sleeper);
          signal?.removeEventListener('abort', sleeper.wake);
          resolve();
        },
      };
      this.#sleepers.add(sleeper);
      signal?.addEventListener('abort', sleeper.wake, { once: true });
      for (const watch of this.#watchers) watch();
    }
    return promise;
  }

  get sleepers(): number {
    return this.#sleepers.size;
  }

  /** Resolves with the length of a sleep as soon as somebody is in one of between `min` and `max` milliseconds. */
  sleeping(min: number, max = min): Promise<number> {
    const find = () => [...this.#sleepers].find(({ ms }) => ms >= min && ms <= max);
    return new Promise((resolve) => {
      const watch = (): void => {
        const found = find();
        if (!found) return;
        this.#watchers.delete(watch);
        resolve(found.ms);
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  advance(ms: number): void {
    this.#now += ms;
    for (const sleeper of [...this.#sleepers]) if (sleeper.until <= this.#now) sleeper.wake();
  }
}
