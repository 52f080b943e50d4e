// The domain as a whole: the workers over the journals, started and stopped together.
import type { QueueAdmin, UserDataAdmin } from '../model/admin.ts';
import type { Actor } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { AccountId, ContactId, EventId, PortalId, RoomId, UserId } from '../model/ids.ts';
import type { TransactionSink } from '../model/matrix.ts';
import type { Store } from '../model/store.ts';
import type { Holds } from './awaited.ts';
import { sendNextBotMessage } from './bot/bot-messages.ts';
import type { CommandEffects } from './bot/commands.ts';
import { Connections, sendReceipts } from './connections.ts';
import { review } from './consent/review.ts';
import { ContactTyping } from './contact-typing.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { settingAside } from './damaged-rows.ts';
import { deliverNext } from './deliver.ts';
import { depart } from './departures.ts';
import { type Enlisted, enlist } from './enlistments.ts';
import { beginErasure, eraseNext } from './erasures.ts';
import { TransferSlots } from './files/slots.ts';
import { FilesToMatrix } from './files/to-matrix.ts';
import { FilesToWhatsApp } from './files/to-whatsapp.ts';
import { handleLateEvents } from './late-events.ts';
import { setNextMark } from './marks.ts';
import { handleNextEvent } from './matrix-events.ts';
import { endOldRooms, findNewRooms, operatorRoomsAreRead } from './policy/operator-rooms.ts';
import { followPolicyRoom, type PolicyRoomEffects } from './policy/policy-rooms.ts';
import { expireRequests } from './policy/requests.ts';
import { followProfile } from './profiles.ts';
import { queueAdmin } from './queue-admin.ts';
import { confirmReading } from './reading.ts';
import { expireUnconfirmed, giveUpUnreadable } from './receipts.ts';
import { giveUpUnanswered } from './receive.ts';
import { Recovery } from './recovery.ts';
import { RenewedGhosts } from './renewed-ghosts.ts';
import { sendNext } from './send.ts';
import { silence } from './silence.ts';
import { Transactions } from './transactions.ts';
import { userDataAdmin } from './user-data-admin.ts';
import { UserTyping } from './user-typing.ts';
import { type Step, Workers, type WorkersOptions } from './workers.ts';

const expiryCheckMs = 5 * 60 * 1000;
const reviewPeriodMs = 60 * 60 * 1000;

/** What goes on beside the chats. */
type Upkeep = 'taking-up' | 'recovery' | 'housekeeping' | 'expiry';

export class Bridge {
  readonly #context: BridgeContext;
  readonly #connections: Connections;
  readonly #transactions: Transactions;
  readonly #inbox: Workers<PortalId>;
  readonly #outbox: Workers<PortalId>;
  readonly #slots: TransferSlots;
  readonly #filesToMatrix: FilesToMatrix;
  readonly #incomingFiles: Workers<PortalId>;
  readonly #outgoingFiles: Workers<PortalId>;
  readonly #rooms: Workers<RoomId>;
  readonly #lateEvents: Workers<RoomId>;
  readonly #bot: Workers<RoomId>;
  readonly #profiles: Workers<ContactId>;
  readonly #receipts: Workers<AccountId>;
  readonly #marks: Workers<PortalId>;
  readonly #userTyping: UserTyping;
  readonly #contactTyping: ContactTyping;
  readonly #enlistments: Workers<AccountId>;
  readonly #reviews: Workers<AccountId>;
  readonly #audits: Workers<'all'>;
  readonly #departures: Workers<AccountId>;
  readonly #erasures: Workers<UserId>;
  readonly #policyRooms: Workers<RoomId>;
  readonly #operatorRooms: Workers<'all'>;
  readonly #goodbyes = new Map<RoomId, number>();
  readonly #upkeep: Workers<Upkeep>;
  readonly #recovery: Recovery;
  readonly #stopping = new AbortController();
  #audited = false;
  #recordsDamaged = false;
  readonly #keyWaits = new Map<EventId, number>();
  readonly #holds: Holds = new Map();

