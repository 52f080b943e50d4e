// Reports on their way. What was chosen and what is sent are sealed, and erased when the report is done.
import type { Selectable } from 'kysely';
import { sql } from 'kysely';
import type { AccountId, ReportSeq } from '../model/ids.ts';
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

const chosenPlace = (account: AccountId, madeAt: number): Place => ['report', 'chosen', account, madeAt];
const sendingPlace = (seq: ReportSeq): Place => ['report', 'sending', seq];

interface Sending {
  readonly events: readonly SealedEvent[];
  readonly named: readonly NamedMessage[];
}

export function* addReport({ db, keys, now }: Unit, account: AccountId, chosen: ChosenMessages): Steps {
  const sealed = sealJson(yield* keys.get(accountKey(account)), chosenPlace(account, now), chosen);
  yield* run(db.insertInto('report').values({ account, state: 'chosen', chosen: sealed, sending: null, made_at: now }));
}

export function* setReportState({ db, keys }: Unit, seq: ReportSeq, state: ReportState): Steps {
  const row = yield* first(db.selectFrom('report').select('account').where('id', '=', seq));
  if (!row) throw gone('the report');
  const sending: Sending | null =
    state.at === 'chosen' ? null : { events: state.at === 'encrypted' ? state.events : [], named: state.named };
  const key = yield* keys.get(accountKey(row.account));
  const columns = { state: state.at, sending: sending && sealJson(key, sendingPlace(seq), sending) };
  yield* mustChange(db.updateTable('report').set(columns).where('id', '=', seq), 'the report');
}

export function* finishReport({ db, now }: Unit, seq: ReportSeq): Steps {
  const done = { chosen: null, sending: null, settled_at: now };
  yield* mustChange(db.updateTable('report').set(done).where('id', '=', seq), 'the report');
}

export function reportReads({ db, keys }: Reader): Store['reports'] {
  const underWay = db.selectFrom('report').where(sql<boolean>`settled_at is null`);
  return {
    next: async (account) => {
      const ofAccount = underWay.selectAll().where('account', '=', account);
      const row = await ofAccount.orderBy(atNetwork).orderBy('id').executeTakeFirst();
      const key = await keys.find(accountKey(account));
      if (row === undefined || key === undefined) return undefined;
      return openedRow(
        () => ({ journal: 'report', id: row.id }) as const,
        () => toReport(row, key),
      );
    },
    accountsWithWork: async () => (await underWay.select('account').distinct().execute()).map(({ account }) => account),
    made: async (account) => {
      const rows = await db.selectFrom('report').selectAll().where('account', '=', account).orderBy('id').execute();
      return rows.map(({ made_at, settled_at }) => ({ madeAt: made_at, done: settled_at !== null }));
    },
  };
}

function toReport(row: Row, key: DataKey): Report {
  const { id: seq, account, chosen, made_at } = row;
  if (chosen === null) throw new TypeError('a report that is under way has been chosen');
  return {
    seq,
    account,
    chosen: unsealJson<ChosenMessages>(key, chosenPlace(account, made_at), chosen),
    state: toState(row, key),
  };
}

function toState({ id, state: at, sending }: Row, key: DataKey): ReportState {
  if (at === 'chosen' || sending === null) return { at: 'chosen' };
  const { events, named } = unsealJson<Sending>(key, sendingPlace(id), sending);
  return at === 'encrypted' ? { at, events, named } : { at, named };
}
