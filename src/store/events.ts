// What the homeserver pushed: transactions (their key part) and room events, each once, their content kept until dealt with.
import { createHash } from 'node:crypto';
import { type Insertable, type Selectable, sql } from 'kysely';
import type { EventSeq, TransactionSeq } from '../model/ids.ts';
import type { JsonObject, MatrixEvent, NewTransaction, StoredEvent } from '../model/journal.ts';
import type { Store } from '../model/store.ts';
import { built } from './built.ts';
import { openedRow } from './damaged.ts';
import { changed } from './errors.ts';
import { type Place, sealJson, unsealJson } from './sealing.ts';
import { countChanges, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

const hasBody = sql<boolean>`body is not null`;
const hasEvent = sql<boolean>`event is not null`;
const isLate = sql<boolean>`late_since is not null and event is not null`;
const lateAtOnce = 200;

type Row = Selectable<Tables['matrix_event']>;
type FullRow = Pick<Row, 'id' | 'room' | 'event_id'> & { readonly event: Uint8Array };

const insertTransaction = built((db, row: Insertable<Tables['homeserver_transaction']>) =>
  db
    .insertInto('homeserver_transaction')
    .values(row)
    .onConflict((at) => at.column('transaction_id').doNothing()),
);
const insertEvent = built((db, row: Insertable<Tables['matrix_event']>) =>
  db
    .insertInto('matrix_event')
    .values(row)
    .onConflict((at) => at.column('event_id').doNothing()),
);
const finish = built((db, { id, settled_at }: Pick<Row, 'id' | 'settled_at'>) =>
  db.updateTable('matrix_event').set({ event: null, settled_at }).where('id', '=', id).where(hasEvent),
);
const nextOpen = built((db, { room }: Pick<Row, 'room'>) =>
  db
    .selectFrom('matrix_event')
    .selectAll()
    .where(hasEvent)
    .where('late_since', 'is', null)
    .where('room', '=', room)
    .orderBy('id')
    .limit(1),
);

const bodyPlace = (transaction: string): Place => ['homeserver_transaction', 'body', transaction];
const eventPlace = (event: string): Place => ['matrix_event', 'event', event];

/** A transaction is known by its id and its content together: a Synapse on SQLite may count from the beginning again when it starts. */
function identity({ id, body, events }: NewTransaction): string {
  const hash = createHash('sha256').update(JSON.stringify([body, events.map(({ event_id }) => event_id)]));
  return `${id}:${hash.digest('base64url')}`;
}

/** A transaction that is known is left out as a whole, and so is each event that is known. */
export function* storeTransaction({ db, bridge }: Unit, transaction: NewTransaction): Steps {
  const { body, events } = transaction;
  const id = identity(transaction);
  const added = yield* countChanges(
    insertTransaction(db, { transaction_id: id, body: sealJson(bridge, bodyPlace(id), body) }),
  );
  if (added === 0) return;
  for (const event of events) {
    yield* run(
      insertEvent(db, {
        event_id: event.event_id,
        room: event.room_id,
        event: sealJson(bridge, eventPlace(event.event_id), event),
      }),
    );
  }
}

export function* finishTransaction({ db, now }: Unit, seq: TransactionSeq): Steps {
  const done = db.updateTable('homeserver_transaction').set({ body: null, settled_at: now }).where('id', '=', seq);
  yield* mustChange(done, 'the transaction');
}

/** Throws BridgeError `store.changed` where the event has been dealt with: what stands aside may be sent or deleted, whichever comes first. */
export function* finishEvent({ db, now }: Unit, seq: EventSeq): Steps {
  yield* mustChange(finish(db, { id: seq, settled_at: now }), 'the event', changed);
}

export function* setEventAside({ db, now }: Unit, seq: EventSeq): Steps {
  yield* mustChange(db.updateTable('matrix_event').set({ late_since: now }).where('id', '=', seq), 'the event');
}

export function eventReads({ db, bridge }: Reader): Store['events'] {
  const events = db.selectFrom('matrix_event').where(hasEvent).where('late_since', 'is', null);
  const late = db.selectFrom('matrix_event').where(isLate);
  const eventOf = ({ id, room, event_id: eventId, event }: FullRow): StoredEvent => {
    const place = () => ({ journal: 'event', id, room, event: eventId }) as const;
    return { seq: id, event: openedRow(place, () => unsealJson<MatrixEvent>(bridge, eventPlace(eventId), event)) };
  };
  return {
    nextTransaction: async () => {
      const row = await db
        .selectFrom('homeserver_transaction')
        .selectAll()
        .where(hasBody)
        .orderBy('id')
        .limit(1)
        .executeTakeFirst();
      if (!row?.body) return undefined;
      const { id, transaction_id: transaction, body } = row;
      const place = () => ({ journal: 'transaction', id }) as const;
      return { seq: id, body: openedRow(place, () => unsealJson<JsonObject>(bridge, bodyPlace(transaction), body)) };
    },
    isTransactionKnown: async (id) => {
      // Ids end with a colon (`identity`); asked for seldom, after a start and where one is missing.
      const ofId = db.selectFrom('homeserver_transaction').select('id').where('transaction_id', 'like', `${id}:%`);
      return (await ofId.limit(1).executeTakeFirst()) !== undefined;
    },
    roomsWithWork: async () => (await events.select('room').distinct().execute()).map(({ room }) => room),
    next: async (room) => {
      const [row] = (await db.executeQuery(nextOpen(db, { room }))).rows;
      if (!row?.event) return undefined;
      return eventOf({ ...row, event: row.event });
    },
    known: async (ids) => {
      if (ids.length === 0) return new Set();
      const rows = await db.selectFrom('matrix_event').select('event_id').where('event_id', 'in', ids).execute();
      return new Set(rows.map(({ event_id }) => event_id));
    },
    late: async (room, after) => {
      const ofRoom = late.selectAll().where('room', '=', room);
      const behind = after === undefined ? ofRoom : ofRoom.where('id', '>', after);
      const rows = await behind.orderBy('id').limit(lateAtOnce).execute();
      return rows.flatMap(({ id, event_id, event, late_since: since }) =>
        event === null || since === null ? [] : [{ since, ...eventOf({ id, room, event_id, event }) }],
      );
    },
    lateOne: async (room, event) =>
      (await late.select('id').where('room', '=', room).where('event_id', '=', event).executeTakeFirst())?.id,
    lateRooms: async () => (await late.select('room').distinct().execute()).map(({ room }) => room),
  };
}
