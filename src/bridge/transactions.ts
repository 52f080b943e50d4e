// What the homeserver pushes: stored whole, then keys before events. Implements the sink of the transaction endpoint.
import type { Change } from '../model/change.ts';
import type { Actor } from '../model/contact.ts';
import type { AccountId, RoomId, UserId } from '../model/ids.ts';
import { parseUserId } from '../model/ids.ts';
import type { JsonObject, MatrixEvent, NewTransaction } from '../model/journal.ts';
import type { Ephemeral, TransactionSink, TypingUsers } from '../model/matrix.ts';
import { passed } from '../observability/fail-points.ts';
import { type BridgeContext, isOurs } from './context.ts';
import { settingAside } from './damaged-rows.ts';
import { MissedEvents } from './missed-events.ts';
import { readingChanges } from './reading.ts';
import { StrandedTransactions } from './stranded-transactions.ts';
import { releaseDeviceNotice } from './user-trust.ts';
import { hasGone, type Visits, visits } from './visitors.ts';
import { type Step, Workers } from './workers.ts';

export interface TransactionsOptions {
  readonly context: BridgeContext;
  /** Called when events of this room may be handled: the keys that were pushed with them have been. */
  readonly wakeRoom: (room: RoomId) => void;
  /** Called when these users' devices or identities may have changed. */
  readonly devicesChanged: (users: readonly UserId[]) => void;
  /** Called when something that this account's user has read is to be told. */
  readonly wakeReceipts: (account: AccountId) => void;
  /** Called when somebody has left this room, or was put out, before anybody is woken because of that. */
  readonly left: (room: RoomId) => void;
  /** Called when somebody else has come into this chat, or gone. */
  readonly visited: (chat: Visits['chats'][number]) => void;
  readonly typing: (typing: TypingUsers) => void;
  /** Called when the homeserver has dropped to-device messages. */
  readonly recover: () => void;
  /** Called when the homeserver may have forgotten what it had to push: `readBack` of `aliveRooms` is due. */
  readonly missing: () => void;
  /** Called when one may be stranded at the homeserver: `provoke` is due. */
  readonly stranded: () => void;
}

/** Between finding us back and the end of that, for the homeserver. */
const settlingMs = 3_000;

export class Transactions implements TransactionSink {
  readonly #options: TransactionsOptions;
  readonly #workers: Workers<'transactions'>;
  readonly #missed: MissedEvents;
  readonly #stranded: StrandedTransactions;
  /** When the homeserver is expected to have found us back, by `Clock.elapsed`. */
  #settledAt = 0;
  #keyCounts: boolean | undefined;

  constructor(options: TransactionsOptions) {
    this.#options = options;
    this.#missed = new MissedEvents(options.context);
    this.#stranded = new StrandedTransactions({
      isKnown: (id) => options.context.store.events.isTransactionKnown(id),
      refused: (transaction) => {
        const what = 'a transaction has not been pushed; the one after it is refused once, so that both come';
        options.context.logger.info({ transaction }, what);
        this.#awaitSettling();
        options.stranded();
      },
    });
    const { clock, logger } = options.context;
    this.#workers = new Workers({
      name: 'transactions',
      step: () => settingAside(options.context, () => this.#handleNext(), { lost: options.recover }),
      clock,
      logger,
    });
  }

  /** Whether the last events came with key counts; undefined where none have come. */
  get keyCounts(): boolean | undefined {
    return this.#keyCounts;
  }

  async store({ id, body, events }: NewTransaction, ephemeral: Ephemeral): Promise<void> {
    const { context, wakeReceipts, typing } = this.#options;
    await this.#stranded.check(id);
    // An event reaches us because of a user of ours in its room, and that user's keys are counted: events without any counts are a
    // catch-up, before which the homeserver has dropped to-device messages (Synapse).
    if (events.length > 0) this.#keyCounts = hasKeyCounts(body);
    const caughtUp = events.length > 0 ? this.#keyCounts === false : isBare(body, ephemeral);
    // What our own users send comes back to us, and says nothing new.
    const news = events.filter(({ sender }) => !isOurs(context, sender));
    const marked = { ...body, [concernedRooms]: [...new Set(news.map((event) => event.room_id))] };
    const transaction = { id, body: caughtUp ? { ...marked, [catchUp]: true } : marked, events: news };
    const reading = await readingChanges(context, ephemeral.receipts);
    const missed = await this.#missed.before(news);
    const { changes, chats } = await visits(context, [...missed.events, ...events]);
    passed('M1-transaction-pushed');
    await context.store.commit([
      ...missedTransaction(missed.events),
      { change: 'transaction.store', transaction },
      ...reading.changes,
      ...changes,
    ]);
    passed('M2-transaction-committed');
    missed.stored();
    if (reading.accounts.length > 0) passed('MC1-reading-committed');
    this.#stored([...missed.events, ...news], chats);
    for (const account of reading.accounts) wakeReceipts(account.id);
    for (const each of ephemeral.typing) typing(each);
  }

  reconnected(): void {
    if (!this.#missed.wereSuspected()) this.homeserverIsBack();
  }

  /** The homeserver was away: it may have forgotten what it had to push. */
  homeserverIsBack(): void {
    this.#missed.suspect();
    this.#options.missing();
  }

  /** Chats in which something may not have been pushed, and nothing new may come for long. */
  aliveRooms(): Promise<readonly RoomId[]> {
    return this.#missed.aliveRooms();
  }

  /** Looks for what the homeserver has not pushed, at the end of these rooms. */
  async readBack(rooms: readonly RoomId[]): Promise<void> {
    const { context } = this.#options;
    for (const room of rooms) {
      const events = await this.#missed.atEnd(room);
      if (events.length === 0) continue;
      const { changes, chats } = await visits(context, events);
      await context.store.commit([...missedTransaction(events), ...changes]);
      this.#stored(events, chats);
    }
  }

  /** Who has left is known before anybody goes on. */
  #stored(events: readonly MatrixEvent[], chats: Visits['chats']): void {
    const { left, visited } = this.#options;
    for (const event of events) if (hasGone(event)) left(event.room_id);
    this.#workers.wake('transactions');
    for (const chat of chats) visited(chat);
  }

  /** Has the homeserver push something, a while after it may have stranded a transaction: its number shows whether one is missing. */
  async provoke(): Promise<Step> {
    const { homeserver, bot, clock } = this.#options.context;
    const waitMs = this.#settledAt - clock.elapsed();
    if (waitMs > 0) return { waitMs };
    await homeserver.provokePush(bot);
    return 'idle';
  }

  async userExists(user: UserId): Promise<boolean> {
    const { bot, store } = this.#options.context;
    return user === bot.user || (await store.contacts.ghostByUser(user)) !== undefined;
  }

  start(): void {
    this.#awaitSettling();
    this.#workers.wake('transactions');
  }

  /** What has failed is tried again now. */
  resume(): void {
    this.#workers.resumeAll();
  }

  stop(): Promise<void> {
    return this.#workers.stop();
  }

  #awaitSettling(): void {
    this.#settledAt = this.#options.context.clock.elapsed() + settlingMs;
  }

  async #handleNext(): Promise<Step> {
    const { context, wakeRoom } = this.#options;
    const transaction = await context.store.events.nextTransaction();
    if (transaction === undefined) return 'idle';
    await this.#handleKeys(transaction.body);
    passed('M4-keys-fed');
    await context.store.commit([{ change: 'transaction.done', seq: transaction.seq }]);
    passed('M5-keys-settled');
    // Now, however many more transactions wait: the keys to these events have been fed.
    for (const room of roomsOf(transaction.body)) wakeRoom(room);
    return 'again';
  }

  async #handleKeys(body: JsonObject): Promise<void> {
    const { context, devicesChanged, recover } = this.#options;
    const changed = changedUsers(body);
    const actors = await concernedActors(context, body, changed);
    if (actors.length > 0) await context.crypto.receive(body, actors);
    if (changed.length > 0) {
      for (const user of changed) await releaseDeviceNotice(context, user);
      devicesChanged(changed);
    }
    if (catchUp in body) recover();
  }
}

