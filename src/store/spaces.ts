// Spaces: which account has one, what is to be in it, and what has been put there.
import type { ExpressionBuilder } from 'kysely';
import type { Arrangement } from '../model/account.ts';
import type { AccountId, RoomId } from '../model/ids.ts';
import type { ListedChild, Space, SpaceChild, SpaceState } from '../model/space.ts';
import type { Store } from '../model/store.ts';
import { mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

export function* putSpace({ db }: Unit, { account, state }: Space): Steps {
  const row = { state: state.at, room: state.at === 'making' ? null : state.room };
  yield* run(
    db
      .insertInto('space')
      .values({ account, ...row })
      .onConflict((at) => at.column('account').doUpdateSet(row)),
  );
}

/** With what is known of its children. */
export function* removeSpace({ db }: Unit, account: AccountId): Steps {
  yield* run(db.deleteFrom('space').where('account', '=', account));
}

export function* noteChild({ db }: Unit, account: AccountId, { room, position }: SpaceChild): Steps {
  yield* run(db.insertInto('space_child').values({ account, room, position, put: 0 }));
}

export function* notePut({ db }: Unit, account: AccountId, room: RoomId): Steps {
  const update = db.updateTable('space_child').set({ put: 1 });
  yield* mustChange(update.where('account', '=', account).where('room', '=', room), 'the child of the Space');
}

export function* removeChild({ db }: Unit, account: AccountId, room: RoomId): Steps {
  yield* run(db.deleteFrom('space_child').where('account', '=', account).where('room', '=', room));
}

export function spaceReads({ db }: Reader): Store['spaces'] {
  const select = db.selectFrom('space').selectAll();
  /** Of a chat that has a room which its user has not refused. */
  const isShown = (at: ExpressionBuilder<Tables, 'portal'>) =>
    at.and([at('portal.room', 'is not', null), at('portal.acceptance', '<>', 'declined')]);

  /** Accounts that have chosen this, or have chosen nothing where it is the default. */
  const arranged = (arrangement: Arrangement, byDefault: Arrangement) =>
    db
      .selectFrom('account')
      .leftJoin('preference', 'preference.account', 'account.id')
      .leftJoin('space', 'space.account', 'account.id')
      .select('account.id')
      .where((at) => at.fn.coalesce('preference.arrangement', at.val(byDefault)), '=', arrangement);

  const withDifferences = async (): Promise<readonly AccountId[]> => {
    // Crossed, so that SQLite begins with the few Spaces and not with all chats.
    const missing = await db
      .selectFrom('space')
      .crossJoin('portal')
      .whereRef('portal.account', '=', 'space.account')
      .where(isShown)
      .leftJoin('space_child', (on) =>
        on.onRef('space_child.account', '=', 'portal.account').onRef('space_child.room', '=', 'portal.room'),
      )
      .select('portal.account')
      .distinct()
      .where((at) => at.or([at('space_child.put', 'is', null), at('space_child.put', '=', 0)]))
      .execute();
    const superfluous = await db
      .selectFrom('space_child')
      .leftJoin('portal', (on) =>
        on
          .onRef('portal.room', '=', 'space_child.room')
          .onRef('portal.account', '=', 'space_child.account')
          .on('portal.acceptance', '<>', 'declined'),
      )
      .select('space_child.account')
      .distinct()
      .where('portal.id', 'is', null)
      .execute();
    return [...missing, ...superfluous].map(({ account }) => account);
  };

  return {
    of: async (account) => {
      const row = await select.where('account', '=', account).executeTakeFirst();
      return row && toSpace(row);
    },
    byRoom: async (room) => {
      const row = await select.where('room', '=', room).executeTakeFirst();
      return row && toSpace(row);
    },
    chats: async (account) => {
      const rows = await db
        .selectFrom('portal')
        .select(['portal.room', 'portal.position'])
        .where(isShown)
        .where('portal.account', '=', account)
        .orderBy('portal.position')
        .execute();
      return rows.flatMap(({ room, position }) => (room === null ? [] : [{ room, position }]));
    },
    children: async (account) => {
      const rows = await db
        .selectFrom('space_child')
        .selectAll()
        .where('account', '=', account)
        .orderBy('position')
        .execute();
      return rows.map(({ room, position, put }): ListedChild => ({ room, position, put: put === 1 }));
    },
    toArrange: async (byDefault) => {
      const toMake = await arranged('separate', byDefault)
        .where('account.enlistment', 'is not', null)
        .where('account.paused', 'is', null)
        .where((at) => at.or([at('space.state', 'is', null), at('space.state', '<>', 'open')]))
        .execute();
      const toClose = await arranged('combined', byDefault).where('space.state', 'is not', null).execute();
      const ids = [...toMake, ...toClose].map(({ id }) => id);
      return [...new Set([...ids, ...(await withDifferences())])];
    },
    otherRoomsOfBot: async () => {
      const rows = await db
        .selectFrom('account')
        .select('management_room as room')
        .union(db.selectFrom('departure').select('management_room as room'))
        .union(db.selectFrom('policy_room').select('room'))
        .union(db.selectFrom('space').select('room').where('room', 'is not', null).$castTo<{ room: RoomId }>())
        .execute();
      return new Set(rows.map(({ room }) => room));
    },
  };
}

function toSpace({ account, state, room }: Tables['space']): Space {
  return { account, state: toState(state, room) };
}

function toState(at: SpaceState['at'], room: RoomId | null): SpaceState {
  return at === 'making' || room === null ? { at: 'making' } : { at, room };
}
