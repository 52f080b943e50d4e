// Reports on their way. What was chosen and what is sent are sealed, and erased when the report is done.
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { AccountId, ReportId } from '../model/ids.ts';
import type { SealedEvent } from '../model/journal.ts';
import type { ChosenMessages, NamedMessage, Report, ReportState } from '../model/report.ts';
import type { Store } from '../model/store.ts';
import { openedRow } from './damaged.ts';
import { gone } from './errors.ts';
import { accountKey } from './keyring.ts';
import { type DataKey, type Place, sealJson, unsealJson } from './sealing.ts';
import { first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

/** What only the network has to be told of lets the others go first. */
const atNetwork = sql<boolean>`state = 'passed-on'`;

type Row = Selectable<Tables['report']>;

const chosenPlace = (id: ReportId): Place => ['report', 'chosen', id];
const sendingPlace = (id: ReportId): Place => ['report', 'sending', id];

interface Sending {
  readonly events: readonly SealedEvent[];
  readonly named: readonly NamedMessage[];
}

export function* addReport({ db, keys, now }: Unit, id: ReportId, account: AccountId, chosen: ChosenMessages): Steps {
  const sealed = sealJson(yield* keys.get(accountKey(account)), chosenPlace(id), chosen);
  yield* run(
    db.insertInto('report').values({ id, account, state: 'chosen', chosen: sealed, sending: null, made_at: now }),
  );
}

export function* setReportState({ db, keys }: Unit, id: ReportId, state: ReportState): Steps {
  const row = yield* first(db.selectFrom('report').select('account').where('id', '=', id));
  if (!row) throw gone('the report');
  const sending: Sending | null =
    state.at === 'chosen' ? null : { events: state.at === 'encrypted' ? state.events : [], named: state.named };
  const key = yield* keys.get(accountKey(row.account));
  const columns = { state: state.at, sending: sending && sealJson(key, sendingPlace(id), sending) };
  yield* mustChange(db.updateTable('report').set(columns).where('id', '=', id), 'the report');
}

export function* finishReport({ db, now }: Unit, id: ReportId): Steps {
  const done = { chosen: null, sending: null, settled_at: now };
  yield* mustChange(db.updateTable('report').set(done).where('id', '=', id), 'the report');
}

export function reportReads({ db, keys }: Reader): Store['reports'] {
  const underWay = db.selectFrom('report').where(sql<boolean>`settled_at is null`);
  return {
    next: async (account) => {
      const ofAccount = underWay.selectAll().where('account', '=', account);
      const row = await ofAccount.orderBy(atNetwork).orderBy('made_at').orderBy('id').executeTakeFirst();
      const key = await keys.find(accountKey(account));
      if (row === undefined || key === undefined) return undefined;
      return openedRow(
        () => ({ journal: 'report', id: row.id }) as const,
        () => toReport(row, key),
      );
    },
    accountsWithWork: async () => (await underWay.select('account').distinct().execute()).map(({ account }) => account),
    made: async (account) => {
      const rows = await db
        .selectFrom('report')
        .selectAll()
        .where('account', '=', account)
        .orderBy('made_at')
        .execute();
      return rows.map(({ made_at, settled_at }) => ({ madeAt: made_at, done: settled_at !== null }));
    },
  };
}

function toReport(row: Row, key: DataKey): Report {
  const { id, account, chosen } = row;
  if (chosen === null) throw new TypeError('a report that is under way has been chosen');
  return {
    id,
    account,
    chosen: unsealJson<ChosenMessages>(key, chosenPlace(id), chosen),
    state: toState(row, key),
  };
}

function toState({ id, state: at, sending }: Row, key: DataKey): ReportState {
  if (at === 'chosen' || sending === null) return { at: 'chosen' };
  const { events, named } = unsealJson<Sending>(key, sendingPlace(id), sending);
  return at === 'encrypted' ? { at, events, named } : { at, named };
}
