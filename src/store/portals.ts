// Portals.
import type { Selectable } from 'kysely';
import type { PortalId } from '../model/ids.ts';
import type { Portal, PortalState } from '../model/portal.ts';
import type { Store } from '../model/store.ts';
import { mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

export function* createPortal({ db }: Unit, { id, account, contact, state }: Portal): Steps {
  yield* run(db.insertInto('portal').values({ id, account, contact, ...stateRow(state) }));
}

export function* setPortalState({ db }: Unit, portal: PortalId, state: PortalState): Steps {
  yield* mustChange(db.updateTable('portal').set(stateRow(state)).where('id', '=', portal), 'the portal');
}

export function portalReads({ db }: Reader): Store['portals'] {
  const select = db.selectFrom('portal').selectAll();
  const one = async (query: typeof select): Promise<Portal | undefined> => {
    const row = await query.executeTakeFirst();
    return row && toPortal(row);
  };
  return {
    get: (id) => one(select.where('id', '=', id)),
    find: (account, contact) => one(select.where('account', '=', account).where('contact', '=', contact)),
    byRoom: (room) => one(select.where('room', '=', room)),
    ofAccount: async (account) => (await select.where('account', '=', account).execute()).map(toPortal),
  };
}

function stateRow(state: PortalState) {
  return state.at === 'open'
    ? { room: state.room, labelled: state.labelled ? (1 as const) : (0 as const) }
    : { room: null, labelled: 0 as const };
}

function toPortal({ id, account, contact, room, labelled }: Selectable<Tables['portal']>): Portal {
  return { id, account, contact, state: room ? { at: 'open', room, labelled: labelled === 1 } : { at: 'wanted' } };
}
