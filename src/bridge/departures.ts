// Departures: what opt-out still has to do once the account is erased. Durable; repeated until the homeserver and the network have agreed.
import type { DepartingRoom, Departure } from '../model/account.ts';
import { BridgeError } from '../model/errors.ts';
import type { AccountId, RoomId } from '../model/ids.ts';
import type { BridgeContext } from './context.ts';
import { networkNames } from './labels.ts';
import type { Step } from './workers.ts';

export async function depart(
  context: BridgeContext,
  account: AccountId,
  wakeBot: (room: RoomId) => void,
): Promise<Step> {
  const { store } = context;
  const departure = (await store.accounts.departures()).find((candidate) => candidate.account === account);
  if (departure === undefined) return 'idle';
  const [room, ...rest] = departure.rooms;
  if (room !== undefined) {
    await leaveRoom(context, room);
    await store.commit([{ change: 'departure.put', departure: { ...departure, rooms: rest } }]);
    return 'again';
  }
  await withdraw(context, departure, wakeBot);
  const text = `Your opt-out from ${networkNames[departure.network]} is complete: the network has confirmed it, and the keys to your chats are destroyed here.`;
  await store.commit([
    { change: 'departure.done', account },
    { change: 'bot-message.add', room: departure.managementRoom, key: `departed:${account}`, text },
  ]);
  wakeBot(departure.managementRoom);
  return 'idle';
}

/** The ghost forgets the room's keys and leaves. A ghost that nobody else uses goes altogether. */
async function leaveRoom(context: BridgeContext, { room, contact }: DepartingRoom): Promise<void> {
  const { store, homeserver, crypto } = context;
  const ghost = await store.contacts.ghost(contact);
  if (ghost === undefined) return;
  await crypto.forgetRoom(ghost.actor, room);
  try {
    await homeserver.leave(ghost.actor, room);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    context.logger.info({ code: error.code }, 'the ghost had left the room before');
  }
  if ((await store.contacts.accountsUsing(contact)) > 0) return;
  await crypto.destroy(ghost.actor);
  await store.commit([{ change: 'contact.erase', contact }]);
}

async function withdraw(context: BridgeContext, departure: Departure, wakeBot: (room: RoomId) => void): Promise<void> {
  const { store, minter, network, logger } = context;
  const { user, account, interopAccountId } = departure;
  try {
    const token = await minter.mint({ user, account, interopAccountId, purpose: 'withdraw' });
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
