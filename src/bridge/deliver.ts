// WhatsApp to Matrix, second half: the oldest inbox row of a portal goes into its room. One row at a time, in order.
import type { Contact, Ghost } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { EventId, PortalId, RoomId } from '../model/ids.ts';
import type { InboxBody, InboxRow, InboxState, JsonObject, Notice, SealedEvent } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { MessageReference } from '../model/reference.ts';
import type { Change } from '../model/store.ts';
import { answering } from '../translate/quotations.ts';
import { replacing } from '../translate/references.ts';
import { parseMessage, type ToMatrix, toMatrix, unsupportedText } from '../translate/to-matrix.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { carryOut, type PlainReference, shownMessage } from './deliver-references.ts';
import { contactName, noticeContent } from './labels.ts';
import { noticeId, noticeOnce } from './notices.ts';
import { labelMessageId, leaveIfThere, openRoom, readyGhost, writeLabel } from './portal-rooms.ts';
import { sendId } from './send-ids.ts';
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
export async function deliverNext(context: BridgeContext, portalId: PortalId): Promise<Step> {
  const row = await context.store.inbox.next(portalId);
  if (row === undefined) return 'idle';
  const chat = await openChat(context, portalId);
  if (chat === undefined) return 'idle';
  const label = await pendingLabel(context, chat);
  const outcome = await deliverRow(context, chat, label ?? row);
  if (outcome === 'held') return 'idle';
  if (label !== undefined) {
    const state = { at: 'open', room: chat.room, labelled: true } as const;
    await context.store.commit([{ change: 'portal.state', portal: portalId, state }]);
  }
  return 'again';
}

