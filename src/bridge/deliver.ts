// WhatsApp to Matrix, second half: the oldest inbox row of a portal goes into its room. One row at a time, in order.
import type { Change } from '../model/change.ts';
import type { Contact, Ghost } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { EventId, PortalId, RoomId } from '../model/ids.ts';
import type { InboxBody, InboxRow, InboxState, Notice, SealedEvent } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { passed } from '../observability/fail-points.ts';
import type { ToMatrixEvent } from '../translate/media/types.ts';
import { type Holds, hold } from './awaited.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { carryOut } from './deliver-references.ts';
import { heldIncoming, heldNoLonger } from './held-messages.ts';
import { contactName } from './labels.ts';
import { noticeId, noticeOnce } from './notices.ts';
import { whatToShow } from './policy/admission.ts';
import { closeDeclined, requestTold } from './policy/requests.ts';
import { labelMessageId, leaveIfThere, openRoom, readyGhost, writeLabel } from './portal-rooms.ts';
import { withProofs } from './reports/proof.ts';
import { sendId } from './send-ids.ts';
import { shown } from './shown.ts';
import { sendAgain } from './unknown-outcomes.ts';
import { holdForDevice, holdForIdentity } from './user-trust.ts';
import type { Step } from './workers.ts';

interface Chat {
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly contact: Contact;
  readonly ghost: Ghost;
  readonly room: RoomId;
}

