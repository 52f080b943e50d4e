// The domain as a whole: what works in it is put together here, started and stopped together.
import type { QueueAdmin, UserDataAdmin } from '../model/admin.ts';
import type { AccountId, RoomId, UserId } from '../model/ids.ts';
import type { TransactionSink } from '../model/matrix.ts';
import type { CommandEffects } from './bot/commands.ts';
import { Connections } from './connections.ts';
import { Reviews } from './consent/reviews.ts';
import { ContactTyping } from './contact-typing.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { JoiningAndLeaving } from './joining-and-leaving.ts';
import { type Merged, mergeWorkers, tellingOfMerges } from './merged-contacts.ts';
import { tellingOfNotices } from './notices.ts';
import { Pipelines } from './pipelines.ts';
import { FollowedRooms } from './policy/followed-rooms.ts';
import type { PolicyRoomEffects } from './policy/policy-rooms.ts';
import { queueAdmin } from './queue-admin.ts';
import { Reports } from './reports/reports.ts';
import { silence } from './silence.ts';
import { watched } from './spaces/moved-chats.ts';
import { Spaces } from './spaces/spaces.ts';
import { Transactions } from './transactions.ts';
import { Upkeep } from './upkeep.ts';
import { userDataAdmin } from './user-data-admin.ts';
import { UserMembership } from './user-membership.ts';
import { UserTyping } from './user-typing.ts';
import type { MakeWorkers, Workers } from './workers.ts';
import { workersOf } from './workers-of.ts';

export class Bridge {
  readonly #context: BridgeContext;
  readonly #pipelines: Pipelines;
  readonly #connections: Connections;
  readonly #merges: Workers<Merged>;
  readonly #membership: UserMembership;
  readonly #transactions: Transactions;
  readonly #userTyping: UserTyping;
  readonly #contactTyping: ContactTyping;
  readonly #reviews: Reviews;
  readonly #joiningAndLeaving: JoiningAndLeaving;
  readonly #policyRooms: FollowedRooms;
  readonly #reports: Reports;
  readonly #spaces: Spaces;
  readonly #upkeep: Upkeep;

