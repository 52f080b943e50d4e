// How far each side of a portal has read, and the marks that say so. Positions and event ids only; they go with the portal.
import { type Selectable, sql } from 'kysely';
import type { EventId, PortalId } from '../model/ids.ts';
import type { DeliveryMark, Reading } from '../model/reading.ts';
import type { Store } from '../model/store.ts';
import { all, first, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

type Row = Tables['reading'];

// Written out, not bound, so that the partial indexes serve.
const isToConfirm = sql<boolean>`user_read is not null`;
const isToShow = sql<boolean>`contact_read > contact_shown`;

const nothing = { user_read: null, confirmed: 0, contact_read: 0, contact_shown: 0 } as const;

/** Changes the row of a portal, which it need not have had before. */
function* change({ db }: Pick<Unit, 'db'>, portal: PortalId, to: (row: Row) => Partial<Row>): Steps {
  const row = yield* first(db.selectFrom('reading').selectAll().where('portal', '=', portal));
  if (row) yield* run(db.updateTable('reading').set(to(row)).where('portal', '=', portal));
  else yield* run(db.insertInto('reading').values({ portal, ...nothing, ...to({ portal, ...nothing }) }));
}

export function setUserRead(unit: Unit, portal: PortalId, event: EventId): Steps {
  return change(unit, portal, () => ({ user_read: event }));
}

/** Where it is not known which message the event is, or after which one it stands, all that have come are taken as read. */
export function* withholdUserRead(unit: Unit, portal: PortalId, event: EventId): Steps {
  const references = unit.db
    .selectFrom('message_reference')
    .where('portal', '=', portal)
    .orderBy('id', 'desc')
    .limit(1);
  const known = yield* first(references.select('id').where('event', '=', event));
  const last = known ?? (yield* first(references.select('id')));
  if (last === undefined) return;
  yield* change(unit, portal, (row) => ({ confirmed: Math.max(row.confirmed, last.id) }));
}

export function confirmUserRead(unit: Unit, portal: PortalId, upTo: number, settled: EventId | undefined): Steps {
  return change(unit, portal, (row) => ({
    confirmed: Math.max(row.confirmed, upTo),
    // Another event may have come in between.
    user_read: row.user_read === settled ? null : row.user_read,
  }));
}

export function setContactRead(unit: Unit, portal: PortalId, upTo: number): Steps {
  return change(unit, portal, (row) => ({ contact_read: Math.max(row.contact_read, upTo) }));
}

export function setContactShown(unit: Unit, portal: PortalId, upTo: number): Steps {
  return change(unit, portal, (row) => ({ contact_shown: Math.max(row.contact_shown, upTo) }));
}

export function* addDeliveryMark({ db }: Unit, mark: DeliveryMark): Steps {
  yield* run(
    db
      .insertInto('delivery_mark')
      .values(mark)
      .onConflict((at) => at.doNothing()),
  );
}

export function* finishDeliveryMark({ db }: Unit, { portal, event }: DeliveryMark): Steps {
  yield* run(db.deleteFrom('delivery_mark').where('portal', '=', portal).where('event', '=', event));
}

/** Before the messages themselves move. What one of the two must not confirm the other does not either. */
export function* moveReading(unit: Unit, into: PortalId, from: PortalId): Steps {
  const { db } = unit;
  const moved = yield* first(db.selectFrom('reading').select('confirmed').where('portal', '=', from));
  if (moved) yield* confirmUserRead(unit, into, moved.confirmed, undefined);
  for (const { event } of yield* all(db.selectFrom('delivery_mark').select('event').where('portal', '=', from))) {
    yield* addDeliveryMark(unit, { portal: into, event });
  }
}

export function readingReads({ db }: Reader): Store['reading'] {
  const select = db.selectFrom('reading').selectAll('reading');
  return {
    of: async (portal) => {
      const row = await select.where('portal', '=', portal).executeTakeFirst();
      return row && toReading(row);
    },
    toConfirm: async (account) => {
      const ofAccount = select.innerJoin('portal', 'portal.id', 'reading.portal').where('portal.account', '=', account);
      return (await ofAccount.where(isToConfirm).execute()).map(toReading);
    },
    nextMark: async (portal) =>
      db.selectFrom('delivery_mark').selectAll().where('portal', '=', portal).limit(1).executeTakeFirst(),
    portalsToMark: async () => {
      const read = await db.selectFrom('reading').select('portal').where(isToShow).execute();
      const delivered = await db.selectFrom('delivery_mark').select('portal').distinct().execute();
      return [...new Set([...read, ...delivered].map(({ portal }) => portal))];
    },
  };
}

function toReading({ portal, user_read, confirmed, contact_read, contact_shown }: Selectable<Row>): Reading {
  return {
    portal,
    userRead: user_read ?? undefined,
    confirmed,
    contactRead: contact_read,
    contactShown: contact_shown,
  };
}
