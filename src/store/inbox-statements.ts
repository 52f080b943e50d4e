// The statements of the inbox that every message needs, and its conditions.
import { type Insertable, type Selectable, sql, type Updateable } from 'kysely';
import type { InboxId } from '../model/ids.ts';
import { built } from './built.ts';
import type { Tables } from './tables.ts';

// Written out, not bound, so that the partial indexes serve.
export const isOpenInbox = sql<boolean>`state in ('received', 'encrypted', 'awaited')`;
export const isNotice = sql<boolean>`notice = 1`;
export const isMessage = sql<boolean>`notice = 0`;
export const isReceived = sql<boolean>`state = 'received' and notice = 0`;
const isReceiptDue = sql<boolean>`state = 'accepted' and notice = 0`;

type Table = Tables['inbox'];
type Row = Selectable<Table>;
type Identity = Pick<Row, 'portal' | 'message_id'>;

export const insertNew = built((db, row: Insertable<Table>) => db.insertInto('inbox').values(row));
export const insertOnce = built((db, row: Insertable<Table>) =>
  db
    .insertInto('inbox')
    .values(row)
    .onConflict((at) => at.columns(['portal', 'message_id', 'device']).doNothing()),
);
export const update = built((db, { id, ...columns }: Updateable<Table> & Pick<Row, 'id'>) =>
  db.updateTable('inbox').set(columns).where('id', '=', id),
);
export const placeOf = built((db, { id }: Pick<Row, 'id'>) =>
  db.selectFrom('inbox').select(['account', 'portal', 'message_id', 'device', 'notice']).where('id', '=', id),
);
export const forgetFailures = built((db, { portal, message_id }: Identity) =>
  db.deleteFrom('decrypt_failure').where('portal', '=', portal).where('message_id', '=', message_id),
);
export const nextOpen = built((db, { portal }: Pick<Row, 'portal'>) =>
  db.selectFrom('inbox').where(isOpenInbox).selectAll().where('portal', '=', portal).orderBy('id').limit(1),
);
export const ofMessage = built((db, { portal, message_id }: Identity) =>
  db.selectFrom('inbox').selectAll().where('portal', '=', portal).where('message_id', '=', message_id),
);
export const receiptsDue = built(
  (db, given: Pick<Row, 'account'> & { readonly after: InboxId; readonly limit: number }) => {
    const due = db.selectFrom('inbox').selectAll().where(isReceiptDue).where('account', '=', given.account);
    return due.where('id', '>', given.after).orderBy('id').limit(given.limit);
  },
);
export const receiptDue = built((db, { account, portal }: Pick<Row, 'account' | 'portal'>) => {
  const due = db.selectFrom('inbox').select('id').where(isReceiptDue).where('account', '=', account);
  return due.where('portal', '=', portal).limit(1);
});
