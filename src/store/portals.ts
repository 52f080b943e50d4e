// Portals.
import type { Selectable } from 'kysely';
import type { AccountId, PortalId } from '../model/ids.ts';
import type { Portal, PortalState } from '../model/portal.ts';
import type { Store } from '../model/store.ts';
import { gone } from './errors.ts';
import { accountKey } from './keyring.ts';
import { type DataKey, type Place, seal, unsealText } from './sealing.ts';
import { first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

const givenNamePlace = (portal: PortalId): Place => ['portal', 'given_name', portal];

export function* createPortal({ db, keys }: Unit, { id, account, contact, givenName, state }: Portal): Steps {
  const given_name = givenName === undefined ? null : yield* sealedName(keys, account, id, givenName);
  yield* run(db.insertInto('portal').values({ id, account, contact, given_name, ...stateRow(state) }));
}

export function* namePortal({ db, keys }: Unit, portal: PortalId, givenName: string): Steps {
  const row = yield* first(db.selectFrom('portal').select('account').where('id', '=', portal));
  if (!row) throw gone('the portal');
  const given_name = yield* sealedName(keys, row.account, portal, givenName);
  yield* run(db.updateTable('portal').set({ given_name }).where('id', '=', portal));
}

export function* setPortalState({ db }: Unit, portal: PortalId, state: PortalState): Steps {
  yield* mustChange(db.updateTable('portal').set(stateRow(state)).where('id', '=', portal), 'the portal');
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
  };
}

function* sealedName(keys: Unit['keys'], account: AccountId, portal: PortalId, givenName: string): Steps<Buffer> {
  return seal(yield* keys.get(accountKey(account)), givenNamePlace(portal), givenName);
}

function stateRow(state: PortalState) {
  return state.at === 'open'
    ? { room: state.room, labelled: state.labelled ? (1 as const) : (0 as const) }
    : { room: null, labelled: 0 as const };
}

function toPortal(row: Selectable<Tables['portal']>, key: DataKey): Portal {
  const { id, account, contact, room, labelled, given_name: sealed } = row;
  return {
    id,
    account,
    contact,
    givenName: sealed ? unsealText(key, givenNamePlace(id), sealed) : undefined,
    state: room ? { at: 'open', room, labelled: labelled === 1 } : { at: 'wanted' },
  };
}
