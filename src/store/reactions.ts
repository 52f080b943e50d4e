// Who reacted to what, by the Matrix events: ids only, forgotten after the retention time, and with the portal.
import type { EventId, PortalId } from '../model/ids.ts';
import type { MessageReaction } from '../model/reference.ts';
import type { Store } from '../model/store.ts';
import { run, type Steps } from './steps.ts';
import type { Reader, Unit } from './unit.ts';

export function* putReaction({ db, now }: Unit, { portal, target, byUser, event }: MessageReaction): Steps {
  const flags = {
    from_user: target.fromUser ? (1 as const) : (0 as const),
    by_user: byUser ? (1 as const) : (0 as const),
  };
  yield* run(
    db
      .insertInto('message_reaction')
      .values({ portal, message_id: target.messageId, ...flags, event, settled_at: now })
      .onConflict((at) => at.doNothing()),
  );
}

export function* removeReaction({ db }: Unit, portal: PortalId, event: EventId): Steps {
  yield* run(db.deleteFrom('message_reaction').where('portal', '=', portal).where('event', '=', event));
}

export function* moveReactions({ db }: Unit, into: PortalId, from: PortalId): Steps {
  yield* run(db.updateTable('message_reaction').set({ portal: into }).where('portal', '=', from));
}

export function reactionReads({ db }: Reader): Store['reactions'] {
  const select = db.selectFrom('message_reaction').selectAll();
  return {
    latest: async (portal, { messageId, fromUser }, byUser) => {
      const row = await select
        .where('portal', '=', portal)
        .where('message_id', '=', messageId)
        .where('from_user', '=', fromUser ? 1 : 0)
        .where('by_user', '=', byUser ? 1 : 0)
        .orderBy('id', 'desc')
        .limit(1)
        .executeTakeFirst();
      return row?.event;
    },
    byEvent: async (portal, event) => {
      const row = await select.where('portal', '=', portal).where('event', '=', event).executeTakeFirst();
      if (row === undefined) return undefined;
      const target = { messageId: row.message_id, fromUser: row.from_user === 1 };
      return { portal, target, byUser: row.by_user === 1, event };
    },
  };
}
