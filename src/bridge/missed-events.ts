// Events that the homeserver has accepted and does not push: a Synapse that is killed forgets what it had read for us and not written down yet. They are
// read back from their rooms, before anything newer of the room is stored.
import { BridgeError } from '../model/errors.ts';
import type { EventId, RoomId } from '../model/ids.ts';
import type { MatrixEvent } from '../model/journal.ts';
import { type BridgeContext, isOurs } from './context.ts';

/** Of a room; Synapse puts at most as many into one transaction. */
const looked = 100;
const dayMs = 24 * 60 * 60 * 1000;
/** The homeserver pushes nothing else meanwhile. */
const patienceMs = 10_000;
/** Chats that were alive so long before are read back even where nothing new comes. */
const aliveMs = 15 * 60 * 1000;
const mostAlive = 1_000;
/** Where every push comes over a connection of its own (a proxy before us), not every room is read back every time. */
const pauseMs = 1_000;

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
    return this.in(
      pushed.map((event) => event.room_id),
      pushed,
    );
  }

  async in(rooms: readonly RoomId[], pushed: readonly MatrixEvent[] = []): Promise<Missed> {
    const read = this.#read;
    const due = [...new Set(rooms)].filter((room) => !read.has(room));
    const ids = new Set(pushed.map((event) => event.event_id));
    const events = (await Promise.all(due.map((room) => this.#readBack(room, ids)))).flat();
    return {
      events,
      stored: () => {
        for (const room of due) read.add(room);
        this.#lastAt = this.#context.clock.now();
      },
    };
  }

  async #readBack(room: RoomId, pushed: ReadonlySet<EventId>): Promise<readonly MatrixEvent[]> {
    const { store, homeserver, clock, settings, logger } = this.#context;
    const portal = await store.portals.byRoom(room);
    const ghost = portal && (await store.contacts.ghost(portal.contact));
    if (portal === undefined || !ghost?.ready) return [];
    try {
      const last = await inTime(this.#context, homeserver.lastOfOthers(ghost.actor, room, looked));
      const recent = last.filter(({ sender }) => !isOurs(this.#context, sender));
      const known = await store.events.known(recent.map((event) => event.event_id));
      const since = clock.now() - Math.min(dayMs, settings.retentionMs / 2);
      const events = missing(recent, { known, pushed, since });
      const count = events.length;
      if (count > 0) logger.warn({ portal: portal.id, count }, 'the homeserver had not pushed events; they were read');
      return events;
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      logger.warn({ portal: portal.id, code: error.code, err: error }, 'it was not looked for events that were missed');
      return [];
    }
  }
}

export interface Seen {
  /** What is stored, or was dealt with. */
  readonly known: ReadonlySet<EventId>;
  readonly pushed: ReadonlySet<EventId>;
  /** Milliseconds since the Unix epoch: the ids of what is older may have been forgotten. */
  readonly since: number;
}

/** Of the last events of a room, the latest first, those that are neither known nor pushed and come before those that are: in their order. */
export function missing(recent: readonly MatrixEvent[], { known, pushed, since }: Seen): readonly MatrixEvent[] {
  const end = recent.findIndex((event) => known.has(event.event_id) || event.origin_server_ts < since);
  const unknown = recent.slice(0, end === -1 ? recent.length : end).toReversed();
  const next = unknown.findIndex((event) => pushed.has(event.event_id));
  return next === -1 ? unknown : unknown.slice(0, next);
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
