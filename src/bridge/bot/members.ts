// Who is in a room in which the bot may be.
import { BridgeError } from '../../model/errors.ts';
import type { RoomId } from '../../model/ids.ts';
import type { BridgeContext } from '../context.ts';

export type Members = Awaited<ReturnType<BridgeContext['homeserver']['members']>>;

/** Whether these are the bot and one other person. */
export function isForTwo({ bot }: BridgeContext, members: Members): boolean {
  return members.size === 2 && members.get(bot.user) === 'join';
}

/** Nobody where the bot is not there itself. */
export async function membersOf({ homeserver, bot }: BridgeContext, room: RoomId): Promise<Members> {
  try {
    return await homeserver.members(bot, room);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    return new Map();
  }
}
