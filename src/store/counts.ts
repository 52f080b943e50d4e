// Totals for monitoring: how much waits, and how many ghosts there are.
import { sql } from 'kysely';
import type { Store } from '../model/store.ts';
import { isOpenInbox } from './inbox-statements.ts';
import { isOpenOutbox } from './outbox.ts';
import type { Reader } from './unit.ts';

export function countReads({ db }: Reader): Store['counts'] {
  const count = db.fn.countAll<number>().as('count');
  const inbox = db.selectFrom('inbox').select(count).where(isOpenInbox);
  const outbox = db.selectFrom('outbox').select(count).where(isOpenOutbox);
  const parked = async (journal: 'inbox' | 'outbox'): Promise<number> => {
    const all = db.selectFrom(journal).select(count).where(sql<boolean>`state = 'parked'`);
    return (await all.executeTakeFirstOrThrow()).count;
  };
  const ghosts = db.selectFrom('ghost').select(count).where('ready', '=', 1);
  const held = db.selectFrom('portal').innerJoin('account', 'account.id', 'portal.account').select(count);
  const heldChats = held.where(({ exists, or, selectFrom }) =>
    or([
      exists(
        selectFrom('portal_visitor')
          .select('portal_visitor.user')
          .whereRef('portal_visitor.portal', '=', 'portal.id')
          .where('allowed', '=', 0),
      ),
      exists(
        selectFrom('peer_trust')
          .select('peer_trust.device')
          .whereRef('peer_trust.contact', '=', 'portal.contact')
          .whereRef('peer_trust.account', '=', 'portal.account')
          .where('peer_trust.seen', 'is not', null),
      ),
      exists(
        selectFrom('user_trust')
          .select('user_trust.user')
          .whereRef('user_trust.user', '=', 'account.user')
          .where('user_trust.seen', 'is not', null),
      ),
    ]),
  );
  return {
    heldChats: async () => (await heldChats.executeTakeFirstOrThrow()).count,
    inboxWaiting: async () => (await inbox.executeTakeFirstOrThrow()).count,
    outboxWaiting: async () => (await outbox.executeTakeFirstOrThrow()).count,
    parked: async () => (await parked('inbox')) + (await parked('outbox')),
    ghosts: async () => (await ghosts.executeTakeFirstOrThrow()).count,
  };
}
