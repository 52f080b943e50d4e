// Erasing users: that it is under way, and at its end whatever has no account to go with.
import type { RoomId, UserId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';
import type { Erasure } from '../model/user-data.ts';
import { eraseConsent } from './consent.ts';
import { conflict } from './errors.ts';
import { first, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

export function* putErasure({ db }: Unit, { user, rooms }: Erasure): Steps {
  const row = { rooms: JSON.stringify(rooms) };
  yield* run(
    db
      .insertInto('erasure')
      .values({ user, ...row })
      .onConflict((at) => at.column('user').doUpdateSet(row)),
  );
}

/**
 * Deletes what is left of a user without accounts: the pin of their identity, what was asked of them, what was said in their rooms and the
 * ids of what happened there. What is on record about their consent becomes an entry without a name. Throws BridgeError `store.conflict`
 * while there is an account or a departure.
 */
export function* eraseUser(unit: Unit, user: UserId): Steps {
  const { db } = unit;
  const account = yield* first(db.selectFrom('account').select('id').where('user', '=', user).limit(1));
  const departure = yield* first(db.selectFrom('departure').select('account').where('user', '=', user).limit(1));
  if (account ?? departure) throw conflict('an account of the user');
  const erasure = yield* first(db.selectFrom('erasure').select('rooms').where('user', '=', user));
  const rooms = erasure ? toRooms(erasure.rooms) : [];
  yield* run(db.deleteFrom('user_trust').where('user', '=', user));
  yield* run(db.deleteFrom('pending_command').where('user', '=', user));
  for (const table of ['matrix_event', 'bot_message'] as const) {
    if (rooms.length > 0) yield* run(db.deleteFrom(table).where('room', 'in', rooms));
    yield* forgetUnknownRooms(unit, table);
  }
  if (rooms.length > 0) yield* run(db.deleteFrom('command_key_use').where('room', 'in', rooms));
  yield* forgetCommandKeyUses(unit);
  yield* eraseConsent(unit, user);
  yield* run(db.deleteFrom('erasure').where('user', '=', user));
}

/** Of rooms that belong to no account any more, nothing that was dealt with is remembered: the user's earlier rooms are among them. */
function* forgetUnknownRooms(unit: Unit, table: 'matrix_event' | 'bot_message'): Steps {
  const { db } = unit;
  yield* run(db.deleteFrom(table).where('settled_at', 'is not', null).where('room', 'not in', knownRooms(unit)));
}

function* forgetCommandKeyUses(unit: Unit): Steps {
  yield* run(unit.db.deleteFrom('command_key_use').where('room', 'not in', knownRooms(unit)));
}

function knownRooms({ db }: Unit) {
  return db
    .selectFrom('portal')
    .select('room')
    .where('room', 'is not', null)
    .union(db.selectFrom('space').select('room').where('room', 'is not', null))
    .union(db.selectFrom('account').select('management_room as room'))
    .union(db.selectFrom('departure').select('management_room as room'));
}

export function erasureReads({ db }: Reader): Store['erasures'] {
  const select = db.selectFrom('erasure').selectAll();
  return {
    of: async (user) => {
      const row = await select.where('user', '=', user).executeTakeFirst();
      return row && toErasure(row);
    },
    all: async () => (await select.execute()).map(toErasure),
  };
}

const toRooms = (json: string): readonly RoomId[] => JSON.parse(json);
const toErasure = ({ user, rooms }: Tables['erasure']): Erasure => ({ user, rooms: toRooms(rooms) });
