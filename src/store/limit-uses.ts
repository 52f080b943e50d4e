// How much of its rate limits somebody has used.
import type { Selectable } from 'kysely';
import type { AccountId, ContactId } from '../model/ids.ts';
import type { LimitUse } from '../model/limit.ts';
import type { Store } from '../model/store.ts';
import { countChanges, first, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

/** Of somebody who has been erased meanwhile nothing is written. */
export function* putLimitUse({ db }: Unit, { limit: name, scope, subject, points, until }: LimitUse): Steps {
  if (scope !== 'everybody') {
    const there = yield* first(
      scope === 'account'
        ? db
            .selectFrom('account')
            .select('id')
            .where('id', '=', subject as AccountId)
        : db
            .selectFrom('contact')
            .select('id')
            .where('id', '=', subject as ContactId),
    );
    if (!there) return;
  }
  yield* run(
    db
      .insertInto('limit_use')
      .values({ name, scope, subject, points, until })
      .onConflict((at) => at.columns(['subject', 'name', 'scope']).doUpdateSet({ points, until })),
  );
}

export function* eraseLimitUses({ db }: Unit, subject: AccountId | ContactId): Steps {
  yield* run(db.deleteFrom('limit_use').where('subject', '=', subject));
}

/** Returns how many are over. */
export function* pruneLimitUses({ db, now }: Pick<Unit, 'db' | 'now'>): Steps<number> {
  return yield* countChanges(db.deleteFrom('limit_use').where('until', '<=', now));
}

export function limitUseReads({ db }: Reader): Store['limitUses'] {
  const select = db.selectFrom('limit_use').selectAll();
  return {
    get: async (limit, scope, subject) => {
      const one = select.where('subject', '=', subject).where('name', '=', limit).where('scope', '=', scope);
      const row = await one.executeTakeFirst();
      return row && toUse(row);
    },
    of: async (subject) => (await select.where('subject', '=', subject).orderBy('name').execute()).map(toUse),
  };
}

const toUse = ({ name: limit, ...use }: Selectable<Tables['limit_use']>): LimitUse => ({ limit, ...use });
