// WhatsApp to Matrix, the end: the contact is told that a message has arrived, and after that, where the user wants it, that it has been read.
import { errorCode } from '../model/errors.ts';
import type { InboxId, PortalId } from '../model/ids.ts';
import type { InteropClient } from '../model/interop.ts';
import { passed } from '../observability/fail-points.ts';
import { preferredAddress } from './contacts.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { afterConfirmation, isAt, type RowAt } from './inbox-steps.ts';
import { blockerOf } from './policy/blocks.ts';
import { confirmReading } from './reading.ts';
import { concernsAll, type Progress, tryEach } from './try-each.ts';

/** Receipts that are sent at once. */
const page = 50;
/** How many times as many are looked at in one step, to find those behind chats in which it fails. */
const mostPages = 20;

/** Tells the contacts of this account all that they may know by now. */
export async function tellContacts(
  context: BridgeContext,
  account: ActiveAccount,
  client: InteropClient,
): Promise<Progress> {
  try {
    return await tryEach([sendReceipts, confirmReading], (tell) => tell(context, account, client));
  } catch (error) {
    // The next connection wakes this again.
    if (errorCode(error) === 'interop.offline') return 'idle';
    throw error;
  }
}

/**
 * Sends the delivery receipts that are due, the oldest ones, at once: only what Matrix has accepted is reported as delivered. Where some could
 * not be sent, those of other chats behind them are, before the first failure is thrown.
 */
async function sendReceipts(context: BridgeContext, account: ActiveAccount, client: InteropClient): Promise<Progress> {
  const failures = new Map<PortalId, unknown>();
  let after: InboxId | undefined;
  for (let pages = 0; pages < mostPages; pages += 1) {
    const found = await context.store.inbox.receiptsDue(account.id, page, after);
    const due = found.filter((row) => isAt(row, 'accepted')).filter(({ portal }) => !failures.has(portal));
    for (const [portal, failure] of await sendTogether(context, account, client, due)) failures.set(portal, failure);
    if (failures.size === 0) return due.length > 0 ? 'again' : 'idle';
    after = found.at(-1)?.id;
    if (after === undefined) break;
  }
  throw [...failures.values()][0];
}

/** Returns what failed, by chat. */
async function sendTogether(
  context: BridgeContext,
  account: ActiveAccount,
  client: InteropClient,
  due: readonly RowAt<'accepted'>[],
): Promise<ReadonlyMap<PortalId, unknown>> {
  const sent: RowAt<'accepted'>[] = [];
  const failures = new Map<PortalId, unknown>();
  await Promise.all(
    due.map((row) =>
      sendReceipt(context, account, client, row).then(
        () => sent.push(row),
        (error: unknown) => failures.set(row.portal, error),
      ),
    ),
  );
  if (sent.length > 0) {
    await context.store.commit(sent.map(afterConfirmation));
    passed('W17-receipt-recorded');
  }
  for (const failure of failures.values()) if (concernsAll(failure)) throw failure;
  return failures;
}

async function sendReceipt(
  context: BridgeContext,
  account: ActiveAccount,
  client: InteropClient,
  row: RowAt<'accepted'>,
): Promise<void> {
  const portal = await context.store.portals.get(row.portal);
  const contact = portal && (await context.store.contacts.get(portal.contact));
  const address = contact && preferredAddress(contact);
  const blocked = contact && (await blockerOf(context, account.id, contact)) !== undefined;
  if (address !== undefined && !blocked) await client.sendDeliveryReceipt(row.messageId, address, row.device);
  passed('W16-receipt-sent');
}
