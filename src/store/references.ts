// Which Matrix event is which WhatsApp message. Nothing but ids; forgotten after the retention time, and with the portal.
import type { Insertable, Selectable } from 'kysely';
import type { PortalId } from '../model/ids.ts';
import type { KeptReference, MessagePart, MessageReference } from '../model/reference.ts';
import type { Store } from '../model/store.ts';
import { built } from './built.ts';
import { run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

const put = built((db, { portal, message_id, from_user, ...columns }: Insertable<Tables['message_reference']>) =>
  db
    .insertInto('message_reference')
    .values({ portal, message_id, from_user, ...columns })
    .onConflict((at) => at.columns(['portal', 'message_id', 'from_user']).doUpdateSet(columns)),
);

/** A message that is shown again, in another room, is from then on the event there. */
export function* putReference({ db, now }: Unit, reference: MessageReference): Steps {
  const { portal, messageId, fromUser, event, room, sentAt } = reference;
  const columns = { event, room, sent_at: sentAt, settled_at: now };
  yield* run(put(db, { portal, message_id: messageId, from_user: fromUser ? 1 : 0, ...columns }));
}

export function* putPart({ db, now }: Unit, { portal, messageId, event }: MessagePart): Steps {
  const row = { portal, message_id: messageId, event, settled_at: now };
  yield* run(
    db
      .insertInto('message_part')
      .values(row)
      .onConflict((at) => at.columns(['portal', 'event']).doNothing()),
  );
}

/** What both portals know stays where it is first. */
export function* moveReferences({ db }: Unit, into: PortalId, from: PortalId): Steps {
  yield* run(db.updateTable('message_part').set({ portal: into }).where('portal', '=', from));
  const known = db.selectFrom('message_reference').select('message_id').where('portal', '=', into);
  yield* run(
    db
      .updateTable('message_reference')
      .set({ portal: into })
      .where('portal', '=', from)
      .where('message_id', 'not in', known),
  );
}

export function referenceReads({ db }: Reader): Store['references'] {
  const select = db.selectFrom('message_reference').selectAll();
  const shown = select.where('from_user', '=', 0);
  const one = async (query: typeof select): Promise<KeptReference | undefined> => {
    const row = await query.orderBy('id', 'desc').executeTakeFirst();
    return row && toReference(row);
  };
  const parts = db.selectFrom('message_part').selectAll();
  return {
    byEvent: async (portal, event) => {
      const found = await one(select.where('portal', '=', portal).where('event', '=', event));
      if (found !== undefined) return found;
      const part = await parts.where('portal', '=', portal).where('event', '=', event).executeTakeFirst();
      if (part === undefined) return undefined;
      const whole = select.where('portal', '=', portal).where('message_id', '=', part.message_id);
      return one(whole.where('from_user', '=', 0));
    },
    parts: async (portal, messageId) => {
      const of = parts.where('portal', '=', portal).where('message_id', '=', messageId);
      return (await of.orderBy('id').execute()).map(({ event }) => event);
    },
    byMessage: (portal, messageId, fromUser) => {
      const named = select.where('portal', '=', portal).where('message_id', '=', messageId);
      return one(fromUser === undefined ? named : named.where('from_user', '=', fromUser ? 1 : 0));
    },
    roomsActive: async (withinMs, until, limit) => {
      const newest = db.selectFrom('message_reference').select(db.fn.max('settled_at').as('at'));
      const end = until ?? (await newest.executeTakeFirst())?.at;
      if (end === undefined || end === null) return [];
      const active = db.selectFrom('message_reference').select('room').distinct().limit(limit);
      return (await active.where('settled_at', '>=', end - withinMs).execute()).map(({ room }) => room);
    },
    any: async (portal) => (await select.where('portal', '=', portal).limit(1).executeTakeFirst()) !== undefined,
    byPosition: (portal, position) => one(select.where('portal', '=', portal).where('id', '=', position)),
    shownAfter: async (portal, room, position, limit) => {
      const after = shown.where('portal', '=', portal).where('id', '>', position).where('room', '=', room);
      return (await after.orderBy('id').limit(limit).execute()).map(toReference);
    },
    shownAt: (portal, room, time) =>
      one(shown.where('portal', '=', portal).where('room', '=', room).where('settled_at', '<=', time)),
  };
}

function toReference(row: Selectable<Tables['message_reference']>): KeptReference {
  const { portal, event, room } = row;
  const target = { messageId: row.message_id, fromUser: row.from_user === 1 };
  return { portal, ...target, event, room, sentAt: row.sent_at, position: row.id };
}