/** Keys to them may have been forgotten as well. */
function missedTransaction(events: readonly MatrixEvent[]): Change[] {
  const [first] = events;
  if (first === undefined) return [];
  const body = { [catchUp]: true, [concernedRooms]: [...new Set(events.map((event) => event.room_id))] };
  return [{ change: 'transaction.store', transaction: { id: `missed:${first.event_id}`, body, events } }];
}

/** Our own marks in a stored body. */
const catchUp = 'matrix-appservice-whatsapp.catch-up';
const concernedRooms = 'matrix-appservice-whatsapp.rooms';

function roomsOf(body: JsonObject): readonly RoomId[] {
  const rooms = body[concernedRooms];
  return Array.isArray(rooms) ? rooms : [];
}

function objectAt(body: JsonObject, ...keys: string[]): JsonObject | undefined {
  for (const key of keys) {
    const value = body[key];
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as JsonObject;
  }
  return undefined;
}

const countKeys = [
  'device_one_time_keys_count',
  'device_one_time_key_counts',
  'org.matrix.msc3202.device_one_time_keys_count',
  'org.matrix.msc3202.device_one_time_key_counts',
];

function hasKeyCounts(body: JsonObject): boolean {
  return countKeys.some((key) => key in body);
}

/** What is left of a transaction that could not be pushed: without events, Synapse pushes it empty, and never without counts otherwise. */
function isBare(body: JsonObject, { receipts, typing }: Ephemeral): boolean {
  const isEmpty = (value: unknown): boolean =>
    typeof value === 'object' && value !== null && Object.values(value).every(isEmpty);
  return !hasKeyCounts(body) && receipts.length + typing.length === 0 && isEmpty(body);
}

function changedUsers(body: JsonObject): UserId[] {
  const changed = objectAt(body, 'device_lists', 'org.matrix.msc3202.device_lists')?.changed;
  return Array.isArray(changed)
    ? changed.flatMap((user) => (typeof user === 'string' ? (parseUserId(user) ?? []) : []))
    : [];
}

/** Users of ours to whom this transaction brings something: addressed directly, counted, or in a chat with somebody who changed devices. */
async function concernedActors(context: BridgeContext, body: JsonObject, changed: readonly UserId[]): Promise<Actor[]> {
  const users = new Set<string>(Object.keys(objectAt(body, ...countKeys) ?? {}));
  const toDevice = body.to_device ?? body['de.sorunome.msc2409.to_device'];
  for (const message of Array.isArray(toDevice) ? toDevice : []) {
    if (typeof message?.to_user_id === 'string') users.add(message.to_user_id);
  }
  const actors = new Map<string, Actor>([[context.bot.user, context.bot]]);
  for (const text of users) {
    const user = parseUserId(text);
    const ghost = user === undefined ? undefined : await context.store.contacts.ghostByUser(user);
    if (ghost?.ready) actors.set(ghost.actor.user, ghost.actor);
  }
  for (const user of changed) {
    for (const account of await context.store.accounts.ofUser(user)) {
      for (const portal of await context.store.portals.ofAccount(account.id)) {
        const ghost = await context.store.contacts.ghost(portal.contact);
        if (ghost?.ready) actors.set(ghost.actor.user, ghost.actor);
      }
    }
  }
  return [...actors.values()];
}
