import { expect, it } from 'vitest';
import { type Step, Workers } from '../../src/bridge/workers.ts';
import type { Clock } from '../../src/model/clock.ts';
import { BridgeError } from '../../src/model/errors.ts';
import { createLogger } from '../../src/observability/logger.ts';

const logger = createLogger({ level: 'silent' });

/** A clock whose sleepers wait until the test lets them go. */
function manualClock(): Clock & { readonly sleeps: { ms: number; end: () => void }[]; slept: Promise<void> } {
  let announce: () => void = () => undefined;
  const clock = {
    sleeps: [] as { ms: number; end: () => void }[],
    slept: new Promise<void>((resolve) => {
      announce = resolve;
    }),
    now: () => 0,
    elapsed: () => 0,
    sleep: (ms: number, signal?: AbortSignal) =>
      new Promise<void>((resolve) => {
        clock.sleeps.push({ ms, end: resolve });
        signal?.addEventListener('abort', () => resolve());
        announce();
      }),
  };
  return clock;
}

it('works one step after another per key, keys side by side, and ends when idle', async () => {
  const running = new Map<string, number>();
  let most = 0;
  const left = new Map([
    ['a', 3],
    ['b', 3],
  ]);
  let finished: () => void = () => undefined;
  const all = new Promise<void>((resolve) => {
    finished = resolve;
  });
  const step = async (key: string): Promise<Step> => {
    running.set(key, (running.get(key) ?? 0) + 1);
    expect(running.get(key)).toBe(1);
    most = Math.max(
      most,
      [...running.values()].reduce((sum, count) => sum + count, 0),
    );
    await Promise.resolve();
    running.set(key, 0);
    left.set(key, (left.get(key) ?? 0) - 1);
    if ([...left.values()].every((count) => count === 0)) finished();
    return left.get(key) === 0 ? 'idle' : 'again';
  };
  const workers = new Workers({ name: 'test', step, clock: manualClock(), logger });
  workers.wake('a');
  workers.wake('b');
  workers.wake('a');
  await all;
  await workers.stop();
  expect(most).toBe(2);
});

it('looks again when woken during a step', async () => {
  let steps = 0;
  let second: () => void = () => undefined;
  const twice = new Promise<void>((resolve) => {
    second = resolve;
  });
  const workers: Workers<string> = new Workers({
    name: 'test',
    step: async () => {
      steps += 1;
      if (steps === 1) workers.wake('a');
      else second();
      return 'idle';
    },
    clock: manualClock(),
    logger,
  });
  workers.wake('a');
  await twice;
  await workers.stop();
  expect(steps).toBe(2);
});

/** Workers on one key that fail in the given way until they are told to succeed. */
function failing(error: Error) {
  const clock = manualClock();
  const tries: number[] = [];
  let next = Promise.withResolvers<void>();
  let healthy = false;
  const workers = new Workers<string>({
    name: 'test',
    step: async (): Promise<Step> => {
      tries.push(clock.sleeps.length);
      next.resolve();
      if (!healthy) throw error;
      return 'idle';
    },
    clock,
    logger,
  });
  return {
    workers,
    clock,
    tries,
    recover: () => {
      healthy = true;
    },
    /** Resolves at the next try. */
    tried: () => {
      next = Promise.withResolvers<void>();
      return next.promise;
    },
  };
}

/** Lets everything run that does not wait for time. */
const settled = () => new Promise<void>((resolve) => setImmediate(resolve));

it('backs off after a failure, longer each time, and is not hurried by more work', async () => {
  const { workers, clock, tries, tried } = failing(new BridgeError('matrix.unreachable', 'away', { retry: 'later' }));
  workers.wake('a');
  await clock.slept;
  for (const waited of [500, 1_000, 2_000]) {
    for (let i = 0; i < 100; i++) workers.wake('a');
    await settled();
    expect(clock.sleeps.at(-1)?.ms).toBe(waited);
    const again = tried();
    clock.sleeps.at(-1)?.end();
    await again;
    await settled();
  }
  expect(tries).toHaveLength(4);
  await workers.stop();
});

