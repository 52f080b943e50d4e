// Portals.
import { type RawBuilder, type Selectable, sql } from 'kysely';
import type { AccountId, PortalId } from '../model/ids.ts';
import type { Acceptance, Portal, PortalState } from '../model/portal.ts';
import type { Store } from '../model/store.ts';
import { conflict, gone } from './errors.ts';
import { accountKey } from './keyring.ts';
import { type DataKey, type Place, seal, unsealText } from './sealing.ts';
import { countChanges, first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';
import { removeVisitors } from './visitors.ts';

// Written out, not bound, so that the partial indexes serve.
export const isRequested = sql<boolean>`acceptance = 'requested'`;
const isToClose = sql<boolean>`acceptance = 'declined' and room is not null`;

const givenNamePlace = (portal: PortalId): Place => ['portal', 'given_name', portal];

export function* createPortal({ db, keys }: Unit, portal: Portal): Steps {
  const { id, account, contact, givenName, state } = portal;
  const acceptance = yield* numbered(db, portal);
  const given_name = givenName === undefined ? null : yield* sealedName(keys, account, id, givenName);
  const position = yield* nextPosition(db, account);
  yield* run(
    db
      .insertInto('portal')
      .values({ id, account, contact, given_name, position, ...acceptanceRow(acceptance), ...stateRow(state) }),
  );
}

/** Requests of one account are numbered here, where one commit runs after another. */
function* numbered(db: Unit['db'], { account, acceptance }: Portal): Steps<Acceptance> {
  if (acceptance.at !== 'requested') return acceptance;
  const highest = db.selectFrom('portal').select((at) => at.fn.max('request_number').as('number'));
  const last = yield* first(highest.where('account', '=', account).where(isRequested));
  return { ...acceptance, number: (last?.number ?? 0) + 1 };
}

function* nextPosition(db: Unit['db'], account: AccountId): Steps<number> {
  const highest = db.selectFrom('portal').select((at) => at.fn.max('position').as('position'));
  return ((yield* first(highest.where('account', '=', account)))?.position ?? 0) + 1;
}

export function* namePortal({ db, keys }: Unit, portal: PortalId, givenName: string): Steps {
  const row = yield* first(db.selectFrom('portal').select('account').where('id', '=', portal));
  if (!row) throw gone('the portal');
  const given_name = yield* sealedName(keys, row.account, portal, givenName);
  yield* run(db.updateTable('portal').set({ given_name }).where('id', '=', portal));
}

export function* setPortalState(unit: Unit, portal: PortalId, state: PortalState): Steps {
  if (state.at === 'wanted') yield* removeVisitors(unit, portal);
  yield* mustChange(unit.db.updateTable('portal').set(stateRow(state)).where('id', '=', portal), 'the portal');
}

export function* setAcceptance({ db }: Unit, portal: PortalId, acceptance: Acceptance): Steps {
  yield* mustChange(db.updateTable('portal').set(acceptanceRow(acceptance)).where('id', '=', portal), 'the portal');
}

export function* setHeld(
  { db }: Unit,
  portal: PortalId,
  journal: 'inbox' | 'outbox',
  since: number | undefined,
): Steps {
  const held = { [`${journal}_held_since` as const]: since ?? null };
  yield* mustChange(db.updateTable('portal').set(held).where('id', '=', portal), 'the portal');
}

export const noteAskedAgain = (unit: Unit, portal: PortalId): Steps => updateRequest(unit, portal, { asked_again: 1 });

export const countDropped = (unit: Unit, portal: PortalId, more: number): Steps =>
  updateRequest(unit, portal, { dropped: sql<number>`dropped + ${more}` });

/** Throws BridgeError `store.conflict` where the contact does not ask to be let in (any more). */
function* updateRequest(
  { db }: Unit,
  portal: PortalId,
  row: { readonly asked_again: 1 } | { readonly dropped: RawBuilder<number> },
): Steps {
  const update = db.updateTable('portal').set(row).where('id', '=', portal).where(isRequested);
  if ((yield* countChanges(update)) === 0) throw conflict('another decision about the portal');
}

export function portalReads({ db, keys }: Reader): Store['portals'] {
  const select = db.selectFrom('portal').selectAll();
  const many = async (query: typeof select): Promise<Portal[]> => {
    const rows = await query.execute();
    await keys.load(rows.map(({ account }) => accountKey(account)));
    return rows.flatMap((row) => {
      const key = keys.cached(accountKey(row.account));
      return key ? [toPortal(row, key)] : [];
    });
  };
  const one = async (query: typeof select): Promise<Portal | undefined> => (await many(query))[0];
  return {
    get: (id) => one(select.where('id', '=', id)),
    find: (account, contact) => one(select.where('account', '=', account).where('contact', '=', contact)),
    byRoom: (room) => one(select.where('room', '=', room)),
    ofAccount: (account) => many(select.where('account', '=', account)),
    ofContact: (contact) => many(select.where('contact', '=', contact)),
    requests: (account) =>
      many(select.where('account', '=', account).where(isRequested).orderBy('request_number').orderBy('requested_at')),
    heldSince: (before) =>
      many(
        select.where(({ eb, or }) => or([eb('inbox_held_since', '<', before), eb('outbox_held_since', '<', before)])),
      ),
    toClose: async () => (await db.selectFrom('portal').select('id').where(isToClose).execute()).map(({ id }) => id),
  };
}

function* sealedName(keys: Unit['keys'], account: AccountId, portal: PortalId, givenName: string): Steps<Buffer> {
  return seal(yield* keys.get(accountKey(account)), givenNamePlace(portal), givenName);
}

export function stateRow(state: PortalState) {
  return state.at === 'open'
    ? { room: state.room, labelled: state.labelled ? (1 as const) : (0 as const) }
    : { room: null, labelled: 0 as const };
}

function acceptanceRow(acceptance: Acceptance) {
  const none = { request_number: null, requested_at: null, asked_again: 0 as const, dropped: 0 };
  if (acceptance.at !== 'requested') return { acceptance: acceptance.at, ...none };
  const { number, since, askedAgain, dropped } = acceptance;
  const asked_again = askedAgain ? (1 as const) : (0 as const);
  return { acceptance: acceptance.at, request_number: number, requested_at: since, asked_again, dropped };
}

export function toAcceptance(row: Selectable<Tables['portal']>): Acceptance {
  if (row.acceptance !== 'requested') return { at: row.acceptance };
  const { request_number: number, requested_at: since, asked_again, dropped } = row;
  return { at: 'requested', number: number ?? 0, since: since ?? 0, askedAgain: asked_again === 1, dropped };
}

function toPortal(row: Selectable<Tables['portal']>, key: DataKey): Portal {
  const { id, account, contact, room, labelled, given_name: sealed } = row;
  const { inbox_held_since: inbox, outbox_held_since: outbox } = row;
  return {
    id,
    account,
    contact,
    givenName: sealed ? unsealText(key, givenNamePlace(id), sealed) : undefined,
    acceptance: toAcceptance(row),
    state: room ? { at: 'open', room, labelled: labelled === 1 } : { at: 'wanted' },
    ...(inbox === null && outbox === null
      ? {}
      : { heldSince: { inbox: inbox ?? undefined, outbox: outbox ?? undefined } }),
  };
}
