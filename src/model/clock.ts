// Time as a port, so that a test can own it.

export interface Clock {
  /** Milliseconds since the Unix epoch, as the machine believes it to be: somebody may set it forward or back at any time. */
  now(): number;
  /** Milliseconds since some moment before. Never jumps: for everything that asks how long something has taken. */
  elapsed(): number;
  /** Resolves after `ms` milliseconds (or earlier where that is more than a timer can take), at once when `signal` is aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
}

/** The longest time that a Node timer takes; more would end at once. About 24 days. */
const longestTimerMs = 2 ** 31 - 1;

export const systemClock: Clock = {
  now: () => Date.now(),
  elapsed: () => performance.now(),
  sleep: (ms, signal) =>
    new Promise((resolve) => {
      if (signal?.aborted) return resolve();
      const done = (): void => {
        clearTimeout(timer);
        signal?.removeEventListener('abort', done);
        resolve();
      };
      const timer = setTimeout(done, Math.min(ms, longestTimerMs));
      signal?.addEventListener('abort', done, { once: true });
    }),
};
