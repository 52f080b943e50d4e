// The room that a Space is: made for one user, found again after a crash, left in the end. Every step may be repeated.
import type { Account } from '../../model/account.ts';
import type { AccountId, RoomId, UserId } from '../../model/ids.ts';
import { passed } from '../../observability/fail-points.ts';
import type { BridgeContext } from '../context.ts';
import { networkNames } from '../labels.ts';
import { leaveIfThere } from '../portal-rooms.ts';

/** Invites the user along with it. */
export function createSpace(context: BridgeContext, { id, network, user }: Account): Promise<RoomId> {
  const { homeserver, bot, settings } = context;
  const name = networkNames[network];
  return homeserver.createSpace(bot, {
    name,
    topic: `Your chats with people on ${name}, kept here by ${settings.botName}. Leave, and they are among your other rooms again.`,
    invite: user,
    federate: settings.federatePortals,
    account: id,
  });
}

/** A Space that an earlier, killed attempt has made. */
export async function findSpace({ store, homeserver, bot }: BridgeContext, account: AccountId) {
  return homeserver.findSpace(bot, account, await store.spaces.otherRoomsOfBot());
}

/** Nobody is left in it: it is gone from the user's list as well. */
export async function leaveSpace(context: BridgeContext, room: RoomId, user: UserId): Promise<void> {
  const { homeserver, bot } = context;
  await homeserver.kick(bot, room, user);
  await leaveIfThere(context, bot, room);
  passed('S7-space-left');
}
