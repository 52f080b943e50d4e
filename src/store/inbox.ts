// The inbox: messages and notices on their way to Matrix. Content is erased as soon as the next state no longer needs it.
import { type Selectable, sql, type Updateable } from 'kysely';
import type { AwaitedRow, MissingRow, UnansweredMessage } from '../model/change.ts';
import type { EventId, InboxId, MessageId, PortalId } from '../model/ids.ts';
import type { InboxBody, InboxState, IncomingFile, NewInboxRow } from '../model/journal.ts';
import { noteActivity } from './accounts.ts';
import { changed, conflict, gone } from './errors.ts';
import {
  forgetFailures,
  insertNew,
  insertOnce,
  isMessage,
  isOpenInbox,
  isReceived,
  placeOf,
  update,
} from './inbox-statements.ts';
import { withBase64 } from './json-bytes.ts';
import { accountKey } from './keyring.ts';
import { countDropped } from './portals.ts';
import { type DataKey, type Place, seal, sealJson } from './sealing.ts';
import { countChanges, first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Unit } from './unit.ts';

type Row = Selectable<Tables['inbox']>;

export const inboxPlace = (
  column: 'body' | 'event' | 'file',
  row: Pick<Row, 'portal' | 'message_id' | 'device'>,
): Place => ['inbox', column, row.portal, row.message_id, row.device];

/** Throws BridgeError `store.conflict` where the message came before, unless it may be added `once` only. */
export function* addInbox(unit: Unit, added: NewInboxRow, mode: 'new' | 'once'): Steps {
  const { db, keys } = unit;
  const { account, portal, device, timestamp, body } = added;
  const key = yield* keys.get(accountKey(account));
  const row = { portal, message_id: added.messageId, device };
  const columns = {
    ...row,
    account,
    timestamp,
    notice: body.kind === 'notice' ? 1 : 0,
    state: 'received',
    body: sealBody(key, inboxPlace('body', row), body),
  } as const;
  yield* run(forgetFailures(db, { portal, message_id: added.messageId }));
  yield* run(mode === 'new' ? insertNew(db, columns) : insertOnce(db, columns));
  if (body.kind === 'message') yield* noteActivity(unit, account);
}

export function* awaitInbox({ db }: Unit, { messageId, ...row }: AwaitedRow): Steps {
  const insert = db.insertInto('inbox').values({ ...row, message_id: messageId, notice: 0, state: 'awaited' });
  yield* run(insert.onConflict((at) => at.columns(['portal', 'message_id', 'device']).doNothing()));
}

/** Throws BridgeError `store.conflict` where the row is not awaited (any more). */
export function* arriveInbox({ db, keys }: Unit, id: InboxId, body: InboxBody): Steps {
  const awaited = sql<boolean>`state = 'awaited'`;
  const row = yield* first(
    db.selectFrom('inbox').select(['account', 'portal', 'message_id', 'device']).where('id', '=', id).where(awaited),
  );
  if (!row) throw conflict('the message');
  const key = yield* keys.get(accountKey(row.account));
  const columns = { state: 'received', since: null, body: sealBody(key, inboxPlace('body', row), body) } as const;
  yield* mustChange(update(db, { id, ...columns }), 'the inbox row');
  yield* run(forgetFailures(db, { portal: row.portal, message_id: row.message_id }));
}

export function* parkMissing({ db, now }: Unit, { messageId, ...row }: MissingRow, code: string): Steps {
  const parked = { state: 'parked', failure: code, since: null, settled_at: now } as const;
  const insert = db.insertInto('inbox').values({ ...row, ...parked, message_id: messageId, notice: 0 });
  const waitedFor = sql<boolean>`inbox.state in ('awaited', 'overdue')`;
  yield* run(
    insert.onConflict((at) => at.columns(['portal', 'message_id', 'device']).doUpdateSet(parked).where(waitedFor)),
  );
}

/** What has come and is not shown yet. What may be in its room already, and what has not come, is left as it is. */
export function* parkReceived({ db, now }: Unit, portal: PortalId, before: number, code: string): Steps {
  const parked = { state: 'parked', failure: code, file: null, settled_at: now } as const;
  const received = db.updateTable('inbox').set(parked).where('portal', '=', portal).where(isReceived);
  yield* run(received.where('timestamp', '<', before));
}

/** Throws BridgeError `store.conflict` where the row is still awaited, or the message has come. */
export function* forgetInbox({ db }: Unit, id: InboxId): Steps {
  const missing = sql<boolean>`(state = 'overdue' or (state = 'parked' and body is null))`;
  const deleted = yield* countChanges(db.deleteFrom('inbox').where('id', '=', id).where(missing));
  if (deleted === 0) throw conflict('the message');
}

