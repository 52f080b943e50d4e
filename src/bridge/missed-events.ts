// Events that the homeserver has accepted and does not push: a Synapse that is killed forgets what it had read for us and not written down yet. They are
// read back from their rooms, before anything newer of the room is stored.
import { BridgeError } from '../model/errors.ts';
import type { EventId, RoomId } from '../model/ids.ts';
import type { MatrixEvent } from '../model/journal.ts';
import { type BridgeContext, isOurs } from './context.ts';

/** Of a room, before an event or at its end. */
const looked = 50;
const dayMs = 24 * 60 * 60 * 1000;
/** The homeserver pushes nothing else meanwhile. */
const patienceMs = 10_000;
/** Chats that were alive so long before are read back even where nothing new comes. */
const aliveMs = 15 * 60 * 1000;
const mostAlive = 1_000;
/** Where every push comes over a connection of its own (a proxy before us), not every room is read back every time. */
const pauseMs = 1_000;

/** What is older (ms, by `Clock.now`) may have been dealt with and forgotten here: it is never read back. */
export function readBackSince({ clock, settings }: Pick<BridgeContext, 'clock' | 'settings'>): number {
  return clock.now() - Math.min(dayMs, settings.retentionMs / 2);
}

export interface Missed {
  readonly events: readonly MatrixEvent[];
  /** To be called when they are stored. */
  readonly stored: () => void;
}

export class MissedEvents {
  readonly #context: BridgeContext;
  /** Rooms that have been read back since the homeserver may have been restarted. */
  #read = new Set<RoomId>();
  /** By `Clock.elapsed`. */
  #suspectedAt = Number.NEGATIVE_INFINITY;
  /** When something was last stored, and when before it may have been restarted, by `Clock.now`. */
  #lastAt: number | undefined;
  #lastBefore: number | undefined;

  constructor(context: BridgeContext) {
    this.#context = context;
  }

  /** The homeserver may have been restarted: every room is read back before its next event is stored. */
  suspect(): void {
    this.#read = new Set();
    this.#suspectedAt = this.#context.clock.elapsed();
    this.#lastBefore = this.#lastAt;
  }

  /** Whether that has been supposed just now. */
  wereSuspected(): boolean {
    return this.#context.clock.elapsed() - this.#suspectedAt < pauseMs;
  }

  /** Where something was said shortly before it may have been restarted. */
  aliveRooms(): Promise<readonly RoomId[]> {
    return this.#context.store.references.roomsActive(aliveMs, this.#lastBefore, mostAlive);
  }

  /** What is to be stored before `pushed`, each room's in its order. */
  async before(pushed: readonly MatrixEvent[]): Promise<Missed> {
    const read = this.#read;
    const first = new Map<RoomId, EventId>();
    for (const { room_id: room, event_id: event } of pushed) {
      if (!read.has(room) && !first.has(room)) first.set(room, event);
    }
    const events = await Promise.all([...first].map(([room, event]) => this.#readBack(room, event)));
    return {
      events: events.flat(),
      stored: () => {
        for (const room of first.keys()) read.add(room);
        this.#lastAt = this.#context.clock.now();
      },
    };
  }

  /** What stands at the end of this room. */
  atEnd(room: RoomId): Promise<readonly MatrixEvent[]> {
    return this.#readBack(room, undefined);
  }

  async #readBack(room: RoomId, before: EventId | undefined): Promise<readonly MatrixEvent[]> {
    const { store, homeserver, logger } = this.#context;
    const portal = await store.portals.byRoom(room);
    const ghost = portal && (await store.contacts.ghost(portal.contact));
    if (portal === undefined || !ghost?.ready) return [];
    try {
      const last = await inTime(this.#context, homeserver.lastOfOthers(ghost.actor, room, looked, before));
      const recent = last.filter(({ sender }) => !isOurs(this.#context, sender));
      const known = await store.events.known(recent.map((event) => event.event_id));
      const { events, reached } = missing(recent, known, readBackSince(this.#context));
      // At the end of a room, that many are no gap: they wait to be pushed.
      if (events.length === 0 || (before === undefined && !reached && last.length >= looked)) return [];
      const fields = { portal: portal.id, count: events.length };
      logger.warn(fields, 'the homeserver had not pushed events; they were read');
      return events;
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      logger.warn({ portal: portal.id, code: error.code, err: error }, 'it was not looked for events that were missed');
      return [];
    }
  }
}

/**
 * Of events of a room, the latest first, those after the last that is known (stored, or dealt with), in their order. What is older than
 * `since` (ms) may have been forgotten here, and does not count. `reached`: there is something known, or that old.
 */
export function missing(
  recent: readonly MatrixEvent[],
  known: ReadonlySet<EventId>,
  since: number,
): { readonly events: readonly MatrixEvent[]; readonly reached: boolean } {
  const end = recent.findIndex((event) => known.has(event.event_id) || event.origin_server_ts < since);
  return { events: recent.slice(0, end === -1 ? recent.length : end).toReversed(), reached: end !== -1 };
}

async function inTime<Answer>({ clock }: BridgeContext, answer: Promise<Answer>): Promise<Answer> {
  const over = new AbortController();
  const late = clock.sleep(patienceMs, over.signal).then(() => {
    throw new BridgeError('bridge.read-late', 'a room could not be read in time', { retry: 'later' });
  });
  try {
    return await Promise.race([answer, late]);
  } finally {
    late.catch(() => undefined);
    over.abort();
  }
}
