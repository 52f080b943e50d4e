// The room in which the operator's moderators read reports. The bot is there to write; it listens to nobody in it.
import { BridgeError } from '../../model/errors.ts';
import type { RoomId, UserId } from '../../model/ids.ts';
import type { MatrixEvent } from '../../model/journal.ts';
import { membersOf } from '../bot/members.ts';
import { type BridgeContext, isOurs } from '../context.ts';

export type ModerationRoom =
  | { readonly is: 'ready'; readonly room: RoomId; readonly moderators: readonly UserId[] }
  /** The configuration names none: this server takes no reports. */
  | { readonly is: 'none' }
  /** `why` is for the log. */
  | { readonly is: 'unusable'; readonly why: 'not-joined' | 'not-encrypted' | 'empty' };

/** The bot goes in where it is let in. */
export async function moderationRoom(context: BridgeContext): Promise<ModerationRoom> {
  const { settings, homeserver, bot } = context;
  const room = settings.moderationRoom;
  if (room === undefined) return { is: 'none' };
  let members = await membersOf(context, room);
  if (members.get(bot.user) !== 'join') {
    await enter(context, room);
    members = await membersOf(context, room);
  }
  if (members.get(bot.user) !== 'join') return { is: 'unusable', why: 'not-joined' };
  if (!(await homeserver.isEncrypted(bot, room))) return { is: 'unusable', why: 'not-encrypted' };
  const moderators = [...members].flatMap(([user, membership]) =>
    membership === 'join' && !isOurs(context, user) ? [user] : [],
  );
  return moderators.length > 0 ? { is: 'ready', room, moderators } : { is: 'unusable', why: 'empty' };
}

/** Whether this may have made the moderation room usable, or not. What is said there is not listened to. */
export function changesModeration({ type }: MatrixEvent): boolean {
  return type === 'm.room.member' || type === 'm.room.encryption';
}

async function enter({ homeserver, bot }: BridgeContext, room: RoomId): Promise<void> {
  try {
    await homeserver.join(bot, room);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
  }
}