/** Throws BridgeError `store.changed` where it is to be overdue, and is not awaited any more. */
export function* setInboxState({ db, keys, now }: Unit, id: InboxId, state: InboxState): Steps {
  const row = yield* first(placeOf(db, { id }));
  if (!row) throw gone('the inbox row');
  const key = yield* keys.get(accountKey(row.account));
  const isKept = state.at === 'received' || state.at === 'encrypted' || state.at === 'parked';
  const columns = {
    state: state.at,
    since: state.at === 'awaited' ? state.since : null,
    failure: state.at === 'parked' ? state.code : null,
    body: isKept && state.body ? sealBody(key, inboxPlace('body', row), state.body) : null,
    ...(state.at === 'received' || state.at === 'encrypted' ? {} : { file: null }),
    event: state.at === 'encrypted' ? sealJson(key, inboxPlace('event', row), state.events) : null,
    event_id: eventOf(state) ?? null,
    // A notice is remembered as long as its portal lives: a reply to it must never be relayed.
    settled_at: isSettled(state) && row.notice === 0 ? now : null,
  };
  if (state.at === 'overdue') return yield* setOverdue(db, id, columns);
  yield* mustChange(update(db, { id, ...columns }), 'the inbox row');
}

/** Throws BridgeError `store.changed` where the message has come in between. */
function* setOverdue(db: Unit['db'], id: InboxId, columns: Updateable<Tables['inbox']>): Steps {
  const awaited = db.updateTable('inbox').set(columns).where('id', '=', id).where(sql<boolean>`state = 'awaited'`);
  if ((yield* countChanges(awaited)) === 0) throw changed('the message');
}

const isSettled = ({ at }: InboxState): boolean => at === 'done' || at === 'parked' || at === 'overdue';

function eventOf(state: InboxState): EventId | undefined {
  if (state.at === 'parked') return state.notice;
  return state.at === 'accepted' || state.at === 'done' ? state.event : undefined;
}

export function* setInboxFile({ db, keys }: Unit, id: InboxId, file: IncomingFile): Steps {
  const row = yield* first(
    db
      .selectFrom('inbox')
      .select(['account', 'portal', 'message_id', 'device'])
      .where('id', '=', id)
      .where(isOpenInbox),
  );
  if (!row) throw gone('the inbox row');
  const key = yield* keys.get(accountKey(row.account));
  const sealed = sealJson(key, inboxPlace('file', row), withBase64(file));
  yield* mustChange(update(db, { id, file: sealed }), 'the inbox row');
}

export function* countDecryptFailure(
  { db, now }: Unit,
  message: { readonly portal: PortalId; readonly messageId: MessageId; readonly device: number },
  count: number,
): Steps {
  const { portal, messageId, device } = message;
  const row = { count, settled_at: now };
  yield* run(
    db
      .insertInto('decrypt_failure')
      .values({ portal, message_id: messageId, device, ...row })
      .onConflict((at) => at.columns(['portal', 'message_id', 'device']).doUpdateSet(row)),
  );
}

export function* giveUp({ db }: Unit, { portal, messageId, device }: UnansweredMessage): Steps {
  yield* run(
    db
      .deleteFrom('decrypt_failure')
      .where('portal', '=', portal)
      .where('message_id', '=', messageId)
      .where('device', '=', device),
  );
}

/** Whatever waits to be shown in this portal, if it is declined (still). */
export function* discardInbox({ db, now }: Unit, portal: PortalId): Steps {
  const declined = db.selectFrom('portal').select('id').where('id', '=', portal).where('acceptance', '=', 'declined');
  yield* run(db.updateTable('inbox').set(discarded(now)).where('portal', 'in', declined).where(isOpenInbox));
}

/** What a contact who asks to be let in has sent before `before` (ms) is erased, and counted. */
export function* expireRequest(unit: Unit, portal: PortalId, before: number): Steps {
  const { db, now } = unit;
  const overdue = db
    .updateTable('inbox')
    .set(discarded(now))
    .where('portal', '=', portal)
    .where('timestamp', '<', before)
    .where(isOpenInbox)
    .where(isMessage);
  yield* countDropped(unit, portal, yield* countChanges(overdue));
}

const discarded = (now: number) => ({
  state: 'done' as const,
  since: null,
  body: null,
  event: null,
  file: null,
  event_id: null,
  settled_at: now,
});

function sealBody(key: DataKey, place: Place, body: InboxBody): Buffer {
  return body.kind === 'message' ? seal(key, place, body.payload) : sealJson(key, place, body.notice);
}
