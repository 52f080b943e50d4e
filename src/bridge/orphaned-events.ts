// Events of a chat that is not whole (its account is going at this moment, or what was known of it is lost), and of rooms that are no chat's any more. Named
// in the log, told to whom it concerns.
import type { Account } from '../model/account.ts';
import type { Change } from '../model/change.ts';
import type { RoomId } from '../model/ids.ts';
import type { MatrixEvent } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { CommandEffects } from './bot/commands.ts';
import { type BridgeContext, isActive } from './context.ts';
import { done, type Handled } from './matrix-events.ts';

const text =
  'A message of yours was not sent: this bridge has lost what it knew about the other person. Leave that chat; when they write again, there is a new one. Tell whoever runs this server.';

/** `account`: of the chat, if it is there. Whoever has opted out is told nothing. */
export function orphaned(
  { logger }: BridgeContext,
  portal: Portal,
  account: Account | undefined,
  event: MatrixEvent,
  effects: CommandEffects,
): Handled {
  const reason = isActive(account) ? 'no-ghost' : 'no-account';
  logger.warn({ portal: portal.id, reason, event: event.event_id }, 'an event of a chat that is not whole was dropped');
  if (!isActive(account) || event.sender !== account.user || event.state_key !== undefined) return done();
  const { managementRoom: room } = account;
  // Once for each chat: everything that is written there comes to this.
  const told = { change: 'bot-message.add', room, key: `orphaned:${portal.id}`, text } as const;
  return { kind: 'done', changes: [told], after: () => effects.wakeBot(room) };
}

/** Something was written in a room that is no chat's (any more). Whoever has no account in use is told nothing. */
export async function unconnected(
  { store, logger }: BridgeContext,
  { event_id: event, room_id: room, sender }: MatrixEvent,
  effects: CommandEffects,
): Promise<Handled> {
  logger.warn({ reason: 'no-chat', event }, 'an event of a room that is no chat was dropped');
  const accounts = (await store.accounts.ofUser(sender)).filter(isActive);
  const rooms = new Set(accounts.map(({ managementRoom }) => managementRoom));
  // What was said to the bot, which has left since, was for nobody else.
  if (rooms.has(room)) return done();
  const text = `A message of yours was not sent: the room in which you wrote it is not connected to anybody (any more), and nothing that is written there is carried over. Leave it: https://matrix.to/#/${encodeURIComponent(room)}`;
  const told = (to: RoomId): Change => ({ change: 'bot-message.add', room: to, key: `unconnected:${room}`, text });
  return { kind: 'done', changes: [...rooms].map(told), after: () => rooms.forEach(effects.wakeBot) };
}
