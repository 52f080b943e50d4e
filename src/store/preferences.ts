// What each user has switched on and chosen. Without a row everything is off, and nothing chosen.
import { allOff, type Preferences } from '../model/account.ts';
import type { AccountId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';
import { run, type Steps } from './steps.ts';
import type { Reader, Unit } from './unit.ts';

export function* putPreferences({ db }: Unit, account: AccountId, preferences: Preferences): Steps {
  const flag = (on: boolean) => (on ? (1 as const) : (0 as const));
  const columns = {
    read_receipts: flag(preferences.readReceipts),
    typing: flag(preferences.typing),
    delivery_marks: flag(preferences.deliveryMarks),
    reach: preferences.reach,
    arrangement: preferences.arrangement ?? null,
  };
  yield* run(
    db
      .insertInto('preference')
      .values({ account, ...columns })
      .onConflict((at) => at.column('account').doUpdateSet(columns)),
  );
}

export function preferenceReads({ db }: Reader): Store['accounts']['preferences'] {
  return async (account) => {
    const row = await db.selectFrom('preference').selectAll().where('account', '=', account).executeTakeFirst();
    if (row === undefined) return allOff;
    return {
      readReceipts: row.read_receipts === 1,
      typing: row.typing === 1,
      deliveryMarks: row.delivery_marks === 1,
      reach: row.reach,
      arrangement: row.arrangement ?? undefined,
    };
  };
}
