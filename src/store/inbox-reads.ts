// What is read of the inbox. What cannot be opened any more is named, or as good as missing.
import { type Selectable, sql } from 'kysely';
import type { InboxId } from '../model/ids.ts';
import type { InboxBody, InboxRow, InboxState, IncomingFile, Notice, SealedEvent } from '../model/journal.ts';
import type { Store } from '../model/store.ts';
import { openedRow, unlessDamaged } from './damaged.ts';
import { inboxPlace } from './inbox.ts';
import {
  isMessage,
  isNotice,
  isOpenInbox,
  isReceived,
  nextOpen,
  ofMessage,
  receiptDue,
  receiptsDue,
} from './inbox-statements.ts';
import { withBytes } from './json-bytes.ts';
import { accountKey } from './keyring.ts';
import { isRequested } from './portals.ts';
import { type DataKey, unseal, unsealJson } from './sealing.ts';
import type { Tables } from './tables.ts';
import type { Reader } from './unit.ts';

type Row = Selectable<Tables['inbox']>;

export function inboxReads({ db, keys }: Reader): Store['inbox'] {
  const open = db.selectFrom('inbox').where(isOpenInbox);

  async function opened(row: Row | undefined): Promise<InboxRow | undefined> {
    const key = row && (await keys.find(accountKey(row.account)));
    return key && toInboxRow(key, row);
  }

  /** What cannot be opened is known to have been there, and no more. */
  async function remembered(row: Row | undefined): Promise<InboxRow | undefined> {
    const key = row && (await keys.find(accountKey(row.account)));
    if (key === undefined || row === undefined) return undefined;
    return (await unlessDamaged(opened(row))) ?? toInboxRow(key, { ...row, state: 'done', body: null, file: null });
  }

  return {
    next: async (portal) => {
      const [row] = (await db.executeQuery(nextOpen(db, { portal }))).rows;
      const key = row && (await keys.find(accountKey(row.account)));
      if (key === undefined || row === undefined) return undefined;
      const place = () => ({ journal: 'inbox', id: row.id, portal, isNotice: row.notice === 1 }) as const;
      return openedRow(place, () => toInboxRow(key, row));
    },
    find: async (portal, messageId, device) => {
      const { rows } = await db.executeQuery(ofMessage(db, { portal, message_id: messageId }));
      return remembered(device === undefined ? rows[0] : rows.find((row) => row.device === device));
    },
    receivedBefore: async (portal, before) => {
      const count = db.fn.countAll<number>().as('count');
      const received = db.selectFrom('inbox').select(count).where('portal', '=', portal).where(isReceived);
      return (await received.where('timestamp', '<', before).executeTakeFirstOrThrow()).count;
    },
    portalsWithWork: async () => (await open.select('portal').distinct().execute()).map(({ portal }) => portal),
    receiptsDue: async (account, limit, after = 0 as InboxId) => {
      const { rows } = await db.executeQuery(receiptsDue(db, { account, after, limit }));
      return (await Promise.all(rows.map(opened))).filter((row) => row !== undefined);
    },
    isReceiptDue: async (account, portal) =>
      (await db.executeQuery(receiptDue(db, { account, portal }))).rows.length > 0,
    decryptFailures: async (portal, messageId, device) => {
      const row = await db
        .selectFrom('decrypt_failure')
        .select('count')
        .where('portal', '=', portal)
        .where('message_id', '=', messageId)
        .where('device', '=', device)
        .executeTakeFirst();
      return row?.count ?? 0;
    },
    unanswered: async (before, limit, after = 0) => {
      const failures = db.selectFrom('decrypt_failure').select(['id', 'portal', 'message_id as messageId', 'device']);
      const old = failures.where('settled_at', '<', before).where('id', '>', after);
      const rows = await old.orderBy('id').limit(limit).execute();
      return rows.map(({ id, ...message }) => ({ id, message }));
    },
    waiting: async (portal) => {
      const count = db.fn.countAll<number>().as('count');
      return (await open.select(count).where('portal', '=', portal).executeTakeFirstOrThrow()).count;
    },
    messagesWaiting: async (portal) => {
      const count = db.fn.countAll<number>().as('count');
      const messages = open.select(count).where('portal', '=', portal).where(isMessage);
      return (await messages.executeTakeFirstOrThrow()).count;
    },
    requestsOverdue: async (before, limit) => {
      const rows = await db
        .selectFrom('portal')
        .select('id')
        .where(isRequested)
        .where(({ exists, ref }) =>
          exists(
            open
              .select('id')
              .whereRef('portal', '=', ref('portal.id'))
              .where('timestamp', '<', before)
              .where(isMessage),
          ),
        )
        .limit(limit)
        .execute();
      return rows.map(({ id }) => id);
    },
    isSending: async (portal) => {
      const sent = sql<boolean>`state = 'encrypted'`;
      const row = await open.select('id').where('portal', '=', portal).where(sent).limit(1).executeTakeFirst();
      return row !== undefined;
    },
    isNotice: async (portal, event) => {
      const row = await db
        .selectFrom('inbox')
        .select('id')
        .where('portal', '=', portal)
        .where('event_id', '=', event)
        .where(isNotice)
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}

function toInboxRow(key: DataKey, row: Row): InboxRow {
  const { id, account, portal, device, timestamp } = row;
  return {
    id,
    account,
    portal,
    messageId: row.message_id,
    device,
    timestamp,
    isNotice: row.notice === 1,
    state: toState(key, row),
    file: row.file ? withBytes<IncomingFile>(unsealJson(key, inboxPlace('file', row), row.file)) : undefined,
  };
}

type Events = readonly [SealedEvent, ...SealedEvent[]];
/** Before there were messages of several events, one stood alone. */
const eventsOf = (stored: Events | SealedEvent): Events => ('sendId' in stored ? [stored] : stored);

const parkedState = ({ failure, event_id }: Row, body: InboxBody | undefined): InboxState => ({
  at: 'parked',
  code: failure ?? 'unknown',
  notice: event_id ?? undefined,
  body,
});

function toState(key: DataKey, row: Row): InboxState {
  if (row.body) {
    const place = inboxPlace('body', row);
    const body: InboxBody =
      row.notice === 1
        ? { kind: 'notice', notice: unsealJson<Notice>(key, place, row.body) }
        : { kind: 'message', payload: unseal(key, place, row.body) };
    if (row.state === 'parked') return parkedState(row, body);
    if (!row.event) return { at: 'received', body };
    return { at: 'encrypted', events: eventsOf(unsealJson(key, inboxPlace('event', row), row.event)), body };
  }
  if (row.state === 'parked') return parkedState(row, undefined);
  if (row.state === 'awaited') return { at: 'awaited', since: row.since ?? 0 };
  if (row.state === 'overdue') return { at: 'overdue' };
  return row.state === 'accepted' && row.event_id !== null
    ? { at: 'accepted', event: row.event_id }
    : { at: 'done', event: row.event_id ?? undefined };
}
