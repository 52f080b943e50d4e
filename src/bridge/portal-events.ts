// What a Matrix user does in a portal: messages become outbox rows, replies to notices are commands, the rest is refused aloud.
import type { Change } from '../model/change.ts';
import type { Ghost } from '../model/contact.ts';
import { errorCode } from '../model/errors.ts';
import type { EventId } from '../model/ids.ts';
import { newMessageId } from '../model/ids.ts';
import type { JsonObject, LateEvent, MatrixEvent } from '../model/journal.ts';
import type { HostedName } from '../model/media.ts';
import type { Portal } from '../model/portal.ts';
import { passed } from '../observability/fail-points.ts';
import { capabilities } from '../translate/capabilities.ts';
import { markedLate } from '../translate/late.ts';
import { relatedEvent } from '../translate/references.ts';
import { refusedText, repliedTo, toWhatsApp, withoutReplyFallback } from '../translate/to-whatsapp.ts';
import type { CommandEffects } from './bot/commands.ts';
import { chatCommandIn, handleChatCommand } from './chat-commands.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { afterMessage, moveOf, sentLate, standingAside, whatIs } from './event-steps.ts';
import { outgoingFile } from './files/to-whatsapp.ts';
import { heldEvent } from './held-messages.ts';
import { decryptOrWait, type KeyWaits } from './key-waits.ts';
import { done, type Handled } from './matrix-events.ts';
import { type Decrypted, verdictOn } from './message-verdict.ts';
import { noticeReply } from './notice-replies.ts';
import { type NoticePlace, notSent } from './notices.ts';
import { orphaned } from './orphaned-events.ts';
import { accept, decline, declinedText } from './policy/requests.ts';
import { editChanges, reactionChanges, redactedEvent, redactionChanges } from './portal-references.ts';
import { closeRoom } from './portal-rooms.ts';
import { quotedBy } from './quoted-events.ts';
import { isAboutUnnoted } from './unnoted-events.ts';
import { holdForIdentity } from './user-trust.ts';

interface Chat {
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly ghost: Ghost;
}

export async function handlePortalEvent(
  context: BridgeContext,
  portal: Portal,
  event: MatrixEvent,
  waits: KeyWaits,
  effects: CommandEffects,
): Promise<Handled> {
  const account = await context.store.accounts.get(portal.account);
  const ghost = await context.store.contacts.ghost(portal.contact);
  if (account?.state.at === 'paused') return { kind: 'held' };
  if (!isActive(account) || ghost === undefined) return orphaned(context, portal, account, event, effects);
  const chat: Chat = { account, portal, ghost };
  const pushed = whatIs(event, account.user);
  if (pushed === 'membership') return membership(context, chat, event, effects);
  if (pushed === 'nothing') return done();
  if (await context.store.visitors.hold(portal.id)) return heldEvent(context, chat, event, effects);
  switch (pushed) {
    case 'encrypted':
      return encrypted(context, chat, event, waits, effects);
    case 'plaintext': {
      const text =
        'This was not sent: it arrived unencrypted, and this bridge does not carry unencrypted messages. Send it again from a client that encrypts.';
      const told = notSent(portal, event.event_id, context.clock.now(), 'plaintext-refused', text);
      return withWake(done(told), portal, effects);
    }
    case 'reaction':
    case 'redaction':
      return reference(context, chat, event, pushed, effects);
    case 'other':
      return done();
  }
}

/** Reactions and redactions are plain events. */
async function reference(
  context: BridgeContext,
  chat: Chat,
  event: MatrixEvent,
  pushed: 'reaction' | 'redaction',
  effects: CommandEffects,
): Promise<Handled> {
  const { account, portal } = chat;
  if ((await context.store.trust.ofUser(account.user))?.state === 'changed')
    return heldEvent(context, chat, event, effects);
  if (await isAboutUnnoted(context, portal, event.content)) return { kind: 'held' };
  if (pushed === 'reaction') {
    return withWake(done(...(await reactionChanges(context, chat, event))), portal, effects);
  }
  // What is deleted while it stands aside is never sent.
  const target = redactedEvent(event);
  const late = target && (await context.store.events.lateOne(event.room_id, target));
  if (late !== undefined) return done({ change: 'event.done', seq: late });
  const { changes, hosted } = await redactionChanges(context, chat, event);
  const after = (): void => {
    effects.wakePortal(portal.id);
    if (hosted !== undefined) void unhost(context, hosted);
  };
  return { kind: 'done', changes, after };
}

/** A deleted file is not offered any longer. One that stays for want of this goes when its time is over. */
async function unhost({ mediaHost, logger }: BridgeContext, name: HostedName): Promise<void> {
  try {
    await mediaHost.remove(name);
  } catch (error) {
    logger.warn({ code: errorCode(error), err: error }, 'a deleted file could not be removed yet');
  }
}

function withWake(handled: Handled, portal: Portal, effects: CommandEffects): Handled {
  return handled.kind === 'done' ? { ...handled, after: () => effects.wakePortal(portal.id) } : handled;
}

async function membership(
  context: BridgeContext,
  chat: Chat,
  event: MatrixEvent,
  effects: CommandEffects,
): Promise<Handled> {
  const { account, portal, ghost } = chat;
  const move = moveOf(event, account.user, portal.acceptance);
  if (move === 'other') return withWake(done(), portal, effects);
  if (move === 'lets-in') return withWake(done(...(await accept(context, portal))), portal, effects);
  const closed = await closeRoom(context, portal, ghost, event.room_id);
  if (move === 'closes') return done(closed);
  const { managementRoom: room } = account;
  const answer: Change = { change: 'bot-message.add', room, key: `declined:${event.event_id}`, text: declinedText };
  const changes = [closed, ...(await decline(context, portal)), answer];
  return { kind: 'done', changes, after: () => effects.wakeBot(room) };
}

