// The queue as its administrator sees it, and what they may do to parked messages.
import { type SelectQueryBuilder, sql } from 'kysely';
import type { QueueFilter, QueueItem, QueueItemId } from '../model/queue.ts';
import type { Store } from '../model/store.ts';
import { isOpenInbox } from './inbox-statements.ts';
import { isOpenOutbox } from './outbox.ts';
import { mustChange, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

const isParked = sql<boolean>`state = 'parked'`;
const what = 'the parked message';

/** Throws BridgeError `store.gone` where the row is not parked, or nothing is kept of the message. */
export function* retryParked({ db }: Unit, { journal, id }: QueueItemId): Steps {
  if (journal === 'inbox') {
    const again = { state: 'received', failure: null, event_id: null, settled_at: null } as const;
    const whole = db.updateTable('inbox').set(again).where('id', '=', id).where(isParked).where('body', 'is not', null);
    return yield* mustChange(whole, what);
  }
  // For whom it was encrypted before stays known: it may have gone out, so it is never taken back without a trace.
  const state = sql<'transfer' | 'ready'>`case when file is null then 'ready' else 'transfer' end`;
  const again = { state, failure: null, settled_at: null, retry_for: '[]', retries: 0 };
  const kept = db.updateTable('outbox').set(again).where('id', '=', id).where(isParked);
  yield* mustChange(kept.where(sql<boolean>`(payload is not null or file is not null)`), what);
}

/** Throws BridgeError `store.gone` where the row is not parked. */
export function* dropParked({ db }: Unit, { journal, id }: QueueItemId): Steps {
  if (journal === 'inbox') {
    const dropped = { state: 'done', body: null } as const;
    return yield* mustChange(db.updateTable('inbox').set(dropped).where('id', '=', id).where(isParked), what);
  }
  const dropped = { state: 'done', payload: null, file: null } as const;
  yield* mustChange(db.updateTable('outbox').set(dropped).where('id', '=', id).where(isParked), what);
}

export function queueReads({ db }: Reader): Store['queue'] {
  const inbox = db
    .selectFrom('inbox')
    .innerJoin('account', 'account.id', 'inbox.account')
    .where('inbox.notice', '=', 0)
    .select([
      'inbox.id',
      'inbox.account',
      'inbox.portal',
      'inbox.message_id',
      'inbox.state',
      'inbox.failure',
      'inbox.timestamp as since',
      'inbox.event_id as event',
      'account.network',
      'account.user',
    ]);
  const outbox = db
    .selectFrom('outbox')
    .innerJoin('account', 'account.id', 'outbox.account')
    .select([
      'outbox.id',
      'outbox.account',
      'outbox.portal',
      'outbox.message_id',
      'outbox.state',
      'outbox.failure',
      'outbox.created_at as since',
      'outbox.event',
      'account.network',
      'account.user',
    ]);

  return {
    list: async ({ which, limit, user }) => {
      const received = user === undefined ? inbox : inbox.where('account.user', '=', user);
      const sent = user === undefined ? outbox : outbox.where('account.user', '=', user);
      const incoming = await chosen(received, which, isOpenInbox).orderBy('inbox.id').limit(limit).execute();
      const outgoing = await chosen(sent, which, isOpenOutbox).orderBy('outbox.id').limit(limit).execute();
      const items = [
        ...incoming.map(({ id, ...row }) => toItem({ journal: 'inbox', id }, row)),
        ...outgoing.map(({ id, ...row }) => toItem({ journal: 'outbox', id }, row)),
      ];
      return items.sort((a, b) => a.since - b.since).slice(0, limit);
    },
    find: async (item) => {
      if (item.journal === 'inbox') {
        const row = await inbox.where('inbox.id', '=', item.id).executeTakeFirst();
        return row && toItem(item, row);
      }
      const row = await outbox.where('outbox.id', '=', item.id).executeTakeFirst();
      return row && toItem(item, row);
    },
  };
}

function chosen<Table extends keyof Tables, Row>(
  query: SelectQueryBuilder<Tables, Table, Row>,
  which: QueueFilter['which'],
  isOpen: typeof isParked,
): SelectQueryBuilder<Tables, Table, Row> {
  if (which === 'parked') return query.where(isParked);
  return query.where(which === 'waiting' ? isOpen : sql<boolean>`(${isOpen} or ${isParked})`);
}

interface Row extends Pick<QueueItem, 'account' | 'portal' | 'network' | 'user' | 'state' | 'since'> {
  readonly message_id: QueueItem['messageId'];
  readonly failure: string | null;
  readonly event: QueueItem['event'] | null;
}

function toItem(item: QueueItemId, row: Row): QueueItem {
  const { account, portal, network, user, state, since } = row;
  const event = row.event ?? undefined;
  const code = row.failure ?? undefined;
  return { item, network, account, user, portal, messageId: row.message_id, event, state, code, since };
}
