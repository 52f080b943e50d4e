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

it('backs off after a failure for as long as the other side asks, and is woken early', async () => {
  const clock = manualClock();
  let steps = 0;
  let recovered: () => void = () => undefined;
  const again = new Promise<void>((resolve) => {
    recovered = resolve;
  });
  const workers = new Workers({
    name: 'test',
    step: async (): Promise<Step> => {
      steps += 1;
      if (steps === 1)
        throw new BridgeError('matrix.rate-limited', 'slow down', { retry: 'later', retryAfterMs: 7_000 });
      recovered();
      return 'idle';
    },
    clock,
    logger,
  });
  workers.wake('a');
  await clock.slept;
  expect(clock.sleeps.map((sleep) => sleep.ms)).toEqual([7_000]);
  workers.wake('a');
  await again;
  await workers.stop();
});

it('stops without waiting for sleepers', async () => {
  const clock = manualClock();
  const workers = new Workers({ name: 'test', step: async () => ({ waitMs: 1_000_000 }), clock, logger });
  workers.wake('a');
  await clock.slept;
  await workers.stop();
});
