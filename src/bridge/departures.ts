// Departures: what opt-out still has to do once the account is erased. Durable; repeated until the homeserver and the network have agreed.
import type { DepartingChat, Departure } from '../model/account.ts';
import { BridgeError } from '../model/errors.ts';
import type { AccountId, RoomId, UserId } from '../model/ids.ts';
import { passed } from '../observability/fail-points.ts';
import type { BridgeContext } from './context.ts';
import { networkNames } from './labels.ts';
import { leaveForGood } from './portal-rooms.ts';
import { findSpace, leaveSpace } from './spaces/space-rooms.ts';
import type { Step } from './workers.ts';

export async function depart(
  context: BridgeContext,
  account: AccountId,
  wakeBot: (room: RoomId) => void,
): Promise<Step> {
  const { store } = context;
  const departure = (await store.accounts.departures()).find((candidate) => candidate.account === account);
  if (departure === undefined) return 'idle';
  const [chat, ...rest] = departure.chats;
  if (chat !== undefined) {
    await leaveChat(context, departure.user, chat);
    passed('D2-chat-left');
    await store.commit([{ change: 'departure.put', departure: { ...departure, chats: rest } }]);
    passed('D3-chat-recorded');
    return 'again';
  }
  if (departure.space !== undefined) {
    const room = departure.space.room ?? (await findSpace(context, account));
    if (room !== undefined) await leaveSpace(context, room, departure.user);
    await store.commit([{ change: 'departure.put', departure: { ...departure, space: undefined } }]);
    return 'again';
  }
  // The records of hosted files went with the account.
  await context.mediaHost.sweep();
  await withdraw(context, departure, wakeBot);
  passed('D4-network-told');
  const text = `Your opt-out from ${networkNames[departure.network]} is complete: the network has confirmed it, and the keys to your chats are destroyed here.`;
  await store.commit([
    { change: 'departure.done', account },
    { change: 'bot-message.add', room: departure.managementRoom, key: `departed:${account}`, text },
  ]);
  passed('D5-departure-recorded');
  wakeBot(departure.managementRoom);
  return 'idle';
}

/** The ghost forgets the chat's keys and leaves its room. A ghost that nobody else uses goes altogether. */
async function leaveChat(context: BridgeContext, user: UserId, { room, contact }: DepartingChat): Promise<void> {
  const { store, crypto, homeserver } = context;
  const ghost = await store.contacts.ghost(contact);
  if (ghost === undefined) return;
  if (room !== undefined) await leaveForGood(context, ghost.actor, room);
  if ((await store.contacts.accountsUsing(contact)) > 0) {
    await crypto.forgetUser(ghost.actor, user);
    return;
  }
  if (ghost.ready) {
    await homeserver.setAvatar(ghost.actor, undefined);
    await homeserver.setDisplayName(ghost.actor, '');
    await crypto.destroy(ghost.actor);
  }
  await store.commit([{ change: 'contact.erase', contact }]);
}

async function withdraw(context: BridgeContext, departure: Departure, wakeBot: (room: RoomId) => void): Promise<void> {
  const { store, minter, network, logger } = context;
  const { user, account, interopAccountId } = departure;
  try {
    const now = network.now(departure.network);
    const token = await minter.mint({ user, account, interopAccountId, purpose: 'withdraw', now });
    await network.enlistment(departure.network).withdraw({ user, interopAccountId, token });
  } catch (error) {
    logger.warn(
      { account, attempts: departure.attempts + 1, err: error },
      'the network has not accepted a withdrawal yet',
    );
    const text = `${networkNames[departure.network]} has not confirmed your opt-out yet. Nothing is sent or received meanwhile; I keep asking.`;
    await store.commit([
      { change: 'departure.put', departure: { ...departure, attempts: departure.attempts + 1 } },
      { change: 'bot-message.add', room: departure.managementRoom, key: `departing:${account}`, text },
    ]);
    wakeBot(departure.managementRoom);
    if (error instanceof BridgeError && error.retry === 'later') throw error;
    throw new BridgeError('bridge.withdrawal-refused', 'the network refused a withdrawal', {
      retry: 'later',
      retryAfterMs: 60_000,
      cause: error,
    });
  }
}
