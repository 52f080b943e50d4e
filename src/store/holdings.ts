// What an account holds here, counted: for whoever is told what was deleted.
import { sql } from 'kysely';
import type { Holdings } from '../model/account.ts';
import type { AccountId } from '../model/ids.ts';
import type { Reader } from './unit.ts';

export function holdings({ db }: Reader): (account: AccountId) => Promise<Holdings> {
  const count = db.fn.countAll<number>().as('count');
  return async (account) => {
    const rows = (table: 'portal' | 'inbox' | 'outbox' | 'hosted_file' | 'signal_pre_key' | 'signal_session') =>
      db.selectFrom(table).select(count).where('account', '=', account);
    const number = async (query: { executeTakeFirstOrThrow(): Promise<{ count: number }> }): Promise<number> =>
      (await query.executeTakeFirstOrThrow()).count;
    const hasContent = sql<boolean>`(payload is not null or file is not null)`;
    const sent = sql<boolean>`state in ('acknowledged', 'done')`;
    const rooms = db.selectFrom('portal').select('room').where('account', '=', account).where('room', 'is not', null);
    // What the user has sent and nobody has looked at yet.
    const pushed = db
      .selectFrom('matrix_event')
      .select(count)
      .where('event', 'is not', null)
      .where('room', 'in', rooms);
    return {
      chats: await number(rows('portal')),
      incoming: await number(rows('inbox').where(sql<boolean>`notice = 0 and body is not null`)),
      outgoing:
        (await number(rows('outbox').where(hasContent).where(sql<boolean>`not ${sent}`))) + (await number(pushed)),
      kept: await number(rows('outbox').where(hasContent).where(sent)),
      files: await number(rows('hosted_file')),
      oneTimeKeys: await number(rows('signal_pre_key')),
      sessions: await number(rows('signal_session')),
    };
  };
}
