// Messages that wait for a decision of the user: not without end. After `delivery.held_days` they are set aside, in sight, and the user is told.
import type { Account } from '../model/account.ts';
import type { Change } from '../model/change.ts';
import type { Contact } from '../model/contact.ts';
import type { EventId } from '../model/ids.ts';
import type { MatrixEvent, OutboxRow } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { relatedEvent } from '../translate/references.ts';
import type { CommandEffects } from './bot/commands.ts';
import type { BridgeContext } from './context.ts';
import { contactName } from './labels.ts';
import type { Handled } from './matrix-events.ts';
import { noticeOnce, notSent } from './notices.ts';
import { afterHold } from './outbox-steps.ts';
import { parkRow } from './parked-rows.ts';
import { redactedEvent } from './portal-references.ts';
import type { Step } from './workers.ts';

const code = 'waited-too-long';
const dayMs = 24 * 60 * 60 * 1000;

interface Chat {
  readonly account: Account;
  readonly contact: Contact;
  readonly portal: Portal;
}

/** A message for WhatsApp is held. */
export async function heldOutgoing(context: BridgeContext, chat: Chat, row: OutboxRow): Promise<Step> {
  const { portal } = chat;
  if (!(await isOver(context, portal, 'outbox', row.createdAt))) return 'idle';
  await parkRow(context, portal, row, afterHold(row, code, days(context)), [told(context, chat)]);
  return 'again';
}

/** An event is held that has not been taken from its room: nothing of it is read before the user has decided, so it is refused in the end. */
export async function heldEvent(
  context: BridgeContext,
  chat: Pick<Chat, 'account' | 'portal'>,
  event: MatrixEvent,
  effects: Pick<CommandEffects, 'wakePortal'>,
): Promise<Handled> {
  const { portal } = chat;
  if (!(await isOver(context, portal, 'outbox', event.origin_server_ts))) return { kind: 'held' };
  if (event.state_key !== undefined) return { kind: 'done', changes: [] };
  context.logger.warn(
    { portal: portal.id, code },
    'an event waited too long for a decision of its user; it is refused',
  );
  context.counters.delivered('to-whatsapp', 'failed');
  const text = `This was not carried over: it has waited for ${days(context)} for a decision of yours. Once you have decided, send it again if it still matters.`;
  const about = redactedEvent(event) ?? relatedEvent(event.content, 'm.annotation');
  const place = about === undefined ? {} : { about: about as EventId };
  const notice = notSent(portal, event.event_id, context.clock.now(), code, text, place);
  const after = (): void => effects.wakePortal(portal.id);
  return { kind: 'done', changes: [notice, told(context, chat)], after };
}

/** Messages for Matrix are held: all that have waited long enough are set aside together. */
export async function heldIncoming(context: BridgeContext, chat: Chat): Promise<Step> {
  const { store, clock, logger, counters, settings } = context;
  const { portal, contact } = chat;
  // What a contact sends who asks to be let in has a time limit of its own.
  if (portal.acceptance.at !== 'accepted' || !(await isOver(context, portal, 'inbox'))) return 'idle';
  const now = clock.now();
  // They are dated by the network.
  const before = context.network.now(chat.account.network) - settings.heldMs;
  const count = await store.inbox.receivedBefore(portal.id, before);
  if (count === 0) return 'idle';
  const name = contactName(contact, portal);
  const [messages, are] = count === 1 ? ['A message', 'is'] : [`${count} messages`, 'are'];
  const text = `${messages} from ${name} had waited for ${days(context)} for a decision of yours, and ${are} not shown any more. ${name} does not see ${count === 1 ? 'it' : 'them'} as delivered: ask them to send again what matters. Whoever runs this server can still show ${count === 1 ? 'it' : 'them'} for a while.`;
  logger.warn(
    { portal: portal.id, code, count },
    'messages waited too long for a decision of their user; they are parked',
  );
  for (let n = 0; n < count; n += 1) counters.delivered('to-matrix', 'failed');
  await store.commit([
    { change: 'inbox.park-received', portal: portal.id, before, code },
    noticeOnce(portal, `${code}:${now}`, now, { code, text }),
    told(context, chat),
  ]);
  return 'again';
}

/** Something has been delivered: nothing waits for a decision any more. */
export async function heldNoLonger(
  { store }: BridgeContext,
  portal: Portal,
  journal: 'inbox' | 'outbox',
): Promise<void> {
  if (portal.heldSince?.[journal] === undefined) return;
  await store.commit([{ change: 'portal.held', portal: portal.id, journal, since: undefined }]);
}

/** Chats that have been held for so long that messages may have waited too long. */
export function heldTooLong({ store, clock, settings }: BridgeContext): Promise<readonly Portal[]> {
  return store.portals.heldSince(clock.now() - settings.heldMs);
}

/** How far a hold is: of the chat, and of a message that came at `since`. It `begins` where nothing has waited before. */
export function holdOf(
  { heldSince }: Portal,
  journal: 'inbox' | 'outbox',
  since: number,
  { now, mostMs }: { readonly now: number; readonly mostMs: number },
): 'begins' | 'goes on' | 'is over' {
  const held = heldSince?.[journal];
  if (held === undefined) return 'begins';
  return Math.max(held, since) < now - mostMs ? 'is over' : 'goes on';
}

/** The beginning is written down. */
async function isOver(
  { store, clock, settings }: BridgeContext,
  portal: Portal,
  journal: 'inbox' | 'outbox',
  since = 0,
): Promise<boolean> {
  const now = clock.now();
  const hold = holdOf(portal, journal, since, { now, mostMs: settings.heldMs });
  if (hold === 'begins') await store.commit([{ change: 'portal.held', portal: portal.id, journal, since: now }]);
  return hold === 'is over';
}

/** Once a day for each chat, in the room with the bot: the chat itself may be what is held. Names nobody. */
function told(context: BridgeContext, { account, portal }: Pick<Chat, 'account' | 'portal'>): Change {
  const day = Math.floor(context.clock.now() / dayMs);
  const where = portal.state.at === 'open' ? `: https://matrix.to/#/${encodeURIComponent(portal.state.room)}` : '.';
  const text = [
    `In one of your chats messages have waited for ${days(context)} for a decision of yours, and are not delivered any more${where}`,
    'What has to be decided was said there or here: a changed security key, somebody else in the chat, a changed identity of your own, or that none of your sessions is verified. Afterwards the chat goes on, and says what was not delivered. Whoever runs this server can still deliver it for a while.',
  ].join('\n\n');
  return { change: 'bot-message.add', room: account.managementRoom, key: `${code}:${portal.id}:${day}`, text };
}

function days({ settings }: BridgeContext): string {
  const count = Math.round(settings.heldMs / dayMs);
  return count === 1 ? 'a day' : `${count} days`;
}
