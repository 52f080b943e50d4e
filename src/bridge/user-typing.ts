// Matrix to WhatsApp: that the user types is shown to the contact, if the user has switched that on. Best effort: nothing is kept, the last state counts.
import { BridgeError } from '../model/errors.ts';
import type { RoomId, UserId } from '../model/ids.ts';
import type { InteropClient } from '../model/interop.ts';
import type { UserJid } from '../model/jid.ts';
import type { TypingUsers } from '../model/matrix.ts';
import { preferredAddress } from './contacts.ts';
import { type ActiveAccount, type BridgeContext, isActive, isOurs } from './context.ts';
import { blockerOf } from './policy/blocks.ts';
import { isHeld } from './send.ts';
import { type Step, Workers } from './workers.ts';

/** Open clients stop showing it after about ten seconds. */
const refreshMs = 8_000;
/** Between two packets; what changes in between is left out. */
const pauseMs = 1_000;
/** The homeserver does not repeat what it has said, so its last word may have been lost. */
const longestMs = 5 * 60_000;

export interface TypingShown {
  readonly typing: boolean;
  /** When the homeserver said so, in milliseconds. */
  readonly since: number;
  readonly shown: 'composing' | 'paused';
  /** When that was sent, in milliseconds. */
  readonly sentAt: number;
}

/** What to send now, or when to look again. Neither: nothing is left to be done. */
export function nextTyping(
  { typing, since, shown, sentAt }: TypingShown,
  now: number,
): { readonly send?: 'composing' | 'paused'; readonly waitMs?: number } {
  const wanted = typing && now - since < longestMs ? 'composing' : 'paused';
  if (wanted === 'paused' && shown === 'paused') return {};
  const waitMs = sentAt + (wanted === shown ? refreshMs : pauseMs) - now;
  return waitMs > 0 ? { waitMs } : { send: wanted };
}

interface Room {
  users: readonly UserId[];
  since: number;
  shown: TypingShown['shown'];
  sentAt: number;
}

interface Way {
  readonly account: ActiveAccount;
  readonly client: InteropClient;
  readonly address: UserJid;
}

export class UserTyping {
  readonly #context: BridgeContext;
  readonly #client: (account: ActiveAccount) => InteropClient | undefined;
  readonly #workers: Workers<RoomId>;
  /** Rooms in which somebody types, or is still shown to. */
  readonly #rooms = new Map<RoomId, Room>();

  constructor(context: BridgeContext, client: (account: ActiveAccount) => InteropClient | undefined) {
    this.#context = context;
    this.#client = client;
    const { clock, logger } = context;
    this.#workers = new Workers({ name: 'user-typing', step: (room) => this.#step(room), clock, logger });
  }

  /** Somebody has begun to type in this room, or has ended. */
  pushed({ room, users }: TypingUsers): void {
    const people = users.filter((user) => !isOurs(this.#context, user));
    const known = this.#rooms.get(room);
    if (known === undefined && people.length === 0) return;
    const now = this.#context.clock.elapsed();
    if (known === undefined)
      this.#rooms.set(room, { users: people, since: now, shown: 'paused', sentAt: Number.NEGATIVE_INFINITY });
    else Object.assign(known, { users: people, since: now });
    this.#workers.wake(room);
  }

  stop(): Promise<void> {
    return this.#workers.stop();
  }

  async #step(id: RoomId): Promise<Step> {
    const way = await this.#wayTo(id);
    const room = this.#rooms.get(id);
    if (room === undefined || way === undefined) return this.#end(id);
    const now = this.#context.clock.elapsed();
    const { send, waitMs } = nextTyping({ ...room, typing: room.users.includes(way.account.user) }, now);
    if (send !== undefined) {
      room.shown = send;
      room.sentAt = now;
      try {
        await way.client.sendTyping(way.address, send);
      } catch (error) {
        if (!(error instanceof BridgeError)) throw error;
        return this.#end(id);
      }
      // The state may have changed meanwhile.
      return 'again';
    }
    return waitMs === undefined ? this.#end(id) : { waitMs };
  }

  #end(room: RoomId): Step {
    this.#rooms.delete(room);
    return 'idle';
  }

  /** Undefined where nothing may be sent. */
  async #wayTo(room: RoomId): Promise<Way | undefined> {
    const { store } = this.#context;
    const portal = await store.portals.byRoom(room);
    const account = portal && (await store.accounts.get(portal.account));
    if (portal === undefined || !isActive(account)) return undefined;
    const client = this.#client(account);
    const contact = await store.contacts.get(portal.contact);
    const address = contact && preferredAddress(contact);
    if (!client?.connected || contact === undefined || address === undefined) return undefined;
    if (await isHeld(this.#context, { account, contact, portal })) return undefined;
    if ((await blockerOf(this.#context, account.id, contact)) !== undefined) return undefined;
    // Whoever opens a chat is promised that the first message is the first that the other person hears of them.
    if (!(await store.references.any(portal.id))) return undefined;
    // Asked last: switching it off takes effect before the next packet.
    return (await store.accounts.preferences(account.id)).typing ? { account, client, address } : undefined;
  }
}
