// What goes on in the chats: the workers over the journals, and what each step wakes.
import type { AccountId, ContactId, PortalId, RoomId } from '../model/ids.ts';
import type { InteropClient, MediaRetry } from '../model/interop.ts';
import type { Portal } from '../model/portal.ts';
import type { Holds } from './awaited.ts';
import { sendNextBotMessage } from './bot/bot-messages.ts';
import type { CommandEffects } from './bot/commands.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { deliverNext } from './deliver.ts';
import { tellContacts } from './delivery-receipts.ts';
import { TransferSlots } from './files/slots.ts';
import { FilesToMatrix } from './files/to-matrix.ts';
import { FilesToWhatsApp } from './files/to-whatsapp.ts';
import type { KeyWaits } from './key-waits.ts';
import { handleLateEvents } from './late-events.ts';
import { setNextMark } from './marks.ts';
import { handleNextEvent } from './matrix-events.ts';
import { followProfile } from './profiles.ts';
import { sendNext } from './send.ts';
import type { UserMembership } from './user-membership.ts';
import type { MakeWorkers, Step, Workers } from './workers.ts';

export interface PipelinesOptions {
  readonly context: BridgeContext;
  readonly workers: MakeWorkers;
  readonly client: (account: ActiveAccount) => InteropClient | undefined;
  /** What commands set in motion. */
  readonly effects: () => CommandEffects;
  readonly membership: UserMembership;
}

/** The slots bound how many files move, shared fairly between accounts. */
const anyNumber = Number.POSITIVE_INFINITY;

export class Pipelines {
  readonly inbox: Workers<PortalId>;
  readonly outbox: Workers<PortalId>;
  readonly rooms: Workers<RoomId>;
  readonly lateEvents: Workers<RoomId>;
  readonly bot: Workers<RoomId>;
  readonly profiles: Workers<ContactId>;
  readonly receipts: Workers<AccountId>;
  readonly marks: Workers<PortalId>;
  readonly #incomingFiles: Workers<PortalId>;
  readonly #outgoingFiles: Workers<PortalId>;
  readonly #options: PipelinesOptions;
  readonly #context: BridgeContext;
  readonly #slots: TransferSlots;
  readonly #filesToMatrix: FilesToMatrix;
  readonly #stopping = new AbortController();
  readonly #keyWaits: KeyWaits = new Map();
  readonly #holds: Holds = new Map();

  constructor(options: PipelinesOptions) {
    const { context, workers, client, effects } = options;
    this.#options = options;
    this.#context = context;
    this.inbox = workers('inbox', (portal) => this.#deliver(portal));
    this.outbox = workers('outbox', (portal) => this.#send(portal));
    this.#slots = new TransferSlots(context.settings.transfers);
    this.#filesToMatrix = new FilesToMatrix({
      context,
      slots: this.#slots,
      client,
      wakeInbox: (portal) => this.inbox.wake(portal),
    });
    this.#incomingFiles = workers('incoming-files', (portal) => this.#filesToMatrix.carryNext(portal), anyNumber);
    const filesToWhatsApp = new FilesToWhatsApp(context, this.#slots, (portal) => this.outbox.wake(portal));
    this.#outgoingFiles = workers('outgoing-files', (portal) => filesToWhatsApp.carryNext(portal), anyNumber);
    this.rooms = workers('events', (room) => handleNextEvent(context, room, this.#keyWaits, effects()));
    this.lateEvents = workers('late-events', (room) => handleLateEvents(context, room, effects()), 4);
    this.bot = workers('bot', (room) => sendNextBotMessage(context, room));
    this.profiles = workers('profiles', (contact) => this.#followProfile(contact), 2);
    this.receipts = workers('receipts', (account) => this.#sendReceipts(account));
    this.marks = workers('marks', (portal) => setNextMark(context, portal));
  }

  /** Those that work for one chat, and must stand still for an account that is silenced. */
  get ofPortal(): readonly Workers<PortalId>[] {
    return [this.inbox, this.outbox, this.#incomingFiles, this.#outgoingFiles, this.marks];
  }

  get workers(): readonly Pick<Workers<unknown>, 'stop' | 'resumeAll'>[] {
    return [...this.ofPortal, this.rooms, this.lateEvents, this.bot, this.profiles, this.receipts];
  }

  /** Something about this chat has been decided, or can be tried. */
  wakePortal(portal: PortalId): void {
    for (const each of [this.inbox, this.outbox, this.marks]) each.wake(portal);
  }

  /** The same, and whatever stands in its room untaken. */
  wakeChat({ id, state }: Portal): void {
    this.wakePortal(id);
    if (state.at === 'open') this.roomKeys([state.room]);
  }

  /** What has failed in this chat is tried again now. */
  resumePortal(portal: PortalId): void {
    for (const each of [this.inbox, this.outbox]) each.resume(portal);
  }

  /** There is a connection (again): what has failed for want of one is tried again now. */
  connected(account: AccountId, portals: readonly PortalId[]): void {
    this.receipts.resume(account);
    for (const portal of portals) this.outbox.resume(portal);
  }

  /** Room keys have come: events that waited for them may be tried again. */
  roomKeys(rooms: readonly RoomId[]): void {
    for (const room of rooms) {
      this.rooms.wake(room);
      this.lateEvents.wake(room);
    }
  }

  async mediaRetry(portal: PortalId, retry: MediaRetry): Promise<void> {
    if (await this.#filesToMatrix.answered(portal, retry)) this.#incomingFiles.wake(portal);
  }

  /** Breaks off the files of this account that are on their way. */
  breakOff(account: AccountId): void {
    this.#slots.abort(account);
  }

  /** Breaks off what would take long; what runs is stopped with the workers. */
  stop(): void {
    this.#slots.stop();
    this.#stopping.abort();
  }

  async #deliver(portalId: PortalId): Promise<Step> {
    const wakeFiles = (portal: PortalId): void => this.#incomingFiles.wake(portal);
    const { membership } = this.#options;
    const step = await deliverNext(this.#context, portalId, { wakeFiles, holds: this.#holds, membership });
    const portal = await this.#context.store.portals.get(portalId);
    if (portal !== undefined) {
      // Also where this was the second try of a step whose last commit had failed.
      if (typeof step === 'string') this.receipts.wake(portal.account);
      if (step === 'idle') this.profiles.wake(portal.contact);
      // Whoever refers to what has just been noted may be heard now.
      if (portal.state.at === 'open') this.rooms.wake(portal.state.room);
      const account = await this.#context.store.accounts.get(portal.account);
      // What holds the chat has been written down for the user.
      if (step !== 'again' && account !== undefined) this.bot.wake(account.managementRoom);
    }
    return step;
  }

  #send(portal: PortalId): Promise<Step> {
    const wakeFiles = (waiting: PortalId): void => this.#outgoingFiles.wake(waiting);
    return sendNext(this.#context, portal, this.#options.client, wakeFiles);
  }

  #followProfile(contact: ContactId): Promise<Step> {
    const { client } = this.#options;
    return followProfile(this.#context, contact, { client, stopping: this.#stopping.signal });
  }

  async #sendReceipts(id: AccountId): Promise<Step> {
    const account = await this.#context.store.accounts.get(id);
    if (!isActive(account)) return 'idle';
    const client = this.#options.client(account);
    return client?.connected ? tellContacts(this.#context, account, client) : 'idle';
  }
}
