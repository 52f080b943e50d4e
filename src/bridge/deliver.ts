// WhatsApp to Matrix, second half: the oldest inbox row of a portal goes into its room. One row at a time, in order.
import { BridgeError } from '../model/errors.ts';
import type { EventId, PortalId } from '../model/ids.ts';
import type { InboxRow, Notice } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { passed } from '../observability/fail-points.ts';
import { type Holds, timeLeft } from './awaited.ts';
import { type BridgeContext, isActive } from './context.ts';
import { belongsHere, type Chat, encryptAll, identityHolds, sendAll, sendFirst } from './deliver-events.ts';
import { carryOut } from './deliver-references.ts';
import { heldIncoming, heldNoLonger } from './held-messages.ts';
import {
  afterEncryption,
  afterMove,
  afterParking,
  afterRefusal,
  afterStandIn,
  isAt,
  mayHaveLostRoom,
  nothingShown,
  type RowAt,
  turnOf,
  type Unanswered,
} from './inbox-steps.ts';
import { noticeId, noticeOnce } from './notices.ts';
import { whatToShow } from './policy/admission.ts';
import { closeDeclined, requestTold } from './policy/requests.ts';
import { abandonRoom, isInRoom, labelMessageId, openRoom, readyGhost, writeLabel } from './portal-rooms.ts';
import { withProofs } from './reports/proof.ts';
import { shown } from './shown.ts';
import { sendAgain } from './unknown-outcomes.ts';
import type { UserMembership } from './user-membership.ts';
import type { Step } from './workers.ts';

export interface DeliveryOptions {
  /** Called when a file has to be carried over first. */
  readonly wakeFiles: (portal: PortalId) => void;
  readonly holds: Holds;
  readonly membership: UserMembership;
}

/** Delivers one row of this portal. */
export async function deliverNext(
  context: BridgeContext,
  portalId: PortalId,
  { wakeFiles, holds, membership }: DeliveryOptions,
): Promise<Step> {
  const portal = await context.store.portals.get(portalId);
  if (portal?.acceptance.at === 'declined') return closeDeclined(context, portal);
  const row = await context.store.inbox.next(portalId);
  if (portal === undefined || row === undefined) return 'idle';
  const turn = turnOf(row, await whatToShow(context, portal, row), timeLeft(context, row, holds));
  if (turn !== 'show') {
    if (turn.changes.length > 0) await context.store.commit(turn.changes);
    if (turn.step === 'again') holds.delete(row.id);
    return turn.step;
  }
  holds.delete(row.id);
  const chat = await openChat(context, portal);
  if (chat === undefined) return 'idle';
  const seen = await membership.ask(chat);
  if (seen !== 'there') {
    // It is encrypted anew for whoever is there then, in the next room or in this one. What refers to it in this one, and stands before the user's leaving, waits for nothing any more.
    if (isAt(row, 'encrypted')) await context.store.commit([afterMove(row).change]);
    return seen;
  }
  if (await context.store.visitors.hold(portalId)) return heldIncoming(context, chat);
  const label = await pendingLabel(context, chat);
  switch (await deliverRow(context, chat, label ?? row)) {
    case 'file':
      // Woken when the file is there, or when what holds it has changed.
      wakeFiles(portalId);
      return 'idle';
    case 'held':
      return heldIncoming(context, chat);
    case 'delivered':
      await heldNoLonger(context, portal, 'inbox');
      break;
    case 'skipped':
      break;
  }
  if (label !== undefined) await roomIsLabelled(context, chat);
  return 'again';
}

async function openChat(context: BridgeContext, portal: Portal): Promise<Chat | undefined> {
  const account = await context.store.accounts.get(portal.account);
  const contact = await context.store.contacts.get(portal.contact);
  if (!isActive(account) || contact === undefined) return undefined;
  const ghost = await readyGhost(context, contact);
  if (ghost === undefined) return undefined;
  const room = await openRoom(context, account, portal, ghost);
  return { account, portal, contact, ghost, room };
}

/** The row of the first notice while that is not in the room yet: it goes before everything else. */
async function pendingLabel(context: BridgeContext, chat: Chat): Promise<InboxRow | undefined> {
  const { state } = chat.portal;
  if (state.at === 'open' && state.labelled) return undefined;
  await writeLabel(context, chat.portal, chat.contact, chat.room);
  return context.store.inbox.find(chat.portal.id, labelMessageId(chat.room), 0);
}

/** The first notice is in the room: of a request, the user is told now. */
async function roomIsLabelled(context: BridgeContext, { account, portal, room }: Chat): Promise<void> {
  const asks = (await context.store.portals.get(portal.id))?.acceptance.at === 'requested';
  const told = asks ? [requestTold(account)] : [];
  const state = { at: 'open', room, labelled: true } as const;
  await context.store.commit([{ change: 'portal.state', portal: portal.id, state }, ...told]);
  if (asks) await context.limits.count('requests', { account, contact: portal.contact });
}

/** `held`: until something changes; `file`: until its file has been carried over; `skipped`: there was nothing to deliver. */
type Outcome = 'delivered' | 'skipped' | 'held' | 'file';

