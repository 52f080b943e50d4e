// Messages of a Matrix user that will not be delivered: set aside, and their sender is told under the message.
import type { OutboxRow } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { BridgeContext } from './context.ts';
import { notSent } from './notices.ts';

/** `text`: why, for people. */
export async function parkRow(
  context: BridgeContext,
  portal: Portal,
  row: OutboxRow,
  code: string,
  text: string,
): Promise<void> {
  context.logger.warn({ portal: portal.id, code }, 'a message could not be delivered to the network');
  context.counters.delivered('to-whatsapp', 'failed');
  await context.store.commit([
    { change: 'outbox.state', id: row.id, state: { at: 'parked', code } },
    notSent(portal, row.event, context.clock.now(), 'not-delivered', `Not delivered. ${text}`),
  ]);
}
