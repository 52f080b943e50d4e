// Rate limits: asked before something is done, counted after it was done. So what is refused costs nothing, and a file larger than a whole limit
// passes while anything is left. What runs side by side may go over a limit by as much as runs at once.
import type { Account } from '../../model/account.ts';
import type { Clock } from '../../model/clock.ts';
import type { AccountId, ContactId, PortalId } from '../../model/ids.ts';
import {
  type HeldLimit,
  heldLimits,
  type LimitName,
  type LimitRate,
  type LimitScope,
  type LimitSettings,
  type LimitSubject,
} from '../../model/limit.ts';
import type { Store } from '../../model/store.ts';
import { Meter } from './meter.ts';
import { LimitUses } from './uses.ts';

/** Whose limits count; `contact` where they are counted apart. */
export interface Limited {
  readonly account: Pick<Account, 'id' | 'createdAt'>;
  readonly contact?: ContactId;
}

/** A limit that is used up. */
export interface Wait {
  readonly limit: LimitName;
  readonly scope: LimitScope;
  /** How much there may be, and in which time. */
  readonly most: number;
  readonly perMs: number;
  /** When there is more, in milliseconds since the Unix epoch, and how long until then. */
  readonly until: number;
  readonly waitMs: number;
}

/** `isNew`: the chat was not known to wait until then. */
export type Hold = Wait & { readonly isNew: boolean };

export interface LimitsOptions {
  readonly settings: LimitSettings;
  readonly store: Pick<Store, 'limitUses' | 'commit'>;
  readonly clock: Pick<Clock, 'now'>;
  /** Something begins to wait. */
  readonly onWait: (limit: LimitName, scope: LimitScope) => void;
}

interface Meters extends Record<'account' | 'young' | 'everybody', Meter> {
  readonly contact: Meter | undefined;
}

interface Held {
  readonly account: AccountId;
  readonly limit: HeldLimit;
  readonly until: number;
}

/** What waits of one account: in how many chats, and until when at most. */
export interface HeldChats {
  readonly limit: HeldLimit;
  readonly chats: number;
  readonly until: number;
}

export class Limits {
  readonly #options: LimitsOptions;
  readonly #uses: LimitUses;
  readonly #meters: Readonly<Record<LimitName, Meters>>;
  /** Chats that wait, by limit and portal. */
  readonly #held = new Map<string, Held>();

  constructor(options: LimitsOptions) {
    const { settings, store, clock } = options;
    const { rates } = settings;
    this.#options = options;
    this.#uses = new LimitUses(store, clock);
    const metersOf = (limit: LimitName): Meters => {
      const rate: LimitRate = rates[limit];
      const meter = (scope: LimitScope, most: number): Meter =>
        new Meter({ limit, scope, most, perMs: rate.perMs, uses: this.#uses, clock });
      return {
        account: meter('account', rate.account),
        young: meter('account', rate.young),
        contact: rate.contact === undefined ? undefined : meter('contact', rate.contact),
        everybody: meter('everybody', rate.everybody),
      };
    };
    this.#meters = {
      messages: metersOf('messages'),
      'new-chats': metersOf('new-chats'),
      requests: metersOf('requests'),
      media: metersOf('media'),
    };
  }

  /** Undefined where there may be more; otherwise the limit that lasts longest. */
  async wait(limit: LimitName, whose: Limited): Promise<Wait | undefined> {
    let longest: Wait | undefined;
    for (const [meter, subject] of this.#metersOf(limit, whose)) {
      const used = await meter.get(subject);
      if (used === null || used.remainingPoints > 0) continue;
      const waitMs = used.msBeforeNext;
      if (longest !== undefined && longest.waitMs >= waitMs) continue;
      const { scope, points: most, msDuration: perMs } = meter;
      longest = { limit, scope, most, perMs, until: await meter.endOf(subject), waitMs };
    }
    return longest;
  }

  /** Likewise for a chat, which is known to wait from then on, until this is asked again and it may go on. */
  async hold(portal: PortalId, limit: HeldLimit, whose: Limited): Promise<Hold | undefined> {
    const key = `${limit}:${portal}`;
    const wait = await this.wait(limit, whose);
    if (wait === undefined) {
      this.#held.delete(key);
      return undefined;
    }
    const isNew = this.#held.get(key)?.until !== wait.until;
    if (isNew) this.#options.onWait(limit, wait.scope);
    this.#held.set(key, { account: whose.account.id, limit, until: wait.until });
    return { ...wait, isNew };
  }

  /** The chat does not wait for this any more, whatever the limit. */
  release(portal: PortalId, limit: HeldLimit): void {
    this.#held.delete(`${limit}:${portal}`);
  }

  /** `points` may be negative: so many less than were counted before. */
  async count(limit: LimitName, whose: Limited, points = 1): Promise<void> {
    for (const [meter, subject] of this.#metersOf(limit, whose)) {
      if (points > 0) await meter.penalty(subject, points);
      if (points < 0) await meter.reward(subject, -points);
    }
  }

  heldOf(account: AccountId): readonly HeldChats[] {
    return heldLimits.flatMap((limit) => {
      const held = this.#heldNow().filter((each) => each.account === account && each.limit === limit);
      if (held.length === 0) return [];
      return [{ limit, chats: held.length, until: Math.max(...held.map(({ until }) => until)) }];
    });
  }

  /** How many chats wait for each limit. */
  heldChats(): Readonly<Record<HeldLimit, number>> {
    const count = (limit: HeldLimit): number => this.#heldNow().filter((held) => held.limit === limit).length;
    return { messages: count('messages'), requests: count('requests'), media: count('media') };
  }

  /** Writes down what has been counted. */
  async flush(): Promise<void> {
    await this.#uses.flush();
  }

  #heldNow(): readonly Held[] {
    const now = this.#options.clock.now();
    for (const [key, { until }] of this.#held) if (until <= now) this.#held.delete(key);
    return [...this.#held.values()];
  }

  #metersOf(limit: LimitName, { account, contact }: Limited): readonly (readonly [Meter, LimitSubject])[] {
    const { settings, clock } = this.#options;
    const meters = this.#meters[limit];
    const isYoung = clock.now() - account.createdAt < settings.youngMs;
    return [
      [isYoung ? meters.young : meters.account, account.id],
      ...(contact !== undefined && meters.contact ? [[meters.contact, contact] as const] : []),
      [meters.everybody, 'everybody'],
    ];
  }
}
