// What happens in the room of a Space. Nothing said there is a command; whoever leaves it wants no Space any more.
import type { Account } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import type { RoomId } from '../../model/ids.ts';
import type { MatrixEvent } from '../../model/journal.ts';
import type { Space } from '../../model/space.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import { done, type Handled } from '../matrix-events.ts';
import { leaveIfThere } from '../portal-rooms.ts';
import { hasGone } from '../visitors.ts';
import { arrange } from './arrangement.ts';

export async function handleSpaceEvent(
  context: BridgeContext,
  { account: id, state }: Space,
  event: MatrixEvent,
  effects: { wakeBot(room: RoomId): void },
): Promise<Handled> {
  const account = await context.store.accounts.get(id);
  if (account === undefined || state.at !== 'open' || !hasLeft(event, account)) return done();
  const changes = await withoutSpace(context, account, state.room);
  return { kind: 'done', changes, after: () => effects.wakeBot(account.managementRoom) };
}

const hasLeft = (event: MatrixEvent, { user }: Account): boolean => event.state_key === user && hasGone(event);

/** The Space is no more, or its user is not in it: that is taken for their wish until they say otherwise. The bot goes, too. */
export async function withoutSpace(
  context: BridgeContext,
  account: Account,
  room: RoomId | undefined,
): Promise<Change[]> {
  if (room !== undefined) await leaveIfThere(context, context.bot, room);
  const { id, network, managementRoom } = account;
  const text = `You are not in the Space for your chats on ${networkNames[network]} any more, or it cannot be kept: from now on they are among your other rooms. "inbox separate" makes another one.`;
  const key = `space-gone:${id}:${context.clock.now()}`;
  return [
    { change: 'space.gone', account: id },
    await arrange(context, account, 'combined'),
    { change: 'bot-message.add', room: managementRoom, key, text },
  ];
}