  constructor(context: BridgeContext) {
    this.#context = context;
    const renewed = new RenewedGhosts(context);
    const renew = (actor: Actor): Promise<void> => renewed.renew(actor);
    const workers = <Key>(name: string, step: WorkersOptions<Key>['step'], parallel = 16): Workers<Key> =>
      new Workers({
        name,
        step: (...input) => settingAside(context, () => step(...input), { renew }),
        parallel,
        clock: context.clock,
        logger: context.logger,
      });
    this.#inbox = workers('inbox', (portal) => this.#deliver(portal));
    this.#outbox = workers('outbox', (portal) => this.#send(portal));
    this.#slots = new TransferSlots(context.settings.transfers);
    this.#filesToMatrix = new FilesToMatrix({
      context,
      slots: this.#slots,
      client: (account) => this.#connections.get(account),
      wakeInbox: (portal) => this.#inbox.wake(portal),
    });
    // Bounded by the slots, which are shared fairly between accounts.
    const anyNumber = Number.POSITIVE_INFINITY;
    this.#incomingFiles = workers('incoming-files', (portal) => this.#filesToMatrix.carryNext(portal), anyNumber);
    const filesToWhatsApp = new FilesToWhatsApp(context, this.#slots, (portal) => this.#outbox.wake(portal));
    this.#outgoingFiles = workers('outgoing-files', (portal) => filesToWhatsApp.carryNext(portal), anyNumber);
    this.#rooms = workers('events', (room) => handleNextEvent(context, room, this.#keyWaits, this.#effects()));
    this.#lateEvents = workers('late-events', (room) => handleLateEvents(context, room, this.#effects()), 4);
    this.#bot = workers('bot', (room) => sendNextBotMessage(context, room));
    this.#profiles = workers('profiles', (contact) => this.#followProfile(contact), 2);
    this.#receipts = workers('receipts', (account) => this.#sendReceipts(account));
    this.#marks = workers('marks', (portal) => setNextMark(context, portal));
    this.#userTyping = new UserTyping(context, (account) => this.#connections.get(account));
    this.#contactTyping = new ContactTyping(context);
    this.#enlistments = workers('enlistments', (account, halted) => this.#enlist(account, halted));
    this.#reviews = workers('reviews', (account) => this.#review(account), 4);
    this.#audits = workers('audits', () => this.#reviewAll());
    this.#departures = workers('departures', (account) => this.#depart(account));
    this.#policyRooms = workers('policy-rooms', (room) => followPolicyRoom(context, room, this.#effects()), 2);
    const followRoom = (room: RoomId): void => this.#policyRooms.wake(room);
    this.#operatorRooms = workers('operator-rooms', () => findNewRooms(context, followRoom));
    this.#erasures = workers('erasures', (user) => eraseNext(context, user, this.#goodbyes, this.#effects()));
    this.#upkeep = workers('upkeep', (what) => this.#keepUp(what));
    this.#recovery = new Recovery(context);
    this.#connections = new Connections(context, {
      wakeInbox: (portal) => this.#inbox.wake(portal),
      wakeOutbox: (portal) => this.#outbox.wake(portal),
      connected: (account, portals) => {
        this.#receipts.resume(account);
        for (const portal of portals) this.#outbox.resume(portal);
      },
      mediaRetry: async (portal, retry) => {
        if (await this.#filesToMatrix.answered(portal, retry)) this.#incomingFiles.wake(portal);
      },
      wakeReceipts: (account) => this.#receipts.wake(account),
      wakeBot: (room) => this.#bot.wake(room),
      wakeMarks: (portal) => this.#marks.wake(portal),
      typing: (account, typing) => this.#contactTyping.told(account, typing),
      wrote: (account, addresses) => this.#contactTyping.wrote(account, addresses),
      wakeProfile: (contact) => this.#profiles.wake(contact),
    });
    this.#transactions = new Transactions({
      context,
      wakeRoom: (room) => this.#rooms.wake(room),
      devicesChanged: (users) => this.devicesChanged(users),
      wakeReceipts: (account) => this.#receipts.wake(account),
      visited: ({ portal, room, managementRoom }) => {
        this.#bot.wake(managementRoom);
        for (const each of [this.#inbox, this.#outbox, this.#marks]) each.wake(portal);
        this.roomKeys([room]);
      },
      typing: (typing) => this.#userTyping.pushed(typing),
      recover: () => this.#upkeep.wake('recovery'),
    });
  }

  get transactions(): TransactionSink {
    return this.#transactions;
  }

  /** Whether the homeserver sends key counts with its events; undefined where it has sent none. */
  get keyCounts(): boolean | undefined {
    return this.#transactions.keyCounts;
  }

  get queue(): QueueAdmin {
    return queueAdmin(this.#context.store, (portal) => {
      this.#inbox.resume(portal);
      this.#outbox.resume(portal);
    });
  }

  get userData(): UserDataAdmin {
    const { store, clock } = this.#context;
    return userDataAdmin(store, clock, async (user) => {
      await beginErasure(store, user);
      this.#erasures.wake(user);
    });
  }

  /** How many accounts have a live connection, and how many should. */
  get connections(): { readonly connected: number; readonly wanted: number } {
    return this.#connections.count();
  }

  /** Prepares the bot, then takes up everything that the journals hold. Resolves when all of it has been set in motion. */
  async start(botName: string): Promise<void> {
    const { homeserver, bot } = this.#context;
    await homeserver.prepare(bot);
    if ((await homeserver.displayName(bot.user)) !== botName) await homeserver.setDisplayName(bot, botName);
    this.#transactions.start();
    this.#upkeep.wake('taking-up');
    this.#upkeep.wake('recovery');
    this.#upkeep.wake('housekeeping');
    this.#upkeep.wake('expiry');
    // The homeserver may be waiting for minutes before it tries us again.
    await homeserver.ping().catch((error: unknown) => {
      this.#context.logger.warn(
        { err: error },
        'the homeserver cannot reach this bridge at the address in the registration',
      );
    });
  }

  /** What the journals hold and who is to be connected, some at a time: a large installation is ready long before all of it is. */
  async #takeUp(): Promise<Step> {
    const { store } = this.#context;
    await endOldRooms(this.#context);
    this.#audits.wake('all');
    this.#operatorRooms.wake('all');
    await Promise.all([
      this.#bot.wakeAll(await store.botMessages.roomsWithWork()),
      this.#inbox.wakeAll(await store.inbox.portalsWithWork()),
      this.#inbox.wakeAll(await store.portals.toClose()),
      this.#marks.wakeAll(await store.reading.portalsToMark()),
      this.#departures.wakeAll((await store.accounts.departures()).map(({ account }) => account)),
      this.#policyRooms.wakeAll(await store.policyRooms.rooms()),
      this.#erasures.wakeAll((await store.erasures.all()).map(({ user }) => user)),
    ]);
    return 'idle';
  }

  /** What could not be stored is tried, pushed and delivered again now. */
  databaseIsBack(): void {
    for (const each of this.#workers()) each.resumeAll();
    this.#transactions.resume();
    this.#connections.redeliver();
    this.#context.homeserver.ping().catch(() => undefined);
  }

  /** Ends connections first, then lets every running step come to its end. */
  async stop(): Promise<void> {
    this.#slots.stop();
    this.#stopping.abort();
    await this.#connections.stop();
    await this.#transactions.stop();
    await Promise.all([...this.#workers(), this.#userTyping, this.#contactTyping].map((each) => each.stop()));
  }

  #workers(): readonly Pick<Workers<unknown>, 'stop' | 'resumeAll'>[] {
    return [
      this.#inbox,
      this.#outbox,
      this.#incomingFiles,
      this.#outgoingFiles,
      this.#rooms,
      this.#lateEvents,
      this.#bot,
      this.#profiles,
      this.#receipts,
      this.#marks,
      this.#enlistments,
      this.#reviews,
      this.#audits,
      this.#departures,
      this.#erasures,
      this.#policyRooms,
      this.#operatorRooms,
      this.#upkeep,
    ];
  }

  /** Room keys have come: events that waited for them may be tried again. */
  roomKeys(rooms: readonly RoomId[]): void {
    for (const room of rooms) {
      this.#rooms.wake(room);
      this.#lateEvents.wake(room);
    }
  }

  /** Devices or identities of these users may have changed: what was held for want of them may go on. */
  devicesChanged(users: readonly UserId[]): void {
    for (const user of users) {
      this.#wakeUser(user).catch((error: unknown) =>
        this.#context.logger.error({ err: error }, 'could not wake a user whose devices changed'),
      );
    }
  }

  #effects(): CommandEffects & PolicyRoomEffects {
    return {
      wakePortal: (portal) => {
        this.#inbox.wake(portal);
        this.#outbox.wake(portal);
      },
      wakeBot: (room) => this.#bot.wake(room),
      wakeUser: (user) => this.#wakeUser(user),
      wakeEnlistment: (account) => this.#enlistments.wake(account),
      wakeDeparture: (account) => this.#departures.wake(account),
      wakeErasure: (user) => this.#erasures.wake(user),
      wakePolicyRoom: (room) => this.#policyRooms.wake(room),
      wakeReview: (account) => this.#reviews.wake(account),
      wakeReviews: () => this.#audits.wake('all'),
      silence: (account) => this.#silence(account),
      showPresence: (account, state) => this.#connections.showPresence(account, state),
      client: (account) => this.#connections.get(account),
    };
  }

  /** Whoever may work is connected afterwards. */
  async #review(id: AccountId): Promise<Step> {
    const { store } = this.#context;
    const before = await store.accounts.get(id);
    await review(this.#context, id, this.#effects());
    const account = await store.accounts.get(id);
    if (isActive(account)) this.#connections.open(account);
    if (account?.state.at === 'enlisting') this.#enlistments.wake(id);
    if (isActive(account) && before?.state.at === 'paused') await this.#wakeUser(account.user);
    return 'idle';
  }

  async #reviewAll(): Promise<Step> {
    const { consent, accounts } = this.#context.store;
    if (!this.#audited) await this.#checkRecords(consent);
    // The last active first.
    await this.#reviews.wakeAll(await accounts.ids());
    return { waitMs: reviewPeriodMs };
  }

  /** Damage is named once; whose record is damaged is paused by the review. */
  async #checkRecords(consent: Store['consent']): Promise<void> {
    const { damaged, headIntact } = await consent.check();
    this.#audited = true;
    this.#recordsDamaged = damaged.length > 0 || !headIntact;
    for (const { record, damage } of damaged) {
      this.#context.logger.error({ record, reason: damage }, 'a record of consent is damaged; doctor says whose');
    }
    if (!headIntact) this.#context.logger.error({}, 'the head of all records of consent is damaged');
  }

  /** Whether what is on record about consent was found damaged at the start. */
  get recordsDamaged(): boolean {
    return this.#recordsDamaged;
  }

  async #depart(account: AccountId): Promise<Step> {
    const step = await depart(this.#context, account, (room) => this.#bot.wake(room));
    if (step === 'idle') await this.#policyRooms.wakeAll(await this.#context.store.policyRooms.abandoned());
    return step;
  }

  /** Whether every policy room of the administrator can be read. */
  policyRoomsAreRead(): Promise<boolean> {
    return operatorRoomsAreRead(this.#context);
  }

  #silence(account: AccountId): Promise<() => void> {
    return silence(
      {
        store: this.#context.store,
        ofAccount: [this.#enlistments, this.#receipts],
        ofPortal: [this.#inbox, this.#outbox, this.#incomingFiles, this.#outgoingFiles, this.#marks],
        breakOff: (id) => this.#slots.abort(id),
        disconnect: (id) => this.#connections.close(id),
      },
      account,
    );
  }

  async #wakeUser(user: UserId): Promise<void> {
    const { store } = this.#context;
    for (const account of await store.accounts.ofUser(user)) {
      this.#bot.wake(account.managementRoom);
      for (const portal of await store.portals.ofAccount(account.id)) {
        this.#inbox.wake(portal.id);
        this.#outbox.wake(portal.id);
        this.#marks.wake(portal.id);
        if (portal.state.at === 'open') this.roomKeys([portal.state.room]);
      }
    }
  }

  async #deliver(portalId: PortalId): Promise<Step> {
    const wakeFiles = (portal: PortalId): void => this.#incomingFiles.wake(portal);
    const step = await deliverNext(this.#context, portalId, wakeFiles, this.#holds);
    const portal = await this.#context.store.portals.get(portalId);
    if (portal !== undefined) {
      this.#receipts.wake(portal.account);
      if (step === 'idle') this.#profiles.wake(portal.contact);
      // Whoever refers to what has just been noted may be heard now.
      if (portal.state.at === 'open') this.#rooms.wake(portal.state.room);
      const account = await this.#context.store.accounts.get(portal.account);
      // What holds the chat has been written down for the user.
      if (step === 'idle' && account !== undefined) this.#bot.wake(account.managementRoom);
    }
    return step;
  }

  async #send(portal: PortalId): Promise<Step> {
    try {
      return await sendNext(
        this.#context,
        portal,
        (account) => this.#connections.get(account),
        (waiting) => this.#outgoingFiles.wake(waiting),
      );
    } finally {
      // Whatever had to be said about it has been written into the inbox.
      this.#inbox.wake(portal);
    }
  }

  #followProfile(contact: ContactId): Promise<Step> {
    const client = (account: ActiveAccount) => this.#connections.get(account);
    return followProfile(this.#context, contact, { client, stopping: this.#stopping.signal });
  }

  async #sendReceipts(id: AccountId): Promise<Step> {
    const account = await this.#context.store.accounts.get(id);
    if (!isActive(account)) return 'idle';
    const client = this.#connections.get(account);
    if (client === undefined || !client.connected) return 'idle';
    try {
      const step = await sendReceipts(this.#context, account, client);
      return step === 'idle' ? await confirmReading(this.#context, account, client) : step;
    } catch (error) {
      // The next connection wakes this again.
      if (error instanceof BridgeError && error.code === 'interop.offline') return 'idle';
      throw error;
    }
  }

  #enlist(account: AccountId, halted: AbortSignal): Promise<Step> {
    const then: Enlisted = {
      connect: (active) => this.#connections.open(active),
      wakeBot: (room) => this.#bot.wake(room),
    };
    return enlist(this.#context, account, then, halted);
  }

  #keepUp(what: Upkeep): Promise<Step> {
    switch (what) {
      case 'taking-up':
        return this.#takeUp();
      case 'recovery':
        return this.#recover();
      case 'housekeeping':
        return this.#recovery.next();
      case 'expiry':
        return this.#expire();
    }
  }

  /** The homeserver has dropped messages to devices and news of devices. Whose room key is missing asks for it when it is needed. */
  async #recover(): Promise<Step> {
    const { store } = this.#context;
    await this.#recovery.now();
    await this.#rooms.wakeAll(await store.events.roomsWithWork());
    // Device lists may have changed unseen: what was held for want of a device is looked at again.
    await this.#inbox.wakeAll(await store.inbox.portalsWithWork());
    return 'idle';
  }

  async #expire(): Promise<Step> {
    const { store, clock, settings } = this.#context;
    if ((await expireRequests(this.#context)) > 0) return 'again';
    for (const room of await store.events.lateRooms()) this.#lateEvents.wake(room);
    for (const portal of await giveUpUnanswered(this.#context)) this.#inbox.wake(portal);
    for (const portal of await giveUpUnreadable(this.#context)) this.#inbox.wake(portal);
    if ((await expireUnconfirmed(this.#context)) > 0) {
      await this.#inbox.wakeAll(await store.inbox.portalsWithWork());
      return 'again';
    }
    if ((await store.prune(clock.now() - settings.retentionMs)) > 0) return 'again';
    return { waitMs: expiryCheckMs };
  }
}
