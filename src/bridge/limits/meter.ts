// One limit of rate-limiter-flexible over what we have counted.
import RateLimiterRes from 'rate-limiter-flexible/lib/RateLimiterRes.js';
import RateLimiterStoreAbstract from 'rate-limiter-flexible/lib/RateLimiterStoreAbstract.js';
import type { Clock } from '../../model/clock.ts';
import type { LimitName, LimitScope, LimitSubject, LimitUse } from '../../model/limit.ts';
import type { LimitPlace, LimitUses } from './uses.ts';

export interface MeterOptions {
  readonly limit: LimitName;
  readonly scope: LimitScope;
  readonly most: number;
  readonly perMs: number;
  readonly uses: LimitUses;
  readonly clock: Pick<Clock, 'now'>;
}

export class Meter extends RateLimiterStoreAbstract {
  readonly #options: MeterOptions;

  constructor(options: MeterOptions) {
    const { limit, scope, most, perMs, uses } = options;
    super({ keyPrefix: `${limit}:${scope}`, points: most, duration: perMs / 1000, storeClient: uses });
    this.#options = options;
  }

  get scope(): LimitScope {
    return this.#options.scope;
  }

  /** When what counts now counts no longer, in milliseconds since the Unix epoch. */
  async endOf(subject: LimitSubject): Promise<number> {
    return (await this._get(this.getKey(subject))).until;
  }

  // What the library asks of a store; `key` has the prefix.

  _get(key: string): Promise<LimitUse> {
    return this.#options.uses.get(this.#place(key), this.#options.perMs);
  }

  _upsert(key: string, points: number, perMs: number): Promise<LimitUse> {
    return this.#options.uses.add(this.#place(key), points, perMs);
  }

  _getRateLimiterRes(_key: string, _changed: number, { points, until }: LimitUse): RateLimiterRes {
    const left = Math.max(0, this.points - points);
    return new RateLimiterRes(left, Math.max(0, until - this.#options.clock.now()), points);
  }

  #place(key: string): LimitPlace {
    return [this.#options.limit, this.#options.scope, this.parseKey(key) as LimitSubject];
  }
}