  constructor(given: BridgeContext) {
    const telling = tellingOfNotices(given.store, (portal) => this.#pipelines.inbox.wake(portal));
    const merging = tellingOfMerges(telling, (merged) => this.#merges.wake(merged));
    const context = { ...given, store: watched(merging, (account) => this.#spaces.wake(account)) };
    this.#context = context;
    const workers = workersOf(context);
    const effects = () => this.#effects();
    const client = (account: ActiveAccount) => this.#connections.get(account);
    this.#merges = mergeWorkers(context, workers, (portal) => this.#pipelines.wakeChat(portal));
    this.#membership = new UserMembership(context, (room) => this.#transactions.readBack([room]));
    this.#pipelines = new Pipelines({ context, workers, client, effects, membership: this.#membership });
    this.#userTyping = new UserTyping(context, client);
    this.#contactTyping = new ContactTyping(context);
    this.#reviews = new Reviews(context, workers, () => ({
      ...this.#effects(),
      connect: (account) => this.#connections.open(account),
    }));
    this.#policyRooms = new FollowedRooms(context, workers, effects);
    this.#joiningAndLeaving = new JoiningAndLeaving(context, workers, {
      connect: (account) => this.#connections.open(account),
      wakeBot: (room) => this.#pipelines.bot.wake(room),
      silence: (account) => this.#silence(account),
      departed: () => this.#policyRooms.leaveAbandoned(),
    });
    this.#reports = new Reports({
      context,
      workers,
      wakeBot: (room) => this.#pipelines.bot.wake(room),
      client,
    });
    this.#spaces = new Spaces(context, workers, (room) => this.#pipelines.bot.wake(room));
    this.#upkeep = new Upkeep(context, workers, {
      takeUp: () => this.#takeUp(),
      readBack: async () => this.#transactions.readBack(await this.#transactions.aliveRooms()),
      provoke: () => this.#transactions.provoke(),
      wakeRooms: (rooms) => this.#pipelines.rooms.wakeAll(rooms),
      wakeLateEvents: (room) => this.#pipelines.lateEvents.wake(room),
      wakeInbox: (portals) => this.#pipelines.inbox.wakeAll(portals),
      wakeChat: (portal) => this.#pipelines.wakeChat(portal),
    });
    this.#connections = this.#connectionsTo(this.#pipelines, workers);
    this.#transactions = this.#transactionsTo(this.#pipelines);
  }

  get transactions(): TransactionSink {
    return this.#transactions;
  }

  /** Whether the homeserver sends key counts with its events; undefined where it has sent none. */
  get keyCounts(): boolean | undefined {
    return this.#transactions.keyCounts;
  }

  get queue(): QueueAdmin {
    return queueAdmin(this.#context.store, (portal) => this.#pipelines.resumePortal(portal));
  }

  get userData(): UserDataAdmin {
    const { store, clock } = this.#context;
    return userDataAdmin(store, clock, (user) => this.#joiningAndLeaving.erase(user));
  }

  /** How many accounts have a live connection, and how many should. */
  get connections(): { readonly connected: number; readonly wanted: number } {
    return this.#connections.count();
  }

  /** Whether what is on record about consent was found damaged at the start. */
  get recordsDamaged(): boolean {
    return this.#reviews.recordsDamaged;
  }

  /** Whether every policy room of the administrator can be read. */
  policyRoomsAreRead(): Promise<boolean> {
    return this.#policyRooms.operatorsAreRead();
  }

  /** Whether reports of messages can be taken, if they are to be. */
  get takesReports(): boolean {
    return this.#reports.usable;
  }

  /** Prepares the bot, then takes up everything that the journals hold. Resolves when all of it has been set in motion. */
  async start(botName: string): Promise<void> {
    const { homeserver, bot } = this.#context;
    await homeserver.prepare(bot);
    if ((await homeserver.displayName(bot.user)) !== botName) await homeserver.setDisplayName(bot, botName);
    this.#transactions.start();
    this.#upkeep.start();
    // The homeserver may be waiting for minutes before it tries us again.
    await homeserver.ping().catch((error: unknown) => {
      this.#context.logger.warn(
        { err: error },
        'the homeserver cannot reach this bridge at the address in the registration',
      );
    });
  }

  homeserverIsBack(): void {
    this.#transactions.homeserverIsBack();
  }

  /** What could not be stored is tried, pushed and delivered again now. */
  databaseIsBack(): void {
    for (const each of this.#workers()) each.resumeAll();
    this.#transactions.resume();
    this.#connections.databaseIsBack();
    this.#context.homeserver.ping().catch(() => undefined);
  }

  /** Ends connections first, then lets every running step come to its end. */
  async stop(): Promise<void> {
    this.#pipelines.stop();
    await this.#connections.stop();
    await this.#transactions.stop();
    await Promise.all([...this.#workers(), this.#userTyping, this.#contactTyping].map((each) => each.stop()));
    await this.#upkeep.end();
  }

  /** Room keys have come: events that waited for them may be tried again. */
  roomKeys(rooms: readonly RoomId[]): void {
    this.#pipelines.roomKeys(rooms);
  }

  /** Devices or identities of these users may have changed: what was held for want of them may go on. */
  devicesChanged(users: readonly UserId[]): void {
    for (const user of users) {
      this.#wakeUser(user).catch((error: unknown) =>
        this.#context.logger.error({ err: error }, 'could not wake a user whose devices changed'),
      );
    }
  }

  #workers(): readonly Pick<Workers<unknown>, 'stop' | 'resumeAll'>[] {
    return [
      ...this.#pipelines.workers,
      ...this.#reviews.workers,
      ...this.#joiningAndLeaving.workers,
      ...this.#policyRooms.workers,
      ...this.#reports.workers,
      this.#spaces.workers,
      this.#connections.followUps,
      this.#merges,
      this.#upkeep.workers,
    ];
  }

  #connectionsTo(pipelines: Pipelines, workers: MakeWorkers): Connections {
    return new Connections(this.#context, workers, {
      wakeInbox: (portal) => pipelines.inbox.wake(portal),
      wakeOutbox: (portal) => pipelines.outbox.wake(portal),
      connected: (account, portals) => {
        pipelines.connected(account, portals);
        this.#reports.ofAccount.resume(account);
      },
      mediaRetry: (portal, retry) => pipelines.mediaRetry(portal, retry),
      wakeReceipts: (account) => pipelines.receipts.wake(account),
      wakeBot: (room) => pipelines.bot.wake(room),
      wakeMarks: (portal) => pipelines.marks.wake(portal),
      typing: (account, typing) => this.#contactTyping.told(account, typing),
      wrote: (account, addresses) => this.#contactTyping.wrote(account, addresses),
      wakeProfile: (contact) => pipelines.profiles.wake(contact),
    });
  }

  #transactionsTo(pipelines: Pipelines): Transactions {
    return new Transactions({
      context: this.#context,
      wakeRoom: (room) => pipelines.rooms.wake(room),
      devicesChanged: (users) => this.devicesChanged(users),
      wakeReceipts: (account) => pipelines.receipts.wake(account),
      left: (room) => this.#membership.changed(room),
      visited: ({ portal, room, managementRoom }) => {
        pipelines.bot.wake(managementRoom);
        pipelines.wakePortal(portal);
        pipelines.roomKeys([room]);
      },
      typing: (typing) => this.#userTyping.pushed(typing),
      recover: () => this.#upkeep.recover(),
      missing: () => {
        this.#membership.suspect();
        this.#upkeep.readBack();
      },
      stranded: () => this.#upkeep.provoke(),
    });
  }

  #effects(): CommandEffects & PolicyRoomEffects {
    return {
      wakePortal: (portal) => this.#pipelines.wakePortal(portal),
      wakeOutbox: (portal) => this.#pipelines.outbox.wake(portal),
      wakeBot: (room) => this.#pipelines.bot.wake(room),
      wakeUser: (user) => this.#wakeUser(user),
      wakeEnlistment: (account) => this.#joiningAndLeaving.enlistments.wake(account),
      wakeDeparture: (account) => this.#joiningAndLeaving.departures.wake(account),
      wakeErasure: (user) => this.#joiningAndLeaving.erasures.wake(user),
      wakeReports: (account) => this.#reports.ofAccount.wake(account),
      wakeModeration: () => this.#reports.look(),
      wakePolicyRoom: (room) => this.#policyRooms.wake(room),
      wakeReview: (account) => this.#reviews.wake(account),
      wakeReviews: () => this.#reviews.wakeAll(),
      silence: (account) => this.#silence(account),
      showPresence: (account, state) => this.#connections.showPresence(account, state),
      client: (account) => this.#connections.get(account),
    };
  }

  /** What the journals hold and who is to be connected, some at a time: a large installation is ready long before all of it is. */
  async #takeUp(): Promise<void> {
    const { store } = this.#context;
    const { bot, inbox, marks } = this.#pipelines;
    await this.#policyRooms.endOld();
    this.#reviews.wakeAll();
    await Promise.all([
      this.#reports.start(),
      bot.wakeAll(await store.botMessages.roomsWithWork()),
      inbox.wakeAll(await store.inbox.portalsWithWork()),
      inbox.wakeAll(await store.portals.toClose()),
      marks.wakeAll(await store.reading.portalsToMark()),
      this.#joiningAndLeaving.wakeAll(),
      this.#policyRooms.wakeAll(),
      this.#spaces.wakeAll(),
    ]);
  }

  async #wakeUser(user: UserId): Promise<void> {
    const { store } = this.#context;
    for (const account of await store.accounts.ofUser(user)) {
      this.#pipelines.bot.wake(account.managementRoom);
      for (const portal of await store.portals.ofAccount(account.id)) this.#pipelines.wakeChat(portal);
    }
  }

  #silence(account: AccountId): Promise<() => void> {
    const { store } = this.#context;
    const { receipts, ofPortal } = this.#pipelines;
    const { followUps } = this.#connections;
    return silence(
      {
        store,
        ofAccount: [
          this.#joiningAndLeaving.enlistments,
          followUps,
          receipts,
          this.#reports.ofAccount,
          this.#spaces.workers,
        ],
        ofPortal,
        breakOff: (id) => this.#pipelines.breakOff(id),
        disconnect: (id) => this.#connections.close(id),
      },
      account,
    );
  }
}
