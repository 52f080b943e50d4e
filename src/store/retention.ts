// Retention: the ids of what was dealt with are remembered against doubles, then forgotten; so is what nobody needs any more.
import { sql } from 'kysely';
import { pruneLimitUses } from './limit-uses.ts';
import { all, countChanges, run, type Steps } from './steps.ts';
import type { Unit } from './unit.ts';

const JOURNALS = [
  'inbox',
  'outbox',
  'message_reference',
  'message_part',
  'message_reaction',
  'homeserver_transaction',
  'matrix_event',
  'bot_message',
  'report',
] as const;

/** Deletes at most `limit` rows of each journal that were settled before `before` (ms); returns how many went. */
export function* pruneBatch({ db, now }: Pick<Unit, 'db' | 'now'>, before: number, limit: number): Steps<number> {
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
  pruned += yield* pruneCommandKeyUses(db, before);
  for (const table of ['pending_command', 'user_trust'] as const)
    pruned += yield* pruneWithoutAccount(db, table, now, before);
  pruned += yield* pruneLimitUses({ db, now });
  return pruned + (yield* pruneUnsaid(db, now, before));
}

/** As long as an account listens to a room, nothing that was said there may be said again by somebody else. */
function* pruneCommandKeyUses(db: Unit['db'], before: number): Steps<number> {
  const listened = db.selectFrom('account').select('management_room');
  const unused = db.deleteFrom('command_key_use').where('used_at', '<', before);
  return yield* countChanges(unused.where('room', 'not in', listened));
}

/** What was asked of, or pinned for, somebody who has no account and does not get one. */
function* pruneWithoutAccount(
  db: Unit['db'],
  table: 'pending_command' | 'user_trust',
  now: number,
  before: number,
): Steps<number> {
  const users = db.selectFrom('account').select('user').union(db.selectFrom('departure').select('user'));
  const gone = yield* countChanges(
    db.deleteFrom(table).where('idle_since', '<', before).where('user', 'not in', users),
  );
  yield* run(
    db.updateTable(table).set({ idle_since: null }).where('idle_since', 'is not', null).where('user', 'in', users),
  );
  yield* run(
    db.updateTable(table).set({ idle_since: now }).where('idle_since', 'is', null).where('user', 'not in', users),
  );
  return gone;
}

/** What the bot could not say to anybody: nobody who could read it has been in the room. */
function* pruneUnsaid(db: Unit['db'], now: number, before: number): Steps<number> {
  const unsaid = sql<boolean>`text is not null`;
  const gone = yield* countChanges(db.deleteFrom('bot_message').where(unsaid).where('idle_since', '<', before));
  yield* run(db.updateTable('bot_message').set({ idle_since: now }).where(unsaid).where('idle_since', 'is', null));
  return gone;
}
