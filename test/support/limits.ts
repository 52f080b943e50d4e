// Limits for parts of the bridge that a test builds by itself.
import { Limits, type LimitsOptions } from '../../src/bridge/limits/limits.ts';
import type { LimitName, LimitRate, LimitSettings } from '../../src/model/limit.ts';

/** Configuration keys for a bridge that carries more at once than people do. */
export const hardlyLimited: Readonly<Record<string, number>> = Object.fromEntries(
  ['messages', 'requests', 'media_mb'].flatMap((limit) =>
    ['account', 'young', 'everybody'].map((whose) => [`limits.${limit}.${whose}`, 1_000_000_000]),
  ),
);

const unlimited: LimitRate = { perMs: 1000, account: 1e9, young: 1e9, everybody: 1e9 };

/** No limits but those that are given. Accounts are young for a day. */
export function limitSettings(given: Partial<Record<LimitName, Partial<LimitRate>>> = {}): LimitSettings {
  const rate = (limit: LimitName): LimitRate => ({ ...unlimited, ...given[limit] });
  return {
    youngMs: 24 * 60 * 60 * 1000,
    rates: {
      messages: rate('messages'),
      'new-chats': rate('new-chats'),
      requests: rate('requests'),
      media: rate('media'),
    },
  };
}

export function testLimits(
  options: Pick<LimitsOptions, 'store' | 'clock'> & Partial<LimitsOptions>,
  given: Partial<Record<LimitName, Partial<LimitRate>>> = {},
): Limits {
  return new Limits({ settings: limitSettings(given), onWait: () => undefined, ...options });
}
