// Connecting again has a bounded rate, whatever ends the connections.
import { expect, test } from 'vitest';
import type { Disconnect } from '../../src/model/interop.ts';
import { Pauses } from '../../src/whatsapp/pauses.ts';
import { Setbacks } from '../../src/whatsapp/setbacks.ts';
import { DEFAULT_TUNING, tuningInHaste } from '../../src/whatsapp/tuning.ts';

const network: Disconnect = { reason: 'network', retry: 'later' };
const replaced: Disconnect = { reason: 'replaced', retry: 'later' };
const { backOffCapMs, replacedBaseMs, replacedCapMs, stableAfterMs, redeliverAfterMs, handlingTries } = DEFAULT_TUNING;

test('restarts that do not last come less and less often; one that lasted is followed at once', () => {
  const pauses = new Pauses(DEFAULT_TUNING, () => 1);
  const restart = (lastedMs: number) => pauses.next(network, true, lastedMs);
  expect(restart(0)).toBe(0);
  const later = Array.from({ length: 12 }, () => restart(1_000));
  expect(later.toSorted((a, b) => a - b)).toEqual(later);
  expect(later[0]).toBeGreaterThan(1_000);
  expect(later.at(-1)).toBe(backOffCapMs);
  expect(restart(stableAfterMs)).toBe(0);
});

test('two that take the connection from each other do so less and less often, however long each had it', () => {
  const pauses = new Pauses(DEFAULT_TUNING, () => 1);
  const taken = Array.from({ length: 8 }, () => pauses.next(replaced, false, 2 * stableAfterMs));
  expect(taken.slice(0, 3)).toEqual([replacedBaseMs, 2 * replacedBaseMs, 4 * replacedBaseMs]);
  expect(taken.at(-1)).toBe(replacedCapMs);
  expect(pauses.next(replaced, false, replacedCapMs)).toBe(replacedBaseMs);
});

test('a database that is away wears out nobody’s tries, and the pauses between them have a bound', () => {
  const setbacks = new Setbacks(DEFAULT_TUNING);
  const away = Array.from({ length: 50 }, () => setbacks.failed('A', false));
  expect(away.every(({ last }) => !last)).toBe(true);
  expect(away.at(-1)?.pauseMs).toBe(16 * redeliverAfterMs);
  const own = Array.from({ length: handlingTries }, () => setbacks.failed('A', true));
  expect(own.map(({ last }) => last)).toEqual([...Array(handlingTries - 1).fill(false), true]);
  setbacks.over('A');
  expect(setbacks.failed('A', true)).toEqual({ last: false, pauseMs: redeliverAfterMs });
});

test('in haste every time is shorter, and nothing else is different', () => {
  const { handlingTries: tries, maxInFlight, keepAliveMs } = tuningInHaste(10);
  expect([tries, maxInFlight, keepAliveMs]).toEqual([
    handlingTries,
    DEFAULT_TUNING.maxInFlight,
    DEFAULT_TUNING.keepAliveMs / 10,
  ]);
});
