// Whether the user is still in the room of a chat. Who leaves while we are dead, or the homeserver is, is heard of only when that has been pushed: what
// is put into the room before would be seen by nobody.
import { BridgeError } from '../model/errors.ts';
import type { RoomId } from '../model/ids.ts';
import type { BridgeContext } from './context.ts';
import type { Chat } from './deliver-events.ts';
import { closeRoom } from './portal-rooms.ts';
import type { Step } from './workers.ts';

/** How long the homeserver has for pushing it by itself, in milliseconds. */
const patienceMs = 10_000;
const pauseMs = 1_000;
/** Events of others at the end of a room, among which the leaving is. */
const looked = 50;

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

  /** `there`, or what the chat does until their leaving has been heard of. What they had said before comes first, so the room is kept till then. */
  async ask(chat: Chat): Promise<'there' | Step> {
    const { room, portal } = chat;
    const [there, gone] = [this.#there, this.#gone];
    if (there.has(room)) return 'there';
    if (await this.#isThere(chat)) {
      there.add(room);
      return 'there';
    }
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

  async #lookBack(chat: Chat): Promise<Step> {
    const { store } = this.#context;
    const { room, portal, ghost } = chat;
    this.#gone.delete(room);
    await this.#readBack(room);
    const isOnItsWay = (await store.events.next(room)) !== undefined;
    if (isOnItsWay || !(await this.#hasHeard(chat))) return { waitMs: pauseMs };
    // It was pushed before the room was known as that of a chat.
    await store.commit([await closeRoom(this.#context, portal, ghost, room)]);
    return 'again';
  }

  /** Whether the user's leaving was stored once, or is older than what is remembered of that. */
  async #hasHeard({ ghost, room, account }: Chat): Promise<boolean> {
    const { store, homeserver, clock, settings } = this.#context;
    const last = await homeserver.lastOfOthers(ghost.actor, room, looked);
    const leaving = last.find(({ type, state_key }) => type === 'm.room.member' && state_key === account.user);
    if (leaving === undefined) return false;
    if (leaving.origin_server_ts < clock.now() - settings.retentionMs) return true;
    return (await store.events.known([leaving.event_id])).has(leaving.event_id);
  }
}