async function encrypted(
  context: BridgeContext,
  chat: Chat,
  event: MatrixEvent,
  waits: KeyWaits,
  effects: CommandEffects,
  late?: LateEvent,
): Promise<Handled> {
  const { account, portal } = chat;
  const trust = await context.store.trust.ofUser(account.user);
  if (trust?.state === 'changed') return heldEvent(context, chat, event, effects);
  const decryption =
    late === undefined
      ? await decryptOrWait(context, chat.ghost.actor, event, waits)
      : await context.crypto.decrypt(chat.ghost.actor, event);
  if (decryption.outcome === 'decrypted') passed('M6-event-decrypted');
  const { lateKeyWaitMs, devicePolicy } = context.settings;
  const verdict = verdictOn({
    decryption,
    pinned: trust?.masterKey,
    devicePolicy,
    replayed: decryption.outcome === 'decrypted' && (await context.store.roomKeyUses.has(portal.id, decryption.use)),
    asideMs: late && context.clock.now() - late.since,
    asideAtMostMs: lateKeyWaitMs,
  });
  switch (verdict.kind) {
    case 'wait':
    case 'held':
      return verdict;
    case 'aside':
      return {
        kind: 'late',
        changes: [standingAside(portal, event, context.clock.now())],
        after: () => effects.wakePortal(portal.id),
      };
    case 'identity-changed':
      await holdForIdentity(context, account, verdict.seen);
      return { kind: 'held' };
    case 'refused': {
      const told = notSent(portal, event.event_id, context.clock.now(), verdict.code, verdict.text);
      return withWake(done(told), portal, effects);
    }
    case 'counts':
      break;
  }
  const handled = await said(context, chat, event, verdict.decrypted, effects, late);
  if (handled.kind !== 'done') return handled;
  const used = { change: 'room-key.used', portal: portal.id, use: verdict.decrypted.use } as const;
  return { ...handled, changes: [...handled.changes, used] };
}

/** What a session of the user's has said, by whatever that is. */
async function said(
  context: BridgeContext,
  chat: Chat,
  event: MatrixEvent,
  decryption: Decrypted,
  effects: CommandEffects,
  late: LateEvent | undefined,
): Promise<Handled> {
  const { account, portal } = chat;
  const refuse = (code: string, text: string, place?: NoticePlace): Handled =>
    withWake(done(notSent(portal, event.event_id, context.clock.now(), code, text, place)), portal, effects);
  const { type, content: written } = decryption;
  const content = late === undefined ? written : markedLate(written, event.origin_server_ts);
  // Between clients and the ghost's device; nothing that anybody has written.
  if (type.startsWith('m.key.verification.')) return done();
  if (await isAboutUnnoted(context, portal, content)) return { kind: 'held' };
  const command = chatCommandIn(written);
  if (command !== undefined) {
    return handleChatCommand(context, chat, { room: event.room_id, event: event.event_id }, command, effects);
  }
  if (await isReplyToNotice(context, portal, content)) {
    const text = typeof content.body === 'string' ? withoutReplyFallback(content, content.body) : '';
    return noticeReply(context, chat.account, portal, event.event_id, text, effects);
  }
  const replaced = relatedEvent(content, 'm.replace');
  if (type === 'm.room.message' && replaced !== undefined) {
    const changes = await editChanges(context, chat, event, content, replaced as EventId);
    return withWake(done(...changes), portal, effects);
  }
  if (type === 'm.reaction') {
    return withWake(done(...(await reactionChanges(context, chat, { ...event, content }))), portal, effects);
  }
  const quoted = await quotedBy(context, chat, event.room_id, content);
  const translated = toWhatsApp(type, content, capabilities[account.network], quoted);
  if (translated.kind === 'refused') {
    const { told = refusedText(translated.feature), action } = translated;
    return refuse('not-carried', told, { action });
  }
  const outgoing =
    translated.kind === 'media'
      ? { file: outgoingFile(context, type, content, quoted) }
      : { payload: translated.payload };
  const now = context.clock.now();
  const changes = afterMessage(portal, event, newMessageId(), now, outgoing);
  if (late === undefined) return { kind: 'done', changes, after: () => effects.wakeOutbox(portal.id) };
  return withWake(done(...changes, sentLate(portal, event, now)), portal, effects);
}

/** An event that stands aside is looked at again: `held` while its key has not come. */
export async function handleLatePortalEvent(
  context: BridgeContext,
  portal: Portal,
  late: LateEvent,
  effects: CommandEffects,
): Promise<Handled> {
  const account = await context.store.accounts.get(portal.account);
  const ghost = await context.store.contacts.ghost(portal.contact);
  if (account?.state.at === 'paused') return { kind: 'held' };
  if (!isActive(account) || ghost === undefined) return orphaned(context, portal, account, late.event, effects);
  const chat = { account, portal, ghost };
  if (await context.store.visitors.hold(portal.id)) return heldEvent(context, chat, late.event, effects);
  return encrypted(context, chat, late.event, new Map(), effects, late);
}

async function isReplyToNotice(context: BridgeContext, portal: Portal, content: JsonObject): Promise<boolean> {
  const target = repliedTo(content);
  return target !== undefined && (await context.store.inbox.isNotice(portal.id, target as EventId));
}
