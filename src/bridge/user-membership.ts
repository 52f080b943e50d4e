// Whether the user is still in the room of a chat. Who leaves while we are dead, or the homeserver is, is heard of only when that has been pushed: what
// is put into the room before would be seen by nobody. Neither would what is put into a room that was made without its invitation.
import type { Change } from '../model/change.ts';
import { BridgeError } from '../model/errors.ts';
import type { RoomId } from '../model/ids.ts';
import type { BridgeContext } from './context.ts';
import type { Chat } from './deliver-events.ts';
import { networkNames } from './labels.ts';
import { readBackSince } from './missed-events.ts';
import { closeRoom } from './portal-rooms.ts';
import type { Step } from './workers.ts';

/** How long the homeserver has for pushing it by itself, in milliseconds. */
const patienceMs = 10_000;
const pauseMs = 1_000;
/** A user who takes no invitations is invited again after this, in milliseconds, or when the contact writes. */
const refusedPauseMs = 10 * 60 * 1000;
/** Events of others at the end of a room, among which the leaving is. */
const looked = 50;
const membership = 'm.room.member';

export class UserMembership {
  readonly #context: BridgeContext;
  readonly #readBack: (room: RoomId) => Promise<void>;
  /** Rooms whose user was there since something may have been missed: what happens from then on is pushed. */
  #there = new Set<RoomId>();
  /** Since when the user is known to be out of a room, by `Clock.elapsed`. */
  #gone = new Map<RoomId, number>();

  /** `readBack` stores what the homeserver has not pushed of a room. */
  constructor(context: BridgeContext, readBack: (room: RoomId) => Promise<void>) {
    this.#context = context;
    this.#readBack = readBack;
  }

  /** Something may have been missed: each room is asked about once more. */
  suspect(): void {
    this.#there = new Set();
    this.#gone = new Map();
  }

  /** Somebody has left this room: it is asked about once more. */
  changed(room: RoomId): void {
    this.#there.delete(room);
  }

  /** `there`, or what the chat does until they can be invited, or their leaving has been heard of. What they had said before comes first, so the room is kept till then. */
  async ask(chat: Chat): Promise<'there' | Step> {
    const { room, portal } = chat;
    const [there, gone] = [this.#there, this.#gone];
    if (there.has(room)) return 'there';
    if (await this.#isThere(chat)) {
      there.add(room);
      return 'there';
    }
    if (!gone.has(room) && !(await this.#wasInvited(chat))) return this.#invite(chat, there);
    const { clock, logger } = this.#context;
    const now = clock.elapsed();
    const since = gone.get(room) ?? now;
    if (!gone.has(room)) {
      logger.info({ portal: portal.id }, 'a user has left a chat; it waits until the homeserver says so');
      gone.set(room, since);
    }
    return now - since < patienceMs ? { waitMs: pauseMs } : this.#lookBack(chat);
  }

  async #isThere({ ghost, room, account }: Chat): Promise<boolean> {
    try {
      return (await this.#context.homeserver.members(ghost.actor, room)).has(account.user);
    } catch (error) {
      // A room that the ghost has lost is found out by sending.
      if (error instanceof BridgeError && error.retry === 'never') return true;
      throw error;
    }
  }

  /** Whether the user is, or was, in the room or invited: a homeserver that dies while it makes a room, or refuses the invitation, leaves it without. */
  async #wasInvited({ ghost, room, account }: Chat): Promise<boolean> {
    const state = await this.#context.homeserver.state(ghost.actor, room);
    return state === undefined || state.some(({ type, stateKey }) => type === membership && stateKey === account.user);
  }

  async #invite(chat: Chat, there: Set<RoomId>): Promise<'there' | Step> {
    const { homeserver, logger, store } = this.#context;
    const { ghost, room, account, portal } = chat;
    try {
      await homeserver.invite(ghost.actor, room, account.user);
    } catch (error) {
      if (!(error instanceof BridgeError) || error.code !== 'matrix.forbidden') throw error;
      logger.warn({ portal: portal.id, code: error.code }, 'a user cannot be invited to a chat; it waits');
      await store.commit([this.#notInvited(chat)]);
      return { waitMs: refusedPauseMs };
    }
    there.add(room);
    return 'there';
  }

  /** Once for each room, in the room with the bot. Names nobody. */
  #notInvited({ account, room }: Chat): Change {
    const text = [
      `Somebody writes to you on ${networkNames[account.network]}, but you cannot be invited to the chat: either you do not accept invitations, or this server does not allow them. So it cannot be opened, and what they write waits.`,
      `Accept invitations from ${this.#context.settings.serverName} in the settings of your client. You are invited again every ten minutes, and the chat goes on by itself. If you accept them already, ask whoever runs this server.`,
    ].join('\n\n');
    return { change: 'bot-message.add', room: account.managementRoom, key: `not-invited:${room}`, text };
  }

  async #lookBack(chat: Chat): Promise<Step> {
    const { store } = this.#context;
    const { room, portal, ghost } = chat;
    this.#gone.delete(room);
    await this.#readBack(room);
    const isOnItsWay = (await store.events.next(room)) !== undefined;
    if (isOnItsWay || !(await this.#hasHeard(chat))) return { waitMs: pauseMs };
    // Nothing will store it any more: it was heard of before, or is too old.
    await store.commit([await closeRoom(this.#context, portal, ghost, room)]);
    return 'again';
  }

  /** Whether the user's leaving was stored once, or is older than what is read back: then nothing will ever store it. */
  async #hasHeard({ ghost, room, account }: Chat): Promise<boolean> {
    const { store, homeserver } = this.#context;
    const last = await homeserver.lastOfOthers(ghost.actor, room, looked);
    const leaving = last.find(({ type, state_key }) => type === membership && state_key === account.user);
    if (leaving === undefined) return false;
    if (leaving.origin_server_ts < readBackSince(this.#context)) return true;
    return (await store.events.known([leaving.event_id])).has(leaving.event_id);
  }
}