async function deliverRow(context: BridgeContext, chat: Chat, row: InboxRow): Promise<Outcome> {
  if (isAt(row, 'received')) return deliverReceived(context, chat, row);
  // Whatever is further has been delivered before.
  if (!isAt(row, 'encrypted')) return 'delivered';
  if (!belongsHere(context, chat, row)) {
    const moved = afterMove(row);
    await context.store.commit([moved.change]);
    return deliverReceived(context, chat, moved.row);
  }
  return attempt(context, chat, row, () => sendAll(context, chat, row, sendAgain));
}

async function deliverReceived(context: BridgeContext, chat: Chat, row: RowAt<'received'>): Promise<Outcome> {
  const { body } = row.state;
  const what = await shown(context, chat, row, body);
  switch (what.kind) {
    case 'nothing':
      await context.store.commit([nothingShown(row)]);
      return 'skipped';
    case 'file':
      return 'file';
    case 'notice':
      return deliverAsNotice(context, chat, row, what.notice);
    case 'parked':
      return park(context, chat, row, what.notice);
    case 'reference':
      if (await identityHolds(context, chat)) return 'held';
      return attempt(context, chat, row, async () => {
        await context.store.commit(await carryOut(context, chat, row, what.reference, what.target));
        context.counters.delivered('to-matrix', 'delivered');
      });
    case 'events': {
      const proven = withProofs(context.store.tagKey, chat, row, body, what.events);
      const events = await encryptAll(context, chat, row, proven);
      if (events === undefined) return 'held';
      const encrypted = afterEncryption(row, events);
      await context.store.commit([encrypted.change]);
      passed('W13-event-stored');
      return attempt(context, chat, encrypted.row, () => sendAll(context, chat, encrypted.row, sendFirst));
    }
  }
}

/** What is not carried is delivered as a notice about it. */
async function deliverAsNotice(
  context: BridgeContext,
  chat: Chat,
  row: RowAt<'received'>,
  notice: Notice,
): Promise<Outcome> {
  const told = await tell(context, chat, row, notice);
  if (told === 'held') return 'held';
  await context.store.commit([afterStandIn(row, told.event)]);
  return 'delivered';
}

/** What could not be shown is set aside: the user is told, the contact gets no receipt, the chat goes on. */
async function park(context: BridgeContext, chat: Chat, row: Unanswered, notice: Notice): Promise<Outcome> {
  const told = await tell(context, chat, row, notice);
  if (told === 'held') return 'held';
  const { code } = notice;
  const said = told.event === undefined ? ', and its user could not be told in the room' : '';
  context.logger.warn({ portal: chat.portal.id, code }, `a message could not be shown; it is parked${said}`);
  context.counters.delivered('to-matrix', 'failed');
  await context.store.commit([afterParking(row, code, told.event)]);
  return 'delivered';
}

/** Puts a notice where the message would stand. The notice is a row of its own, so that replies to it are known as such. */
async function tell(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  notice: Notice,
): Promise<'held' | { readonly event: EventId | undefined }> {
  const key = `${notice.code}:${row.messageId}:${row.device}`;
  await context.store.commit([noticeOnce(chat.portal, key, row.timestamp, notice)]);
  passed('WN1-notice-written');
  const find = () => context.store.inbox.find(chat.portal.id, noticeId(key), 0);
  const written = await find();
  if (written !== undefined && (await deliverRow(context, chat, written)) === 'held') return 'held';
  passed('WN2-notice-delivered');
  const delivered = await find();
  return { event: delivered?.state.at === 'done' ? delivered.state.event : undefined };
}

async function attempt(
  context: BridgeContext,
  chat: Chat,
  row: Unanswered,
  work: () => Promise<void>,
): Promise<Outcome> {
  // Opt-out takes effect before the next packet: ask again right before sending.
  if (!isActive(await context.store.accounts.get(chat.account.id)))
    throw new BridgeError('store.gone', 'the account has been erased');
  try {
    await work();
    return 'delivered';
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    return refused(context, chat, row, error);
  }
}

async function refused(context: BridgeContext, chat: Chat, row: Unanswered, error: BridgeError): Promise<Outcome> {
  const hasLostRoom = mayHaveLostRoom(error) && !(await isInRoom(context, chat.ghost.actor, chat.room));
  const after = afterRefusal(chat, row, error, hasLostRoom);
  if (after.next === 'keep') throw error;
  context.logger.error({ portal: chat.portal.id, code: error.code, err: error }, 'the homeserver refused an event');
  context.counters.delivered('to-matrix', 'refused');
  switch (after.next) {
    case 'new-room':
      await abandonRoom(context, chat.ghost.actor, chat.room);
      await context.store.commit(after.changes);
      throw new BridgeError('bridge.room-lost', 'the ghost may not write into its room; a new one is made', {
        retry: 'later',
        cause: error,
      });
    case 'drop':
      await context.store.commit(after.changes);
      return 'delivered';
    case 'park':
      return park(context, chat, row, after.notice);
  }
}
