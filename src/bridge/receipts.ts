// Receipts from the contact, and retry receipts: which message is settled, which must be encrypted again.
import type { Change } from '../model/change.ts';
import type { Contact } from '../model/contact.ts';
import { errorCode } from '../model/errors.ts';
import type { MessageId, OutboxId, PortalId } from '../model/ids.ts';
import type { IncomingReceipt, RetryReceipt } from '../model/interop.ts';
import type { UserJid } from '../model/jid.ts';
import type { Portal } from '../model/portal.ts';
import type { PeerDevice, PreKeyBundle, SignalWork } from '../model/signal.ts';
import type { DeviceList } from '../model/trust.ts';
import { passed } from '../observability/fail-points.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { identityNotice } from './device-notices.ts';
import { isUnusable, peerOf, putDevices, type Reached, startSession, withDevices } from './device-sessions.ts';
import { primaryDevice } from './devices.ts';
import { answerWaitMs } from './inbox-steps.ts';
import {
  type Answer,
  afterReceipt,
  afterReceiptWait,
  afterTooManyRetries,
  answerTo,
  clientRetries,
  isUnreadable,
  toldOfReceipt,
} from './outbox-steps.ts';
import { blockerOf } from './policy/blocks.ts';

/** Rows that are looked at together. */
const unreadablePage = 100;

interface Chat {
  readonly contact: Contact;
  readonly portal: Portal;
}

/** Undefined where there is no chat, or the contact is blocked: then nothing that they do has an effect. */
export async function chatWith(
  context: BridgeContext,
  account: ActiveAccount,
  from: UserJid,
  alternative?: UserJid,
): Promise<Chat | undefined> {
  const chat = await chatRows(context, account, from, alternative);
  return chat && (await blockerOf(context, account.id, chat.contact)) === undefined ? chat : undefined;
}

async function chatRows(
  context: BridgeContext,
  account: ActiveAccount,
  from: UserJid,
  alternative?: UserJid,
): Promise<Chat | undefined> {
  const addresses = alternative === undefined ? [from] : [from, alternative];
  const [contact] = await context.store.contacts.byAddress(account.network, addresses);
  if (contact === undefined) return undefined;
  const portal = await context.store.portals.find(account.id, contact.id);
  return portal === undefined ? undefined : { contact, portal };
}

/**
 * A device has the message: once every addressed device has, the payload is erased. Returns the portal where a mark is to be set because
 * of it: the person has received a message, or read one.
 */
export async function settle(
  context: BridgeContext,
  account: ActiveAccount,
  receipt: IncomingReceipt,
): Promise<Portal | undefined> {
  if (receipt.type === 'other') return undefined;
  // What was sent before somebody was blocked comes to its end.
  const chat = await chatRows(context, account, receipt.from);
  if (chat === undefined) return undefined;
  const { portal } = chat;
  // A receipt that names no device speaks for the person's primary one.
  const device = receipt.device ?? primaryDevice;
  return withDevices(context, chat, async () => {
    const changes: Change[] = [];
    const marks: Change[] = receipt.type === 'delivered' ? [] : await readMark(context, portal, receipt.ids);
    const { deliveryMarks } = await context.store.accounts.preferences(account.id);
    for (const id of new Set(receipt.ids)) {
      const row = await context.store.outbox.byMessageId(account.id, portal.id, id);
      const change = row && afterReceipt(row, device);
      if (row === undefined || change === undefined) continue;
      changes.push(change, ...toldOfReceipt(portal, row, context.clock.now()));
      if (deliveryMarks && !row.confirmed) {
        marks.push({ change: 'delivery-mark.add', mark: { portal: portal.id, event: row.event } });
      }
    }
    if (changes.length + marks.length > 0) await context.store.commit([...changes, ...marks]);
    passed('MR1-receipt-committed');
    return marks.length > 0 ? portal : undefined;
  });
}

/** Whoever has read a message has read what stands before it. Nothing where that is known. */
async function readMark({ store }: BridgeContext, { id }: Portal, ids: readonly MessageId[]): Promise<Change[]> {
  let upTo = 0;
  for (const messageId of new Set(ids)) {
    upTo = Math.max(upTo, (await store.references.byMessage(id, messageId, true))?.position ?? 0);
  }
  const known = (await store.reading.of(id))?.contactRead ?? 0;
  return upTo > known ? [{ change: 'reading.contact', portal: id, upTo }] : [];
}

/**
 * A device could not decrypt a message. It is encrypted again under the same id, to the identity already trusted for that device and
 * to no other: a receipt that brings another identity of the primary is shown and holds the chat, one that brings keys of a companion
 * without proof is not answered. Returns the portal to wake, if any.
 */