it('tries again at once when what made it fail is over, also where that is known during the step', async () => {
  const { workers, clock, tried, recover } = failing(new BridgeError('interop.timeout', 'silent', { retry: 'later' }));
  workers.wake('a');
  await clock.slept;
  recover();
  const again = tried();
  workers.resume('a');
  await again;
  await workers.stop();

  let steps = 0;
  const twice = Promise.withResolvers<void>();
  const others: Workers<string> = new Workers({
    name: 'test',
    step: async () => {
      steps += 1;
      if (steps === 2) twice.resolve();
      if (steps > 1) return 'idle';
      others.resume('b');
      throw new BridgeError('interop.timeout', 'silent', { retry: 'later' });
    },
    clock: manualClock(),
    logger,
  });
  others.wake('b');
  await twice.promise;
  await others.stop();
});

it('waits as long as the other side asks, whatever happens meanwhile', async () => {
  const slowDown = new BridgeError('matrix.rate-limited', 'slow down', { retry: 'later', retryAfterMs: 7_000 });
  const { workers, clock, tries } = failing(slowDown);
  workers.wake('a');
  await clock.slept;
  workers.wake('a');
  workers.resume('a');
  await settled();
  expect(clock.sleeps.map(({ ms }) => ms)).toEqual([7_000]);
  expect(tries).toHaveLength(1);
  await workers.stop();
});

it('stops without waiting for sleepers', async () => {
  const clock = manualClock();
  const workers = new Workers({ name: 'test', step: async () => ({ waitMs: 1_000_000 }), clock, logger });
  workers.wake('a');
  await clock.slept;
  await workers.stop();
});

it('halts a key: its step ends, asked to, and no other begins before it is let go; other keys go on', async () => {
  const begun: string[] = [];
  const started = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<void>();
  const step = async (key: string, halted: AbortSignal): Promise<Step> => {
    begun.push(key);
    if (key !== 'a' || begun.length > 1) return 'idle';
    started.resolve();
    await new Promise<void>((resolve) => halted.addEventListener('abort', () => resolve()));
    await ended.promise;
    return 'again';
  };
  const workers = new Workers({ name: 'test', step, clock: manualClock(), logger });
  workers.wake('a');
  await started.promise;
  let halted = false;
  const first = workers.halt('a').then((release) => {
    halted = true;
    return release;
  });
  const second = workers.halt('a');
  workers.wake('a');
  workers.wake('b');
  await Promise.resolve();
  expect(halted).toBe(false);
  ended.resolve();
  const [release, releaseSecond] = await Promise.all([first, second]);
  workers.wake('a');
  release();
  await new Promise((resolve) => setImmediate(resolve));
  expect(begun).toEqual(['a', 'b']);
  releaseSecond();
  await new Promise((resolve) => setImmediate(resolve));
  await workers.stop();
  expect(begun).toEqual(['a', 'b', 'a']);
});

it('looks at every key of a long list, and at none of the rest once it is stopped', async () => {
  const seen: number[] = [];
  const keys = Array.from({ length: 2_000 }, (_, key) => key);
  const workers = new Workers<number>({
    name: 'test',
    clock: manualClock(),
    logger,
    parallel: 4,
    step: async (key) => {
      seen.push(key);
      return 'idle';
    },
  });
  await workers.wakeAll(keys.slice(0, 1_500));
  await workers.stop();
  expect(seen).toEqual(keys.slice(0, 1_500));
  await workers.wakeAll(keys.slice(1_500));
  expect(seen).toHaveLength(1_500);
});

it('goes on with other keys while as many as may run at once hang', async () => {
  const hanging = Promise.withResolvers<Step>();
  const done = Promise.withResolvers<void>();
  const left = new Set(Array.from({ length: 50 }, (_, key) => `chat ${key}`));
  const workers = new Workers<string>({
    name: 'test',
    clock: manualClock(),
    logger,
    parallel: 4,
    patienceMs: 1,
    step: async (key) => {
      if (key.startsWith('broken')) return hanging.promise;
      left.delete(key);
      if (left.size === 0) done.resolve();
      return 'idle';
    },
  });
  for (let key = 0; key < 16; key += 1) workers.wake(`broken ${key}`);
  for (const key of left) workers.wake(key);
  await done.promise;
  hanging.resolve('idle');
  await workers.stop();
});
