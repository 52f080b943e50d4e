// What has been counted: in memory, read from the database when it is first needed, written back now and then. A crash forgets some seconds of it.
import type { Clock } from '../../model/clock.ts';
import type { LimitName, LimitScope, LimitSubject, LimitUse } from '../../model/limit.ts';
import type { Store } from '../../model/store.ts';

export type LimitPlace = readonly [LimitName, LimitScope, LimitSubject];

export class LimitUses {
  readonly #store: Pick<Store, 'limitUses' | 'commit'>;
  readonly #clock: Pick<Clock, 'now'>;
  readonly #known = new Map<string, LimitUse>();
  /** Keys of what the database does not know yet. */
  readonly #fresh = new Set<string>();

  constructor(store: Pick<Store, 'limitUses' | 'commit'>, clock: Pick<Clock, 'now'>) {
    this.#store = store;
    this.#clock = clock;
  }

  /** `perMs`: how long a window is. One that would end later began before the clock was set back: it ends that much earlier. */
  async get(place: LimitPlace, perMs: number): Promise<LimitUse> {
    const key = place.join(':');
    const found = this.#known.get(key) ?? (await this.#store.limitUses.get(...place));
    // Somebody else may have counted while it was read.
    const use = this.#known.get(key) ?? found ?? unused(place);
    const now = this.#clock.now();
    const current = use.until <= now ? { ...use, points: 0 } : { ...use, until: Math.min(use.until, now + perMs) };
    this.#known.set(key, current);
    return current;
  }

  /** Counts `points` more, or fewer where they are negative. The first one begins a window. */
  async add(place: LimitPlace, points: number, perMs: number): Promise<LimitUse> {
    await this.get(place, perMs);
    const key = place.join(':');
    // As it is now; what has been forgotten since was over.
    const use = this.#known.get(key) ?? unused(place);
    const now = this.#clock.now();
    const before = use.until <= now ? { points: 0, until: now + perMs } : use;
    const counted = { ...use, points: Math.max(0, before.points + points), until: before.until };
    this.#known.set(key, counted);
    this.#fresh.add(key);
    return counted;
  }

  /** Writes down what has been counted, and forgets what is over. */
  async flush(): Promise<void> {
    const now = this.#clock.now();
    const keys = [...this.#fresh];
    this.#fresh.clear();
    const uses = keys.flatMap((key) => this.#known.get(key) ?? []).filter(({ until }) => until > now);
    for (const [key, { until }] of this.#known) if (until <= now) this.#known.delete(key);
    try {
      if (uses.length > 0) await this.#store.commit(uses.map((use) => ({ change: 'limit.used', use })));
    } catch (error) {
      for (const key of keys) this.#fresh.add(key);
      throw error;
    }
  }
}

const unused = ([limit, scope, subject]: LimitPlace): LimitUse => ({ limit, scope, subject, points: 0, until: 0 });
