// Retention: the ids of what was dealt with are remembered against doubles, then forgotten.
import { all, countChanges, run, type Steps } from './steps.ts';
import type { Unit } from './unit.ts';

const JOURNALS = [
  'inbox',
  'decrypt_failure',
  'outbox',
  'message_reference',
  'message_part',
  'message_reaction',
  'homeserver_transaction',
  'matrix_event',
  'bot_message',
] as const;

/** Deletes at most `limit` rows of each journal that were settled before `before` (ms); returns how many went. */
export function* pruneBatch({ db }: Pick<Unit, 'db'>, before: number, limit: number): Steps<number> {
  let pruned = 0;
  for (const journal of JOURNALS) {
    const rows = yield* all(
      db.selectFrom(journal).select('id').where('settled_at', '<', before).limit(limit).$castTo<{ id: number }>(),
    );
    if (rows.length === 0) continue;
    const ids = rows.map(({ id }) => id);
    yield* run(db.deleteFrom(journal).where(({ eb, ref }) => eb(ref('id').$castTo<number>(), 'in', ids)));
    pruned += ids.length;
  }
  return pruned + (yield* pruneCommandKeyUses(db, before));
}

/** As long as an account listens to a room, nothing that was said there may be said again by somebody else. */
function* pruneCommandKeyUses(db: Unit['db'], before: number): Steps<number> {
  const listened = db.selectFrom('account').select('management_room');
  const unused = db.deleteFrom('command_key_use').where('used_at', '<', before);
  return yield* countChanges(unused.where('room', 'not in', listened));
}
