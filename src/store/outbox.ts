// The outbox: messages on their way to WhatsApp. The payload outlives the sending, for retry receipts, until it is erased by name.
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely';
import type { Change } from '../model/change.ts';
import type { OutboxId, PortalId } from '../model/ids.ts';
import type {
  NewOutboxRow,
  OutboxEnvelope,
  OutboxMarks,
  OutboxRow,
  OutboxState,
  OutgoingFile,
} from '../model/journal.ts';
import type { Store } from '../model/store.ts';
import { noteActivity } from './accounts.ts';
import { built } from './built.ts';
import { openedRow, unlessDamaged } from './damaged.ts';
import { changed, gone } from './errors.ts';
import { withBase64, withBytes } from './json-bytes.ts';
import { accountKey } from './keyring.ts';
import { type DataKey, type Place, seal, sealJson, unseal, unsealJson } from './sealing.ts';
import { all, countChanges, first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

type Row = Selectable<Tables['outbox']>;

// Written out, not bound, so that the partial indexes serve.
export const isOpenOutbox = sql<boolean>`state in ('transfer', 'ready', 'encrypted')`;
const isKept = sql<boolean>`state = 'acknowledged' and payload is not null`;

const place = (column: 'payload' | 'file' | 'stanza', { event }: Pick<Row, 'event'>): Place => [
  'outbox',
  column,
  event,
];

const insert = built((db, row: Insertable<Tables['outbox']>) => db.insertInto('outbox').values(row));
const update = built((db, { id, ...columns }: Updateable<Tables['outbox']> & Pick<Row, 'id'>) =>
  db.updateTable('outbox').set(columns).where('id', '=', id),
);
const placeOf = built((db, { id }: Pick<Row, 'id'>) =>
  db.selectFrom('outbox').select(['account', 'event']).where('id', '=', id),
);
const nextOpen = built((db, { portal }: Pick<Row, 'portal'>) =>
  db.selectFrom('outbox').where(isOpenOutbox).selectAll().where('portal', '=', portal).orderBy('id').limit(1),
);
const progressOf = built((db, { id }: Pick<Row, 'id'>) =>
  db.selectFrom('outbox').select(['state', 'waiting_for', 'retry_for', 'confirmed', 'retries']).where('id', '=', id),
);
const ofMessage = built((db, { account, portal, message_id }: Pick<Row, 'account' | 'portal' | 'message_id'>) =>
  db
    .selectFrom('outbox')
    .selectAll()
    .where('portal', '=', portal)
    .where('message_id', '=', message_id)
    .where('account', '=', account),
);

/** Throws BridgeError `store.conflict` where the Matrix event has a row. */
export function* addOutbox(unit: Unit, added: NewOutboxRow): Steps {
  const { db, keys } = unit;
  const { account, portal, event, messageId, createdAt } = added;
  const key = yield* keys.get(accountKey(account));
  const body =
    'file' in added
      ? {
          state: 'transfer' as const,
          file: sealJson(key, place('file', added), withBase64(added.file)),
          hosted: added.file.name,
        }
      : { state: 'ready' as const, payload: seal(key, place('payload', added), added.payload) };
  yield* run(
    insert(db, {
      account,
      portal,
      event,
      message_id: messageId,
      created_at: createdAt,
      ...body,
      waiting_for: '[]',
      retry_for: '[]',
      confirmed: 0,
      retries: 0,
    }),
  );
  yield* noteActivity(unit, account);
}

/** Throws BridgeError `store.changed` where it has ended, or its content has been erased, and that is not what this is about. */
export function* setOutboxState(unit: Unit, change: Change & { readonly change: 'outbox.state' }): Steps {
  const { db, keys, now } = unit;
  const { id, state, waitingFor, retryFor, confirmed, retries, erasePayload } = change;
  const row = yield* first(placeOf(db, { id }));
  if (!row) throw gone('the outbox row');
  const key = yield* keys.get(accountKey(row.account));
  const done = state?.at === 'done';
  const columns = {
    ...(state === undefined
      ? {}
      : {
          state: state.at,
          failure: state.at === 'parked' ? state.code : null,
          stanza: state.at === 'encrypted' ? seal(key, place('stanza', row), state.stanza) : null,
          settled_at: done || state.at === 'parked' ? now : null,
        }),
    ...(done || erasePayload ? { payload: null } : {}),
    ...(done ? { file: null } : {}),
    ...(waitingFor === undefined ? {} : { waiting_for: JSON.stringify(waitingFor) }),
    ...(retryFor === undefined ? {} : { retry_for: JSON.stringify(retryFor) }),
    ...(confirmed ? { confirmed: 1 as const } : {}),
    ...(retries === undefined ? {} : { retries }),
  };
  if (state === undefined || done) return yield* mustChange(update(db, { id, ...columns }), 'the outbox row');
  const found = db.updateTable('outbox').set(columns).where('id', '=', id);
  const open = state.at === 'parked' ? found.where('state', '<>', 'done') : found.where('payload', 'is not', null);
  yield* mustChange(open, 'the outbox row', changed);
}

/** What is on its way, or is to be sent for the first time, is left as it is. */
export function* forgetOutbox({ db, now }: Unit, id: OutboxId): Steps {
  const row = db.updateTable('outbox').where('id', '=', id);
  const erased = { state: 'done', payload: null, file: null, settled_at: now, failure: null } as const;
  const asked = sql<boolean>`(state = 'ready' and retry_for <> '[]')`;
  yield* run(row.set(erased).where(sql<boolean>`(state in ('acknowledged', 'parked') or ${asked})`));
}

/** Throws BridgeError `store.changed` where the message has been encrypted, or was before. */
export function* withdrawOutbox({ db }: Unit, id: OutboxId): Steps {
  const row = yield* first(db.selectFrom('outbox').select(['portal', 'event']).where('id', '=', id));
  if (!row) return;
  const ready = db.deleteFrom('outbox').where('id', '=', id).where('state', '=', 'ready');
  const untouched = ready.where('retries', '=', 0).where('waiting_for', '=', '[]').where('retry_for', '=', '[]');
  if ((yield* countChanges(untouched)) === 0) throw changed('the outbox row');
  yield* run(db.deleteFrom('message_reference').where('portal', '=', row.portal).where('event', '=', row.event));
}

/** Throws BridgeError `store.gone` where the row does not wait for its file any more. */
export function* setOutboxPayload({ db, keys }: Unit, id: OutboxId, payload: Uint8Array): Steps {
  const waiting = db.selectFrom('outbox').select(['account', 'event']).where('id', '=', id);
  const row = yield* first(waiting.where('state', '=', 'transfer'));
  if (!row) throw gone('the outbox row');
  const key = yield* keys.get(accountKey(row.account));
  const columns = { state: 'ready' as const, payload: seal(key, place('payload', row), payload), file: null };
  yield* mustChange(update(db, { id, ...columns }), 'the outbox row');
}

/**
 * A message that was sent and waits for this device alone is done where another one has confirmed it; otherwise nobody has it, and it is
 * encrypted anew for those that there are now. One that this device alone has asked for again waits for the others.
 */
export function* dropDevice({ db, now }: Unit, portal: PortalId, device: number): Steps {
  const rows = yield* all(
    db
      .selectFrom('outbox')
      .select(['id', 'state', 'waiting_for', 'retry_for', 'confirmed'])
      .where('portal', '=', portal)
      .where('payload', 'is not', null),
  );
  for (const row of rows) {
    const [waiting, asking] = [toDevices(row.waiting_for), toDevices(row.retry_for)];
    if (!waiting.includes(device) && !asking.includes(device)) continue;
    const waitingFor = waiting.filter((each) => each !== device);
    const retryFor = asking.filter((each) => each !== device);
    const settled =
      row.state === 'acknowledged' || (row.state === 'ready' && asking.length > 0 && retryFor.length === 0);
    const done = { state: 'done' as const, payload: null, settled_at: now };
    const served = row.confirmed === 1 ? done : { state: 'ready' as const };
    const columns = { waiting_for: JSON.stringify(waitingFor), retry_for: JSON.stringify(retryFor) };
    const next = waitingFor.length > 0 ? { state: 'acknowledged' as const } : served;
    yield* run(
      db
        .updateTable('outbox')
        .set({ ...columns, ...(settled ? next : {}) })
        .where('id', '=', row.id),
    );
  }
}

const toDevices = (json: string): readonly number[] => JSON.parse(json);

export function outboxReads({ db, keys }: Reader): Store['outbox'] {
  const select = db.selectFrom('outbox').selectAll();
  const open = db.selectFrom('outbox').where(isOpenOutbox);
  const kept = select.where(isKept);

  async function opened(row: Row | undefined): Promise<OutboxRow | undefined> {
    const key = row && (await keys.find(accountKey(row.account)));
    return key && toOutboxRow(key, row);
  }

  async function some(found: typeof kept, limit: number): Promise<OutboxEnvelope[]> {
    return (await found.limit(limit).execute()).map(toEnvelope);
  }

  return {
    next: async (portal) => {
      const [row] = (await db.executeQuery(nextOpen(db, { portal }))).rows;
      const key = row && (await keys.find(accountKey(row.account)));
      if (key === undefined || row === undefined) return undefined;
      const place = () => ({ journal: 'outbox', id: row.id, portal, event: row.event }) as const;
      return openedRow(place, () => toOutboxRow(key, row));
    },
    progress: async (id) => {
      const [row] = (await db.executeQuery(progressOf(db, { id }))).rows;
      return row && { at: row.state, ...toMarks(row) };
    },
    byMessageId: async (account, portal, messageId) => {
      const [row] = (await db.executeQuery(ofMessage(db, { account, portal, message_id: messageId }))).rows;
      return row && toEnvelope(row);
    },
    portalsWithWork: async (account) => {
      const rows = await open.select('portal').distinct().where('account', '=', account).execute();
      return rows.map(({ portal }) => portal);
    },
    waiting: async (portal) => {
      const count = db.fn.countAll<number>().as('count');
      return (await open.select(count).where('portal', '=', portal).executeTakeFirstOrThrow()).count;
    },
    expired: (before, limit) => some(kept.where('created_at', '<', before).orderBy('created_at'), limit),
    unreadable: (retries, before, limit, after) => {
      const unconfirmed = kept.where('retries', '>=', retries).where('confirmed', '=', 0);
      const old = unconfirmed.where('created_at', '<', before).orderBy('id');
      return some(after === undefined ? old : old.where('id', '>', after), limit);
    },
    waitingAfter: async ({ id, portal }, limit) => {
      const after = open.selectAll().where('portal', '=', portal).where('id', '>', id).orderBy('id').limit(limit);
      const rows = await Promise.all((await after.execute()).map((row) => unlessDamaged(opened(row))));
      return rows.filter((row) => row !== undefined);
    },
    byEvent: async (event) => {
      const row = await select.where('event', '=', event).executeTakeFirst();
      return row && toEnvelope(row);
    },
  };
}

function toMarks(row: Pick<Row, 'waiting_for' | 'retry_for' | 'confirmed' | 'retries'>): OutboxMarks {
  const { waiting_for: waiting, retry_for: asking, confirmed, retries } = row;
  return { waitingFor: toDevices(waiting), retryFor: toDevices(asking), confirmed: confirmed === 1, retries };
}

function toEnvelope(row: Row): OutboxEnvelope {
  const { id, account, portal, event, state: at, message_id: messageId, created_at: createdAt } = row;
  const kept = row.payload !== null;
  const hosted = row.hosted ?? undefined;
  return { id, account, portal, event, messageId, createdAt, at, ...toMarks(row), hosted, kept };
}

function toOutboxRow(key: DataKey, row: Row): OutboxRow {
  const { at, kept, ...envelope } = toEnvelope(row);
  return {
    ...envelope,
    state: toState(key, row),
    payload: row.payload ? unseal(key, place('payload', row), row.payload) : undefined,
  };
}

function toState(key: DataKey, row: Row): OutboxState {
  if (row.stanza) return { at: 'encrypted', stanza: unseal(key, place('stanza', row), row.stanza) };
  switch (row.state) {
    case 'parked':
      return { at: 'parked', code: row.failure ?? 'unknown' };
    case 'transfer':
      if (!row.file) throw gone('the file of a message');
      return { at: 'transfer', file: withBytes<OutgoingFile>(unsealJson(key, place('file', row), row.file)) };
    case 'encrypted':
      throw gone('the stanza of an encrypted message');
    default:
      return { at: row.state };
  }
}