/** Delivers one row of this portal. */
export async function deliverNext(
  context: BridgeContext,
  portalId: PortalId,
  wakeFiles: (portal: PortalId) => void,
  holds: Holds,
): Promise<Step> {
  const portal = await context.store.portals.get(portalId);
  if (portal?.acceptance.at === 'declined') return closeDeclined(context, portal);
  const row = await context.store.inbox.next(portalId);
  if (portal === undefined || row === undefined) return 'idle';
  const next = await whatToShow(context, portal, row);
  if (next === 'skip') await setState(context, row, { at: 'done', event: undefined });
  if (typeof next === 'object') return { waitMs: next.waitMs };
  if (next !== 'show') return next === 'skip' ? 'again' : 'idle';
  if (row.state.at === 'awaited') return hold(context, row, row.state.since, holds);
  holds.delete(row.id);
  const chat = await openChat(context, portal);
  if (chat === undefined) return 'idle';
  if (await context.store.visitors.hold(portalId)) return heldIncoming(context, chat);
  const label = await pendingLabel(context, chat);
  const outcome = await deliverRow(context, chat, label ?? row);
  if (outcome === 'file') wakeFiles(portalId);
  // Woken when the file is there, or when what holds it has changed.
  if (outcome === 'file') return 'idle';
  if (outcome === 'held') return heldIncoming(context, chat);
  if (outcome === 'delivered') await heldNoLonger(context, portal, 'inbox');
  if (label !== undefined) {
    const state = { at: 'open', room: chat.room, labelled: true } as const;
    const asks = (await context.store.portals.get(portalId))?.acceptance.at === 'requested';
    const told = asks ? [requestTold(chat.account)] : [];
    await context.store.commit([{ change: 'portal.state', portal: portalId, state }, ...told]);
    if (asks) await context.limits.count('requests', { account: chat.account, contact: portal.contact });
  }
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

/** `held`: until something changes; `file`: until its file has been carried over; `skipped`: there was nothing to deliver. */
type Outcome = 'delivered' | 'skipped' | 'held' | 'file';

async function deliverRow(context: BridgeContext, chat: Chat, row: InboxRow): Promise<Outcome> {
  switch (row.state.at) {
    case 'received':
      return deliverReceived(context, chat, row, row.state.body);
    case 'encrypted':
      await send(context, chat, row, row.state.events, row.state.body, sendAgain);
      return 'delivered';
    case 'awaited':
    case 'overdue':
    case 'parked':
    case 'accepted':
    case 'done':
      return 'delivered';
  }
}

async function deliverReceived(context: BridgeContext, chat: Chat, row: InboxRow, body: InboxBody): Promise<Outcome> {
  const what = await shown(context, chat, row, body);
  switch (what.kind) {
    case 'nothing':
      await setState(context, row, { at: 'done', event: undefined });
      return 'skipped';
    case 'file':
      return 'file';
    case 'notice':
      return deliverAsNotice(context, chat, row, what.notice);
    case 'parked':
      return park(context, chat, row, body, what.notice);
    case 'reference':
      if (await identityHolds(context, chat)) return 'held';
      await attempt(context, chat, row, body, async () => {
        await context.store.commit(await carryOut(context, chat, row, what.reference, what.target));
        context.counters.delivered('to-matrix', 'delivered');
      });
      return 'delivered';
    case 'events': {
      const shownEvents = withProofs(context.store.tagKey, chat, row, body, what.events);
      const events = await encryptAll(context, chat, row, shownEvents);
      if (events === undefined) return 'held';
      await setState(context, row, { at: 'encrypted', events, body });
      passed('W13-event-stored');
      await send(context, chat, row, events, body, sendFirst);
      return 'delivered';
    }
  }
}

/** What is not carried is delivered as a notice about it. */
async function deliverAsNotice(context: BridgeContext, chat: Chat, row: InboxRow, notice: Notice): Promise<Outcome> {
  const told = await tell(context, chat, row, notice);
  if (told === 'held') return 'held';
  const { event } = told;
  await setState(context, row, event === undefined ? { at: 'done', event } : { at: 'accepted', event });
  return 'delivered';
}

/** What could not be shown is set aside: the user is told, the contact gets no receipt, the chat goes on. */
async function park(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  body: InboxBody,
  notice: Notice,
): Promise<Outcome> {
  const told = await tell(context, chat, row, notice);
  if (told === 'held') return 'held';
  const { code } = notice;
  context.logger.warn({ portal: chat.portal.id, code }, 'a message could not be shown; it is parked');
  context.counters.delivered('to-matrix', 'failed');
  await setState(context, row, { at: 'parked', code, notice: told.event, body });
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

/** While the user's own identity has changed, nothing is delivered. */
async function identityHolds(context: BridgeContext, { account }: Chat): Promise<boolean> {
  const trust = await context.store.trust.ofUser(account.user);
  if (trust?.state !== 'changed') return false;
  await holdForIdentity(context, account, trust.seen);
  return true;
}

type Events = readonly [SealedEvent, ...SealedEvent[]];

async function encryptAll(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  [first, ...others]: readonly [ToMatrixEvent, ...ToMatrixEvent[]],
): Promise<Events | undefined> {
  if (await identityHolds(context, chat)) return undefined;
  const sealed = await encrypt(context, chat, row, 0, first);
  if (sealed === undefined) return undefined;
  const events: [SealedEvent, ...SealedEvent[]] = [sealed];
  for (const [index, event] of others.entries()) {
    const further = await encrypt(context, chat, row, index + 1, event);
    if (further === undefined) return undefined;
    events.push(further);
  }
  return events;
}

async function encrypt(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  part: number,
  { type, content }: ToMatrixEvent,
): Promise<SealedEvent | undefined> {
  const { crypto, settings, store } = context;
  const { user } = chat.account;
  const pinned = (await store.trust.ofUser(user))?.masterKey;
  const result = await crypto.encrypt(chat.ghost.actor, chat.room, user, pinned, settings.devicePolicy, type, content);
  switch (result.outcome) {
    case 'encrypted': {
      passed('W12-event-encrypted');
      const message = part === 0 ? `${row.messageId}:${row.device}` : `${row.messageId}:${row.device}:part-${part}`;
      const id = sendId(settings.instanceId, chat.ghost.actor.id, chat.room, message);
      return { sendId: id, type: result.type, content: result.content };
    }
    case 'no-eligible-device':
      await holdForDevice(context, chat.account);
      return undefined;
    case 'identity-changed':
      await holdForIdentity(context, chat.account, result.seen);
      return undefined;
  }
}

const sendFirst: typeof sendAgain = ({ homeserver }, actor, room, { type, sendId: id, content }, writtenAt) =>
  homeserver.send(actor, room, type, id, content, writtenAt);

/** What comes within this time comes at once, and needs no time of its own. */
const promptMs = 60_000;

/** When a message that comes late was written, by our clock: the network's may be another. Never in the future. */
function writtenAt({ clock, network }: BridgeContext, { account }: Chat, row: InboxRow): number | undefined {
  const ageMs = network.now(account.network) - row.timestamp;
  return row.isNotice || ageMs < promptMs ? undefined : Math.max(0, Math.round(clock.now() - ageMs));
}

async function send(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  events: Events,
  body: InboxBody,
  sendOne: typeof sendAgain,
): Promise<void> {
  await attempt(context, chat, row, body, async () => {
    const ids: EventId[] = [];
    const at = writtenAt(context, chat, row);
    for (const event of events) ids.push(await sendOne(context, chat.ghost.actor, chat.room, event, at));
    passed('W14-event-accepted');
    await context.store.commit(accepted(chat, row, ids));
    passed('W15-event-recorded');
    context.logger.debug({ portal: chat.portal.id, messageId: row.messageId, event: ids[0] }, 'Matrix has a message');
    context.counters.delivered('to-matrix', row.isNotice ? 'notice' : 'delivered');
  });
}

async function attempt(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  body: InboxBody,
  work: () => Promise<void>,
): Promise<void> {
  // Opt-out takes effect before the next packet: ask again right before sending.
  if (!isActive(await context.store.accounts.get(chat.account.id)))
    throw new BridgeError('store.gone', 'the account has been erased');
  try {
    await work();
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    await sendRefused(context, chat, row, body, error);
  }
}

/** The homeserver will not take this event, ever: a room that the ghost is not in any more is replaced, anything else is set aside. */
async function sendRefused(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  body: InboxBody,
  error: BridgeError,
): Promise<void> {
  // Somebody has to act first; the row keeps its place.
  if (error.retry === 'after-action') throw error;
  context.logger.error({ portal: chat.portal.id, code: error.code, err: error }, 'the homeserver refused an event');
  context.counters.delivered('to-matrix', 'refused');
  if (error.code === 'matrix.forbidden' || error.code === 'matrix.not-found') {
    await leaveIfThere(context, chat.ghost.actor, chat.room);
    await context.crypto.forgetRoom(chat.ghost.actor, chat.room);
    await context.store.commit([
      { change: 'portal.state', portal: chat.portal.id, state: { at: 'wanted' } },
      { change: 'inbox.state', id: row.id, state: { at: 'received', body } },
    ]);
    throw new BridgeError('bridge.room-lost', 'the ghost may not write into its room; a new one is made', {
      retry: 'later',
      cause: error,
    });
  }
  // A refused notice is in the log; a notice about it would be refused as well.
  if (row.isNotice) return setState(context, row, { at: 'done', event: undefined });
  const text = `A message from ${contactName(chat.contact, chat.portal)} could not be shown: this server does not take it (${error.code}). Trying again does not help; it can be seen on WhatsApp only.`;
  await park(context, chat, row, body, { code: 'not-shown', text });
}

function accepted({ portal, room }: Chat, row: InboxRow, [event, ...parts]: readonly EventId[]): Change[] {
  if (row.isNotice || event === undefined) {
    return [{ change: 'inbox.state', id: row.id, state: { at: 'done', event } }];
  }
  const { messageId, timestamp: sentAt } = row;
  return [
    { change: 'inbox.state', id: row.id, state: { at: 'accepted', event } },
    { change: 'reference.put', reference: { portal: portal.id, messageId, fromUser: false, event, room, sentAt } },
    ...parts.map((part): Change => ({ change: 'part.put', part: { portal: portal.id, messageId, event: part } })),
  ];
}

async function setState(context: BridgeContext, row: InboxRow, state: InboxState): Promise<void> {
  await context.store.commit([{ change: 'inbox.state', id: row.id, state }]);
}
