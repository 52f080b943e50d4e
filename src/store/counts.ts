// Totals for monitoring: how much waits, and how many ghosts there are.
import { sql } from 'kysely';
import type { Store } from '../model/store.ts';
import { isOpenInbox } from './inbox.ts';
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
  return {
    inboxWaiting: async () => (await inbox.executeTakeFirstOrThrow()).count,
    outboxWaiting: async () => (await outbox.executeTakeFirstOrThrow()).count,
    parked: async () => (await parked('inbox')) + (await parked('outbox')),
    ghosts: async () => (await ghosts.executeTakeFirstOrThrow()).count,
  };
}
