// A kill at every step of delivery and a dozen at random, while people write; and every run that has ever failed.
import { expect, test } from 'vitest';
import { keptSeeds } from './kept-seeds.ts';
import { planOf } from './plan.ts';
import { run } from './run.ts';

const limitMs = 600_000;

test('every message once and in order, wherever the process is killed', { timeout: limitMs }, async () => {
  const { account } = await run(planOf({ seed: 1, chats: 3, everyStep: true, kills: 12 }));
  expect(account.complaints).toEqual([]);
  expect(account.sent).toBeGreaterThan(150);
});

test.each(await keptSeeds())('what failed once: seed $seed, $kills kills', { timeout: limitMs }, async (plan) => {
  expect((await run(planOf(plan))).account.complaints).toEqual([]);
});