async function openChat(context: BridgeContext, portalId: PortalId): Promise<Chat | undefined> {
  const portal = await context.store.portals.get(portalId);
  if (portal === undefined) return undefined;
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

async function deliverRow(context: BridgeContext, chat: Chat, row: InboxRow): Promise<'delivered' | 'held'> {
  switch (row.state.at) {
    case 'received': {
      const shown = await translate(context, chat, row, row.state.body);
      if (shown.kind === 'nothing') {
        await setState(context, row, { at: 'done', event: undefined });
        return 'delivered';
      }
      if (shown.kind === 'reference') {
        if (await identityHolds(context, chat)) return 'held';
        const { reference, target } = shown;
        await attempt(context, chat, row, row.state.body, async () => {
          await context.store.commit(await carryOut(context, chat, row, reference, target));
          context.counters.delivered('to-matrix', 'delivered');
        });
        return 'delivered';
      }
      if (shown.kind === 'notice') return deliverAsNotice(context, chat, row, shown.notice);
      const event = await encrypt(context, chat, row, shown.content);
      if (event === undefined) return 'held';
      await setState(context, row, { at: 'encrypted', event, body: row.state.body });
      await send(context, chat, row, event, row.state.body);
      return 'delivered';
    }
    case 'encrypted':
      await send(context, chat, row, row.state.event, row.state.body);
      return 'delivered';
    case 'accepted':
    case 'done':
      return 'delivered';
  }
}

type Shown =
  | { readonly kind: 'content'; readonly content: JsonObject }
  /** Done to an earlier message. */
  | { readonly kind: 'reference'; readonly reference: PlainReference; readonly target: MessageReference }
  /** A message that is not carried: the bridge says so in its place. */
  | { readonly kind: 'notice'; readonly notice: Notice }
  | { readonly kind: 'nothing' };

/** The one place where a WhatsApp message becomes a Matrix message. */
async function translate(context: BridgeContext, chat: Chat, row: InboxRow, body: InboxBody): Promise<Shown> {
  if (body.kind === 'notice') return { kind: 'content', content: noticeContent(body.notice) };
  const name = contactName(chat.contact);
  const translated = readable(context, row, body.payload);
  if (translated === undefined) {
    const text = `A message from ${name} arrived damaged and cannot be shown.`;
    return { kind: 'notice', notice: { code: 'unreadable', text } };
  }
  switch (translated.kind) {
    case 'silent':
      return { kind: 'nothing' };
    case 'message':
      return { kind: 'content', content: await related(context, chat, translated) };
    case 'media':
    case 'unsupported':
      return { kind: 'notice', notice: { code: 'unsupported', text: unsupportedText(name, translated.feature) } };
    default:
      return shownReference(context, chat, translated, name);
  }
}

/** Undefined: what was decrypted is no message. */
function readable(context: BridgeContext, row: InboxRow, payload: Uint8Array): ToMatrix | undefined {
  try {
    return toMatrix(parseMessage(payload));
  } catch (error) {
    if (!(error instanceof BridgeError)) throw error;
    context.logger.warn({ portal: row.portal, code: error.code }, 'a decrypted payload could not be read');
    return undefined;
  }
}

/** Only what the contact wrote may be changed by them; where it is not known, the user is told. */
async function shownReference(
  context: BridgeContext,
  chat: Chat,
  reference: ToMatrix & { readonly kind: 'reaction' | 'edit' | 'deletion' },
  name: string,
): Promise<Shown> {
  const mayBeMeant = reference.kind === 'reaction' || !reference.target.fromUser;
  const target = mayBeMeant ? await shownMessage(context, chat, reference.target) : undefined;
  if (reference.kind === 'edit') {
    const { content, apart } = reference;
    return { kind: 'content', content: target === undefined ? apart : replacing(content, target.event) };
  }
  if (target !== undefined) return { kind: 'reference', reference, target };
  const done = reference.kind === 'deletion' ? 'deleted a message on WhatsApp' : 'reacted to a message on WhatsApp';
  const text = `${name} ${done} that is not known here (any more).`;
  return { kind: 'notice', notice: { code: 'unknown-target', text } };
}

/** A reply names the event that it answers; where there is none in this room, it quotes. */
async function related(
  context: BridgeContext,
  { portal, room }: Chat,
  { content, answers }: ToMatrix & { readonly kind: 'message' },
): Promise<JsonObject> {
  if (answers === undefined) return content;
  const target = await context.store.references.byMessage(portal.id, answers.id);
  return target?.room === room ? answering(content, target.event) : answers.quoting;
}

/** Puts a notice where the message would stand. The notice is a row of its own, so that replies to it are known as such. */
async function deliverAsNotice(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  notice: Notice,
): Promise<'delivered' | 'held'> {
  const key = `${notice.code}:${row.messageId}:${row.device}`;
  await context.store.commit([noticeOnce(chat.portal, key, row.timestamp, notice)]);
  const find = () => context.store.inbox.find(chat.portal.id, noticeId(key), 0);
  const written = await find();
  if (written !== undefined && (await deliverRow(context, chat, written)) === 'held') return 'held';
  const delivered = await find();
  const event = delivered?.state.at === 'done' ? delivered.state.event : undefined;
  await setState(context, row, event === undefined ? { at: 'done', event } : { at: 'accepted', event });
  return 'delivered';
}

/** While the user's own identity has changed, nothing is delivered. */
async function identityHolds(context: BridgeContext, { account }: Chat): Promise<boolean> {
  const trust = await context.store.trust.ofUser(account.user);
  if (trust?.state !== 'changed') return false;
  await holdForIdentity(context, account, trust.seen);
  return true;
}

async function encrypt(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  content: JsonObject,
): Promise<SealedEvent | undefined> {
  const { crypto, settings, store } = context;
  const { user } = chat.account;
  if (await identityHolds(context, chat)) return undefined;
  const pinned = (await store.trust.ofUser(user))?.masterKey;
  const result = await crypto.encrypt(
    chat.ghost.actor,
    chat.room,
    user,
    pinned,
    settings.devicePolicy,
    'm.room.message',
    content,
  );
  switch (result.outcome) {
    case 'encrypted': {
      const id = sendId(settings.instanceId, chat.ghost.actor.id, chat.room, `${row.messageId}:${row.device}`);
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

async function send(
  context: BridgeContext,
  chat: Chat,
  row: InboxRow,
  event: SealedEvent,
  body: InboxBody,
): Promise<void> {
  await attempt(context, chat, row, body, async () => {
    const id = await context.homeserver.send(chat.ghost.actor, chat.room, event.type, event.sendId, event.content);
    await context.store.commit(accepted(chat, row, id));
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
  const text = `A message from ${contactName(chat.contact)} could not be shown: this server does not take it (${error.code}).`;
  await deliverAsNotice(context, chat, row, { code: 'not-shown', text });
}

function accepted({ portal, room }: Chat, row: InboxRow, event: EventId): Change[] {
  if (row.isNotice) return [{ change: 'inbox.state', id: row.id, state: { at: 'done', event } }];
  const { messageId, timestamp: sentAt } = row;
  return [
    { change: 'inbox.state', id: row.id, state: { at: 'accepted', event } },
    { change: 'reference.put', reference: { portal: portal.id, messageId, fromUser: false, event, room, sentAt } },
  ];
}

async function setState(context: BridgeContext, row: InboxRow, state: InboxState): Promise<void> {
  await context.store.commit([{ change: 'inbox.state', id: row.id, state }]);
}
