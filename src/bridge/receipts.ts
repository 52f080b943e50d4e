// Receipts from the contact, and retry receipts: which message is settled, which must be encrypted again.
import type { Contact } from '../model/contact.ts';
import type { IncomingReceipt, RetryReceipt } from '../model/interop.ts';
import type { UserJid } from '../model/jid.ts';
import type { OutboxRow } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { PeerDevice } from '../model/signal.ts';
import type { Change } from '../model/store.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { contactName } from './labels.ts';
import { noticeOnce, notSent } from './notices.ts';
import { identityNotice } from './receive.ts';

interface Chat {
  readonly contact: Contact;
  readonly portal: Portal;
}

async function chatWith(context: BridgeContext, account: ActiveAccount, from: UserJid): Promise<Chat | undefined> {
  const [contact] = await context.store.contacts.byAddress(account.network, [from]);
  if (contact === undefined) return undefined;
  const portal = await context.store.portals.find(account.id, contact.id);
  return portal === undefined ? undefined : { contact, portal };
}

/** A device has the message: once every addressed device has, the payload is erased. */
export async function settle(context: BridgeContext, account: ActiveAccount, receipt: IncomingReceipt): Promise<void> {
  if (receipt.type === 'other') return;
  const chat = await chatWith(context, account, receipt.from);
  if (chat === undefined) return;
  const changes: Change[] = [];
  for (const id of receipt.ids) {
    const row = await context.store.outbox.byMessageId(account.id, chat.portal.id, id);
    if (row === undefined || !mayBeSettled(row)) continue;
    // A receipt that names no device speaks for the person's primary one.
    const waitingFor = row.waitingFor.filter((device) => device !== (receipt.device ?? 0));
    changes.push(
      waitingFor.length > 0
        ? { change: 'outbox.state', id: row.id, state: row.state, waitingFor }
        : { change: 'outbox.state', id: row.id, state: { at: 'done' }, waitingFor, erasePayload: true },
    );
  }
  if (changes.length > 0) await context.store.commit(changes);
}

/** Sent and acknowledged, or about to be encrypted again for a device that has found the first copy after all. */
function mayBeSettled(row: OutboxRow): boolean {
  return row.state.at === 'acknowledged' || (row.state.at === 'ready' && row.retries > 0);
}

/**
 * A device could not decrypt a message. It is encrypted again under the same id, to the identity already trusted for that device and
 * to no other; a receipt that brings another identity is shown and holds the chat. Returns the portal to wake, if any.
 */
export async function answerRetry(
  context: BridgeContext,
  account: ActiveAccount,
  retry: RetryReceipt,
): Promise<Portal | undefined> {
  const chat = await chatWith(context, account, retry.from);
  if (chat === undefined) return undefined;
  const { portal, contact } = chat;
  const row = await context.store.outbox.byMessageId(account.id, portal.id, retry.id);
  // Only a device that the message was addressed to may ask, and only while the payload is kept.
  const addressed = row?.payload !== undefined && row.state.at !== 'failed' && row.waitingFor.includes(retry.device);
  if (row === undefined || !addressed) {
    context.counters.retry('refused');
    context.logger.info(
      { portal: portal.id, count: retry.count },
      'a retry receipt for a message that is not kept was ignored',
    );
    return undefined;
  }
  if (row.retries >= context.settings.retries) {
    await giveUp(context, chat, row);
    return portal;
  }
  const peer: PeerDevice = { account: account.id, contact: contact.id, device: retry.device };
  await context.signal.exclusively([peer], async (unit) => {
    const changes: Change[] = [];
    if (retry.bundle !== undefined) {
      const start = await unit.start(peer, retry.bundle);
      if (start.outcome === 'identity-changed')
        changes.push(...identityNotice(portal, contact, unit, context.clock.now()));
    } else {
      await unit.forget(peer);
    }
    await context.store.commit([
      ...unit.changes(),
      ...changes,
      {
        change: 'outbox.state',
        id: row.id,
        state: { at: 'ready' },
        waitingFor: [retry.device],
        retries: row.retries + 1,
      },
    ]);
  });
  context.counters.retry('answered');
  return portal;
}

async function giveUp(context: BridgeContext, chat: Chat, row: OutboxRow): Promise<void> {
  const text = `${contactName(chat.contact)} has this message, but their device could not decrypt it, several times over. Send it again.`;
  context.counters.retry('refused');
  await context.store.commit([
    { change: 'outbox.state', id: row.id, state: { at: 'failed', code: 'retries-exhausted' }, erasePayload: true },
    notSent(chat.portal, row.event, context.clock.now(), 'not-decrypted', text),
  ]);
}

/** The network says that a contact's identity has changed: look at the key itself, and hold the chat if it is another one. */
export async function checkIdentity(
  context: BridgeContext,
  account: ActiveAccount,
  from: UserJid,
  fetchIdentity: () => Promise<Uint8Array | undefined>,
): Promise<void> {
  const chat = await chatWith(context, account, from);
  if (chat === undefined) return;
  const key = await fetchIdentity();
  if (key === undefined) return;
  const peer: PeerDevice = { account: account.id, contact: chat.contact.id, device: 0 };
  await context.signal.exclusively([peer], async (unit) => {
    if ((await unit.observeIdentity(peer, key)) === 'same') return;
    await context.store.commit([
      ...unit.changes(),
      ...identityNotice(chat.portal, chat.contact, unit, context.clock.now()),
    ]);
  });
}

/** Messages whose receipts have not come in time: the sender is told, the payload is erased. Returns how many. */
export async function expireUnconfirmed(context: BridgeContext): Promise<number> {
  const now = context.clock.now();
  const rows = await context.store.outbox.expired(now - context.settings.receiptWaitMs, 100);
  for (const row of rows) {
    const portal = await context.store.portals.get(row.portal);
    const told = portal === undefined ? [] : [unconfirmed(portal, row, now)];
    await context.store.commit([
      { change: 'outbox.state', id: row.id, state: { at: 'done' }, erasePayload: true },
      ...told,
    ]);
  }
  return rows.length;
}

function unconfirmed(portal: Portal, row: OutboxRow, now: number): Change {
  return noticeOnce(portal, `unconfirmed:${row.event}`, now, {
    code: 'unconfirmed',
    text: 'WhatsApp accepted this message, but the other person has not received it so far, and it is not kept here any longer.',
    about: row.event,
  });
}