export async function answerRetry(
  context: BridgeContext,
  account: ActiveAccount,
  retry: RetryReceipt,
): Promise<Portal | undefined> {
  const chat = await chatWith(context, account, retry.from);
  if (chat === undefined) return undefined;
  const { portal } = chat;
  return withDevices(context, chat, async (unit, list): Promise<Portal | undefined> => {
    const row = await context.store.outbox.byMessageId(account.id, portal.id, retry.id);
    const bounds = { now: context.clock.now(), mostRetries: context.settings.retries };
    const answer = answerTo(chat, row, retry.device, list, bounds);
    if (answer.next !== 'encrypt-again') {
      context.counters.retry('refused');
      return refuseRetry(context, chat, retry, answer);
    }
    const session = await renewSession(context, chat, unit, list, retry);
    const again = session.answer ? [answer.change] : [];
    await context.store.commit([...unit.changes(), ...session.changes, ...again]);
    passed('MR3-retry-committed');
    context.counters.retry(session.answer ? 'answered' : 'refused');
    return portal;
  });
}

async function refuseRetry(
  context: BridgeContext,
  { portal }: Chat,
  { count }: RetryReceipt,
  answer: Exclude<Answer, { readonly next: 'encrypt-again' }>,
): Promise<Portal | undefined> {
  switch (answer.next) {
    case 'ignore':
      context.logger.info({ portal: portal.id, count }, 'a retry receipt for a message that is not kept was ignored');
      return undefined;
    case 'leave-out':
      await context.store.commit([answer.change]);
      return portal;
    case 'give-up':
      context.counters.delivered('to-whatsapp', 'failed');
      await context.store.commit(answer.changes);
      return portal;
  }
}

/** The session with the device that asks: a new one from the keys that it offers, or none, so that the next sending starts one. */
async function renewSession(
  context: BridgeContext,
  chat: Chat,
  unit: SignalWork,
  list: DeviceList,
  { device, bundle }: RetryReceipt,
): Promise<{ readonly answer: boolean; readonly changes: readonly Change[] }> {
  const peer = peerOf(chat, device);
  const start = bundle && (await startedFrom(context, chat, unit, list, peer, bundle));
  if (start === undefined) {
    await unit.forget(peer);
    return { answer: true, changes: [] };
  }
  if (start.outcome === 'identity-changed') {
    return { answer: true, changes: identityNotice(chat.portal, chat.contact, unit, context.clock.now()) };
  }
  const known = start.list === list ? [] : [putDevices(chat, start.list)];
  return { answer: start.outcome === 'started', changes: [...known, ...start.notices] };
}

/** Undefined where the keys do not fit together: then those count that the network has of this device. */
async function startedFrom(
  context: BridgeContext,
  chat: Chat,
  unit: SignalWork,
  list: DeviceList,
  peer: PeerDevice,
  bundle: PreKeyBundle,
): Promise<Reached | undefined> {
  try {
    return await startSession(context, chat, unit, list, peer, bundle);
  } catch (error) {
    if (!isUnusable(error)) throw error;
    context.logger.warn({ portal: chat.portal.id, code: errorCode(error) }, 'the keys of a retry receipt are unusable');
    return undefined;
  }
}

/**
 * Clients do not ask for a message for ever. One that was sent again as often as they ask, and that no device confirms although we have
 * listened for long enough, is told and parked. Returns the portals in which something was said.
 */
export async function giveUpUnreadable(context: BridgeContext): Promise<readonly PortalId[]> {
  const { store, clock, listening } = context;
  const before = clock.now() - answerWaitMs;
  const next = (after?: OutboxId) => store.outbox.unreadable(clientRetries, before, unreadablePage, after);
  const told: PortalId[] = [];
  for (let rows = await next(); rows.length > 0; rows = await next(rows.at(-1)?.id)) {
    for (const row of rows) {
      const portal = await store.portals.get(row.portal);
      const contact = portal && (await store.contacts.get(portal.contact));
      if (portal === undefined || contact === undefined) continue;
      const isToldNow = await withDevices(context, { portal }, async () => {
        // Its devices may have said something since it was found.
        const now = await store.outbox.progress(row.id);
        if (now === undefined || !isUnreadable(now) || !listening.isInVain(portal.account, row.id)) return false;
        context.counters.delivered('to-whatsapp', 'failed');
        await store.commit(afterTooManyRetries({ portal, contact }, row, clock.now()));
        return true;
      });
      if (isToldNow) told.push(portal.id);
    }
  }
  return told;
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
  const peer = peerOf(chat, primaryDevice);
  await withDevices(context, chat, async (unit) => {
    if ((await unit.observeIdentity(peer, key)) === 'same') return;
    await context.store.commit([
      ...unit.changes(),
      ...identityNotice(chat.portal, chat.contact, unit, context.clock.now()),
    ]);
  });
}

/** Messages whose receipts have not all come in time: the payload is erased; the sender is told if no device has confirmed. Returns how many. */
export async function expireUnconfirmed(context: BridgeContext): Promise<number> {
  const { store, clock, settings } = context;
  const now = clock.now();
  const rows = await store.outbox.expired(now - settings.receiptWaitMs, 100);
  for (const row of rows) {
    const portal = await store.portals.get(row.portal);
    if (portal === undefined) continue;
    await withDevices(context, { portal }, async () => {
      // Its devices may have said something since it was found.
      const progress = await store.outbox.progress(row.id);
      if (progress !== undefined) await store.commit(afterReceiptWait(portal, { ...row, ...progress }, now));
    });
  }
  return rows.length;
}
