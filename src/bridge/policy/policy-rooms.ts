// Policy rooms: followed as long as somebody subscribes. What was read last is stored and holds, whether the homeserver is there or not.
import { randomBytes } from 'node:crypto';
import type { Change } from '../../model/change.ts';
import { BridgeError } from '../../model/errors.ts';
import type { AccountId, ContactId, RoomId } from '../../model/ids.ts';
import type { MatrixEvent } from '../../model/journal.ts';
import type { PolicyRoom, PolicySubscription, Subscriber } from '../../model/policy.ts';
import { ghostUser } from '../contacts.ts';
import type { BridgeContext } from '../context.ts';
import { leaveIfThere } from '../portal-rooms.ts';
import type { Step } from '../workers.ts';
import type { Blocker } from './blocks.ts';
import { isPolicyType, namesUserOrServer, rulesIn } from './rules.ts';

/** Pushed events say when to read; this is for those that were missed, and for rooms that let the bot in without a word. */
const readAgainMs = 6 * 60 * 60 * 1000;

export interface PolicyRoomEffects {
  wakeBot(room: RoomId): void;
  /** Who may use the bridge may have changed. */
  wakeReviews(): void;
}

/** Whether a rule is about this contact, by the Matrix user that stands for them. */
export async function policyRoomBlocking(
  { store, settings }: BridgeContext,
  account: AccountId,
  contact: ContactId,
): Promise<Blocker | undefined> {
  const operators = settings.policyRooms.length === 0 ? [] : await store.policyRooms.rules('operator');
  const own = await store.policyRooms.rules(account);
  if (operators.length === 0 && own.length === 0) return undefined;
  const ghost = (await store.contacts.ghost(contact))?.actor.user ?? ghostUser(settings, contact);
  if (namesUserOrServer(operators, ghost)) return 'server';
  return namesUserOrServer(own, ghost) ? 'policy-room' : undefined;
}

/** Whether this event of a policy room may have changed its rules, or what the bot may read. */
export function changesPolicy({ bot }: BridgeContext, event: MatrixEvent): boolean {
  if (event.type === 'm.room.member') return event.state_key === bot.user;
  return event.type === 'm.room.redaction' || (event.state_key !== undefined && isPolicyType(event.type));
}

export function subscription({ clock }: BridgeContext, subscriber: Subscriber, room: RoomId, name: string): Change {
  const id = randomBytes(16).toString('hex');
  return { change: 'policy.subscribe', subscription: { id, subscriber, room, name, createdAt: clock.now() } };
}

/** Reads a policy room, and goes in before or out afterwards as needed. */
export async function followPolicyRoom(
  context: BridgeContext,
  room: RoomId,
  effects: PolicyRoomEffects,
): Promise<Step> {
  const { store } = context;
  const before = await store.policyRooms.get(room);
  if (before === undefined) return 'idle';
  const subscribers = await store.policyRooms.subscribersTo(room);
  if (subscribers.length === 0) {
    await leaveIfThere(context, context.bot, room);
    await store.commit([{ change: 'policy.forget', room }]);
    return 'again';
  }
  const read = await readRoom(context, room, subscribers);
  const changes: Change[] = [];
  if (read === undefined) {
    if (before.state === 'unreadable') return { waitMs: readAgainMs };
    changes.push({ change: 'policy.unreadable', room });
  } else {
    if (before.state === 'read' && sameRules(before, read)) return { waitMs: readAgainMs };
    changes.push({ change: 'policy.rules', room, read });
  }
  const now = (read === undefined ? 'unreadable' : 'read') satisfies PolicyRoom['state'];
  const told = before.state === now ? [] : await notes(context, subscribers, before, read);
  await store.commit([...changes, ...told.map(({ note }) => note)]);
  for (const { managementRoom } of told) effects.wakeBot(managementRoom);
  if (subscribers.some(({ subscriber }) => subscriber === 'operator')) {
    logRead(context, room, read);
    if (read !== undefined) effects.wakeReviews();
  }
  return { waitMs: readAgainMs };
}

function logRead({ logger }: BridgeContext, room: RoomId, read: Read | undefined): void {
  if (read === undefined) {
    logger.error({ room }, 'a policy room of the administrator cannot be read; what was read last goes on');
    return;
  }
  const { rules, leftOut } = read;
  logger.info({ room, count: rules.length, leftOver: leftOut }, 'a policy room of the administrator has been read');
}

type Read = Pick<PolicyRoom, 'rules' | 'leftOut'>;

const sameRules = (one: Read, other: Read): boolean =>
  one.leftOut === other.leftOut && JSON.stringify(one.rules) === JSON.stringify(other.rules);

/** Undefined where the bot is not let in, or there is too much in the room. */
async function readRoom(
  { homeserver, bot, settings, logger }: BridgeContext,
  room: RoomId,
  subscribers: readonly PolicySubscription[],
): Promise<Read | undefined> {
  try {
    let state = await homeserver.state(bot, room);
    if (state === undefined) {
      await homeserver.join(bot, room, await serverOf(homeserver, room, subscribers));
      state = await homeserver.state(bot, room);
    }
    return state && rulesIn(state, settings.serverName);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    logger.info({ code: error.code, room }, 'a policy room cannot be read');
    return undefined;
  }
}

/** A server by which the room can be reached, where an alias still leads there. */
async function serverOf(
  homeserver: BridgeContext['homeserver'],
  room: RoomId,
  subscribers: readonly PolicySubscription[],
): Promise<string | undefined> {
  for (const { name } of subscribers) {
    const found = name.startsWith('#') ? await homeserver.resolveAlias(name) : undefined;
    if (found?.room === room) return found.via;
  }
  return undefined;
}

interface Note {
  readonly managementRoom: RoomId;
  readonly note: Change;
}

/** What users are told when a room can be read, or cannot (any more). */
async function notes(
  { store, clock, bot }: BridgeContext,
  subscribers: readonly PolicySubscription[],
  before: PolicyRoom,
  read: Read | undefined,
): Promise<readonly Note[]> {
  const written: Note[] = [];
  for (const { id, subscriber, name } of subscribers) {
    const account = subscriber === 'operator' ? undefined : await store.accounts.get(subscriber);
    if (account === undefined) continue;
    const { managementRoom: room } = account;
    const text = read === undefined ? unreadableText(name, before, bot.user) : readText(name, read);
    const note: Change = { change: 'bot-message.add', room, key: `policy-room:${id}:${clock.now()}`, text };
    written.push({ managementRoom: room, note });
  }
  return written;
}

export function readText(name: string, { rules, leftOut }: Read): string {
  const count = rules.length === 1 ? 'One rule' : `${rules.length || 'No'} rules`;
  const more = leftOut === 0 ? '' : ` ${leftOut} more are beyond what I take from one room, and do not hold.`;
  return `I have read ${name}. ${count} of it can be about somebody here; what changes in the room changes for you.${more}`;
}

export function unreadableText(name: string, { rules }: PolicyRoom, bot: string): string {
  const meanwhile =
    rules.length === 0
      ? 'So no rule of it holds for you yet.'
      : 'The rules that I have read last go on holding until I can read it again.';
  return `I cannot read ${name}: I am not let in, or there is too much in it. ${meanwhile} Invite ${bot} there; or send "unsubscribe ${name}".`;
}
