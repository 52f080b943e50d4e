// What a user sends beyond a limit keeps its place and waits. They are told how long, once in each chat and window.
import type { OutboxRow } from '../../model/journal.ts';
import type { Portal } from '../../model/portal.ts';
import type { ActiveAccount, BridgeContext } from '../context.ts';
import { noticeOnce } from '../notices.ts';
import { reasonText, untilText } from './words.ts';

/** Returns how long the oldest message of this chat has to wait, and whether the user has just been told; undefined where it may go on. */
export async function holdOutgoing(
  { limits, store, clock }: BridgeContext,
  limit: 'messages' | 'media',
  { account, portal, row }: { readonly account: ActiveAccount; readonly portal: Portal; readonly row: OutboxRow },
): Promise<{ readonly waitMs: number; readonly told: boolean } | undefined> {
  const wait = await limits.hold(portal.id, limit, { account });
  if (wait === undefined) return undefined;
  if (!wait.isNew) return { waitMs: wait.waitMs, told: false };
  const what = limit === 'media' ? 'This file waits' : 'This message waits';
  const text = `${reasonText(wait)}. ${what}, and so does what you write here after it. Sending goes on by itself, in order, ${untilText(wait)}.`;
  const notice = { code: `limit-${limit}`, text, about: row.event };
  await store.commit([noticeOnce(portal, `limit-${limit}:${wait.until}`, clock.now(), notice)]);
  return { waitMs: wait.waitMs, told: true };
}
