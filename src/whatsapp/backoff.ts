// How long to wait before the next attempt: exponential, capped, with jitter so that many clients do not come back at once.

/**
 * Returns milliseconds, between half and all of min(cap, base * 2^attempt). `attempt` counts from 0, `random` is in [0, 1).
 */
export function backOff(attempt: number, random: number, base: number, cap: number): number {
  const full = Math.min(cap, base * 2 ** Math.min(attempt, 40));
  return Math.round(full / 2 + (random * full) / 2);
}
