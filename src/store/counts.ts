// Totals for monitoring: how much waits, and how many ghosts there are.
import { sql } from 'kysely';
import type { Store } from '../model/store.ts';
import type { Reader } from './unit.ts';

export function countReads({ db }: Reader): Store['counts'] {
  const count = db.fn.countAll<number>().as('count');
  return {
    // Written out, not bound, so that the partial indexes serve.
    inboxWaiting: async () =>
      (
        await db
          .selectFrom('inbox')
          .select(count)
          .where(sql<boolean>`state in ('received', 'encrypted')`)
          .executeTakeFirstOrThrow()
      ).count,
    outboxWaiting: async () =>
      (
        await db
          .selectFrom('outbox')
          .select(count)
          .where(sql<boolean>`state in ('ready', 'encrypted')`)
          .executeTakeFirstOrThrow()
      ).count,
    ghosts: async () =>
      (await db.selectFrom('ghost').select(count).where('ready', '=', 1).executeTakeFirstOrThrow()).count,
  };
}
