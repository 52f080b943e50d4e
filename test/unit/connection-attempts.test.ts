import { expect, it } from 'vitest';
import { Attempts } from '../../src/whatsapp/attempts.ts';

it('lets only so many begin at once, in the order in which they asked', async () => {
  const attempts = new Attempts(2);
  const { signal } = new AbortController();
  const begun: number[] = [];
  const begin = async (number: number): Promise<() => void> => {
    const end = await attempts.begin(signal);
    begun.push(number);
    return end ?? (() => undefined);
  };
  const first = await begin(1);
  await begin(2);
  const third = begin(3);
  const fourth = begin(4);
  expect(begun).toEqual([1, 2]);
  first();
  // Ended once, however often it is said.
  first();
  (await third)();
  await fourth;
  expect(begun).toEqual([1, 2, 3, 4]);
});

it('passes the turn of one that was stopped meanwhile on to the next', async () => {
  const attempts = new Attempts(1);
  const stopping = new AbortController();
  const running = await attempts.begin(new AbortController().signal);
  const stopped = attempts.begin(stopping.signal);
  const next = attempts.begin(new AbortController().signal);
  stopping.abort();
  running?.();
  expect(await stopped).toBeUndefined();
  expect(await next).toBeDefined();
});
