// What a contact has written, in Matrix: events that only the user's sessions can read, stored as they are sent.
import type { Contact, Ghost } from '../model/contact.ts';
import type { EventId, RoomId, SendId } from '../model/ids.ts';
import type { InboxRow, SealedEvent } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { passed } from '../observability/fail-points.ts';
import type { ToMatrixEvent } from '../translate/media/types.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { afterAcceptance, type RowAt } from './inbox-steps.ts';
import { sendId } from './send-ids.ts';
import type { sendAgain } from './unknown-outcomes.ts';
import { holdForDevice, holdForIdentity } from './user-trust.ts';

export interface Chat {
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly contact: Contact;
  readonly ghost: Ghost;
  readonly room: RoomId;
}

/** While the user's own identity has changed, nothing is delivered. */
export async function identityHolds(context: BridgeContext, { account }: Chat): Promise<boolean> {
  const trust = await context.store.trust.ofUser(account.user);
  if (trust?.state !== 'changed') return false;
  await holdForIdentity(context, account, trust.seen);
  return true;
}

type Events = readonly [SealedEvent, ...SealedEvent[]];

/** Undefined while no session of the user's may read them. */
export async function encryptAll(
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
      return { sendId: idOf(context, chat, row, part), type: result.type, content: result.content };
    }
    case 'no-eligible-device':
      await holdForDevice(context, chat.account);
      return undefined;
    case 'identity-changed':
      await holdForIdentity(context, chat.account, result.seen);
      return undefined;
  }
}

function idOf({ settings }: BridgeContext, { ghost, room }: Chat, row: InboxRow, part: number): SendId {
  const message = part === 0 ? `${row.messageId}:${row.device}` : `${row.messageId}:${row.device}:part-${part}`;
  return sendId(settings.instanceId, ghost.actor.id, room, message);
}

/** Whether its events are for the room and of the ghost that the chat has now. Nobody could read them elsewhere. */
export function belongsHere(context: BridgeContext, chat: Chat, row: RowAt<'encrypted'>): boolean {
  return row.state.events[0].sendId === idOf(context, chat, row, 0);
}

export type SendOne = typeof sendAgain;

/** For what has never been sent. */
export const sendFirst: SendOne = ({ homeserver }, actor, room, { type, sendId: id, content }, writtenAt) =>
  homeserver.send(actor, room, type, id, content, writtenAt);

/** What comes within this time comes at once, and needs no time of its own. */
const promptMs = 60_000;

/** When a message that comes late was written, by our clock: the network's may be another. Never in the future. */
function writtenAt({ clock, network }: BridgeContext, { account }: Chat, row: InboxRow): number | undefined {
  const ageMs = network.now(account.network) - row.timestamp;
  return row.isNotice || ageMs < promptMs ? undefined : Math.max(0, Math.round(clock.now() - ageMs));
}

export async function sendAll(
  context: BridgeContext,
  chat: Chat,
  row: RowAt<'encrypted'>,
  sendOne: SendOne,
): Promise<void> {
  const at = writtenAt(context, chat, row);
  const send = (event: SealedEvent): Promise<EventId> => sendOne(context, chat.ghost.actor, chat.room, event, at);
  const [first, ...others] = row.state.events;
  const ids: [EventId, ...EventId[]] = [await send(first)];
  for (const event of others) ids.push(await send(event));
  passed('W14-event-accepted');
  await context.store.commit(afterAcceptance(chat.portal, chat.room, row, ids));
  passed('W15-event-recorded');
  context.logger.debug({ portal: chat.portal.id, messageId: row.messageId, event: ids[0] }, 'Matrix has a message');
  context.counters.delivered('to-matrix', row.isNotice ? 'notice' : 'delivered');
}
