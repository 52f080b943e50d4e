// `subscribe`, `unsubscribe`: policy rooms in which others say whom to block.
import { type RoomId, roomIdOrAlias } from '../../model/ids.ts';
import type { PolicySubscription } from '../../model/policy.ts';
import { type BridgeContext, isActive } from '../context.ts';
import { roomOf } from '../policy/operator-rooms.ts';
import { readText, subscription, unreadableText } from '../policy/policy-rooms.ts';
import type { Answer, Command, CommandHandler } from './commands.ts';
import { isForTwo, membersOf } from './members.ts';

/** Of a room id or alias (Matrix spec, appendix "Common identifier format"). */
const longestName = 255;

export const subscribe: CommandHandler = async (context, command, [name = '', ...rest], effects): Promise<Answer> => {
  if (rest.length > 0 || Buffer.byteLength(name) > longestName || !roomIdOrAlias.test(name))
    return { text: 'Send "subscribe" with a policy room: its id (!id) or an alias (#policy:example.org).' };
  const accounts = (await context.store.accounts.ofUser(command.user)).filter(isActive);
  if (accounts.length === 0) return { text: 'You have not opted in yet. Send "opt-in" first.' };
  const room = await roomOf(context, name);
  if (room === undefined) return { text: 'I find no room of that name.' };
  const refusal = await whyNot(context, command, await subscriptionsOf(context, command), room);
  if (refusal !== undefined) return { text: refusal };
  return {
    text: await answered(context, room, name),
    changes: accounts.map(({ id }) => subscription(context, id, room, name)),
    after: () => effects.wakePolicyRoom(room),
  };
};

async function whyNot(
  context: BridgeContext,
  command: Command,
  own: readonly PolicySubscription[],
  room: RoomId,
): Promise<string | undefined> {
  const most = context.settings.mostPolicyRooms;
  const rooms = new Set(own.map((each) => each.room));
  if (rooms.has(room)) return 'You subscribe to that room already. "blocks" lists these rooms.';
  if (most === 0) return 'This server lets nobody subscribe to policy rooms.';
  if (rooms.size >= most)
    return `You subscribe to ${rooms.size} rooms, and more are not possible. "unsubscribe" from one first.`;
  if (await isForTalking(context, command, room)) return 'That room is for talking, and stays so.';
  return undefined;
}

/** A policy room is only read, and left in the end: a chat, a Space of chats, or where somebody talks to the bot, cannot be one. */
async function isForTalking(context: BridgeContext, command: Command, room: RoomId): Promise<boolean> {
  const { store } = context;
  const accounts = await store.accounts.ofUser(command.user);
  if (room === context.settings.moderationRoom) return true;
  if (room === command.room || accounts.some(({ managementRoom }) => managementRoom === room)) return true;
  if ((await store.portals.byRoom(room)) !== undefined) return true;
  if ((await store.spaces.byRoom(room)) !== undefined) return true;
  // The bot is in it to read it for somebody else.
  if ((await store.policyRooms.get(room)) !== undefined) return false;
  const members = await membersOf(context, room);
  return isForTwo(context, members) && !members.has(command.user);
}

/** What is known of the room already is said at once; else the bot says it when it has been there. */
async function answered({ store, bot }: BridgeContext, room: RoomId, name: string): Promise<string> {
  const known = await store.policyRooms.get(room);
  if (known?.state === 'read') return `Subscribed. ${readText(name, known)}`;
  if (known?.state === 'unreadable') return `Subscribed. ${unreadableText(name, known, bot.user)}`;
  return 'Subscribed. I go there and read it, and say what I have found. The people in the room can see that I am there, not for whom.';
}

export const unsubscribe: CommandHandler = async (context, command, [name = ''], effects): Promise<Answer> => {
  const own = await subscriptionsOf(context, command);
  const ended = own.filter((each) => each.name === name || each.room === name);
  if (ended.length === 0) return { text: 'Send "unsubscribe" with a policy room that "blocks" lists.' };
  return {
    text: 'You do not subscribe to that room any more: nobody is blocked because of it.',
    changes: ended.map(({ id }) => ({ change: 'policy.unsubscribe', id })),
    after: () => {
      for (const { room } of ended) effects.wakePolicyRoom(room);
    },
  };
};

/** One line for each room. */
export async function policyRoomLines(context: BridgeContext, command: Command): Promise<readonly string[]> {
  const byRoom = new Map((await subscriptionsOf(context, command)).map((each) => [each.room, each]));
  const lines = [...byRoom.values()].map(async ({ room, name }) => {
    const known = await context.store.policyRooms.get(room);
    const count = known?.rules.length ?? 0;
    const rules = count === 1 ? 'one rule' : `${count} rules`;
    return `${name}: policy room, ${rules} about people here${known?.state === 'unreadable' ? ', cannot be read at present' : ''}`;
  });
  return Promise.all(lines);
}

async function subscriptionsOf({ store }: BridgeContext, { user }: Command): Promise<readonly PolicySubscription[]> {
  const accounts = await store.accounts.ofUser(user);
  return (await Promise.all(accounts.map(({ id }) => store.policyRooms.subscriptions(id)))).flat();
}

export const policyRoomsHelp =
  'subscribe <id or alias of a policy room>: whoever is banned by a rule there is blocked for you, as long as the rule stands; unsubscribe <id or alias>: ends it';
