// Messages that could not be decrypted and were asked for again: they keep their place in the chat for a while, and come late after that.
import type { Change, MissingRow } from '../model/change.ts';
import type { InboxId } from '../model/ids.ts';
import type { InboxBody, InboxRow } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { utcMinute } from '../translate/times.ts';
import type { BridgeContext } from './context.ts';
import { noticeOnce } from './notices.ts';
import type { Step } from './workers.ts';

/** How long a message that was asked for again may take before the user is told, in milliseconds. */
export const answerWaitMs = 10 * 60 * 1000;

/** Whether this row stands for a message that has not been read yet. */
export function isMissing(row: InboxRow | undefined): row is InboxRow {
  if (row?.state.at === 'parked') return row.state.body === undefined;
  return row?.state.at === 'awaited' || row?.state.at === 'overdue';
}

/** What to commit when it has come after all: in its place where that is kept, otherwise at the end and marked as late. */
export function arrival(portal: Portal, { id, state, ...row }: InboxRow, body: InboxBody): Change[] {
  if (state.at === 'awaited') return [{ change: 'inbox.arrived', id, body }];
  const { account, messageId, device, timestamp } = row;
  const text = `The next message comes late: it was sent at ${utcMinute(timestamp)} and could not be read at first.`;
  return [
    { change: 'inbox.forget', id },
    noticeOnce(portal, `late:${messageId}:${device}`, timestamp, { code: 'late', text }),
    { change: 'inbox.add', row: { account, portal: portal.id, messageId, device, timestamp, body } },
  ];
}

/** The user is told that it cannot be had: nothing waits for it, and the administrator sees it. Should it come all the same, it comes late. */
export function givenUp(row: MissingRow, code: string): Change {
  return { change: 'inbox.park-missing', row, code };
}

/** What to commit for it, `told` included. While the contact asks to be let in, the user is told when that has been decided. */
export function neverCame(portal: Portal, row: MissingRow, code: string, told: Change): Change[] {
  switch (portal.acceptance.at) {
    case 'accepted':
      return [givenUp(row, code), told];
    case 'requested':
      return [{ change: 'request.dropped', portal: portal.id }];
    case 'declined':
      return [];
  }
}

/** Since when this process has held a chat for a message, by `Clock.elapsed`. */
export type Holds = Map<InboxId, number>;

/**
 * Holds the chat for this message, but no longer than `delivery.missing_key_wait_s` since it was asked for. A clock that was set back in
 * between does not hold it for longer.
 */
export async function hold(
  { store, clock, settings }: BridgeContext,
  row: InboxRow,
  asked: number,
  holds: Holds,
): Promise<Step> {
  const since = holds.get(row.id) ?? clock.elapsed();
  holds.set(row.id, since);
  const left = settings.missingKeyWaitMs - Math.max(clock.now() - asked, clock.elapsed() - since);
  if (left > 0) return { waitMs: left };
  await store.commit([{ change: 'inbox.state', id: row.id, state: { at: 'overdue' } }]);
  holds.delete(row.id);
  return 'again';
}
