// The port to the database: what the domain reads, and how it commits changes.
import type { Account, Arrangement, Departure, Holdings, Network, Preferences } from './account.ts';
import type { Block, BlockPattern } from './block.ts';
import type { AskedInVain, Change } from './change.ts';
import type { ConsentCheck, ConsentEntry } from './consent.ts';
import type { Actor, Contact, ContactPicture, Ghost } from './contact.ts';
import type {
  AccountId,
  ActorId,
  ContactId,
  EventId,
  EventSeq,
  MessageId,
  OutboxId,
  PortalId,
  RoomId,
  UserId,
} from './ids.ts';
import type { UserJid } from './jid.ts';
import type {
  BotMessage,
  InboxRow,
  LateEvent,
  OutboxEnvelope,
  OutboxRow,
  OutboxRowProgress,
  StoredEvent,
  StoredTransaction,
} from './journal.ts';
import type { LimitName, LimitScope, LimitSubject, LimitUse } from './limit.ts';
import type { RoomKeyUse } from './matrix.ts';
import type { HostedFile } from './media.ts';
import type { PolicyRoom, PolicyRule, PolicySubscription, Subscriber } from './policy.ts';
import type { Portal, Visitor } from './portal.ts';
import type { QueueFilter, QueueItem, QueueItemId } from './queue.ts';
import type { DeliveryMark, Reading } from './reading.ts';
import type { KeptReference, MessageReaction, MessageTarget } from './reference.ts';
import type { MadeReport, Report, TagKey } from './report.ts';
import type { PeerDevice, SignalReads } from './signal.ts';
import type { ListedChild, Space, SpaceChild } from './space.ts';
import type { DeviceList, PeerTrust, UserTrust } from './trust.ts';
import type { Erasure } from './user-data.ts';

export interface Store {
  /**
   * Commits all changes or none; durable when it resolves. Rejects with BridgeError `store.conflict` (a row that must be new exists),
   * `store.gone` (an account or contact of a change was erased), `store.changed` (retry later: what a change was decided on is not so any more),
   * `store.unavailable` (retry later: disk full, read-only).
   */
  commit(changes: readonly Change[]): Promise<void>;
  /** Takes what was deleted out of the free space of the database as well. On SQLite the whole file is written anew: seconds for each gigabyte. */
  compact(): Promise<void>;
  /** Removes a bounded number of remembered ids older than `before` (ms); returns how many. */
  prune(before: number): Promise<number>;

  readonly accounts: {
    get(id: AccountId): Promise<Account | undefined>;
    find(network: Network, user: UserId): Promise<Account | undefined>;
    ofUser(user: UserId): Promise<readonly Account[]>;
    /** Of every account, in whatever state, those that carried a message most recently first; at start. */
    ids(): Promise<readonly AccountId[]>;
    /** Whether one of this user's departures is not complete. */
    isLeaving(user: UserId): Promise<boolean>;
    departures(): Promise<readonly Departure[]>;
    departureOf(network: Network, user: UserId): Promise<Departure | undefined>;
    preferences(id: AccountId): Promise<Preferences>;
    holdings(id: AccountId): Promise<Holdings>;
    pendingCommand(user: UserId): Promise<string | undefined>;
    /** Files of the account that wait for the network to fetch them. */
    hostedFiles(id: AccountId): Promise<readonly HostedFile[]>;
  };
  readonly contacts: {
    get(id: ContactId): Promise<Contact | undefined>;
    /** Contacts that own one of these addresses: none, one, or two that should be merged; the oldest first. */
    byAddress(network: Network, addresses: readonly UserJid[]): Promise<readonly Contact[]>;
    ghost(contact: ContactId): Promise<Ghost | undefined>;
    ghostByUser(user: UserId): Promise<Ghost | undefined>;
    /** A bounded number of the ghosts that have a device, in the order of their actors' ids, from `after` on: those that may have missed to-device messages. */
    readyGhosts(after?: ActorId): Promise<readonly Actor[]>;
    /** How many accounts have a portal with this contact. */
    accountsUsing(contact: ContactId): Promise<number>;
    /** Whether somebody else took a name that looks like this contact's earlier, and still has it. */
    looksLikeAnother(contact: ContactId): Promise<boolean>;
  };
  readonly portals: {
    get(id: PortalId): Promise<Portal | undefined>;
    find(account: AccountId, contact: ContactId): Promise<Portal | undefined>;
    byRoom(room: RoomId): Promise<Portal | undefined>;
    ofAccount(account: AccountId): Promise<readonly Portal[]>;
    /** Of every account that has a chat with this contact. */
    ofContact(contact: ContactId): Promise<readonly Portal[]>;
    /** Of contacts who ask to be let in, in the order of their numbers. */
    requests(account: AccountId): Promise<readonly Portal[]>;
    /** Where messages wait for a decision of the user since before `before` (ms). */
    heldSince(before: number): Promise<readonly Portal[]>;
    /** Declined ones that still have a room; at start. */
    toClose(): Promise<readonly PortalId[]>;
  };
  readonly limitUses: {
    get(limit: LimitName, scope: LimitScope, subject: LimitSubject): Promise<LimitUse | undefined>;
    /** All of this account. */
    of(account: AccountId): Promise<readonly LimitUse[]>;
  };
  readonly spaces: {
    of(account: AccountId): Promise<Space | undefined>;
    byRoom(room: RoomId): Promise<Space | undefined>;
    /** The rooms of the account's chats, in the order in which these began: what is to be in its Space. */
    chats(account: AccountId): Promise<readonly SpaceChild[]>;
    /** What is in its Space, or may be, in the same order. */
    children(account: AccountId): Promise<readonly ListedChild[]>;
    /** Accounts whose Space is not as it is to be, where this is what holds for those who have not chosen; at start. */
    toArrange(byDefault: Arrangement): Promise<readonly AccountId[]>;
    /** Rooms in which the bot is for something else than a Space that is being made. */
    otherRoomsOfBot(): Promise<ReadonlySet<RoomId>>;
  };
  readonly blocks: {
    /** The oldest first. */
    list(account: AccountId): Promise<readonly Block[]>;
    /** The blocks that have one of these patterns. */
    matching(account: AccountId, patterns: readonly BlockPattern[]): Promise<readonly string[]>;
  };
  readonly policyRooms: {
    get(room: RoomId): Promise<PolicyRoom | undefined>;
    /** All of them, also those to which nobody subscribes any more. */
    rooms(): Promise<readonly RoomId[]>;
    /** Those to which nobody subscribes any more. */
    abandoned(): Promise<readonly RoomId[]>;
    /** Of all rooms to which this subscriber subscribes. */
    rules(subscriber: Subscriber): Promise<readonly PolicyRule[]>;
    /** The oldest first. */
    subscriptions(subscriber: Subscriber): Promise<readonly PolicySubscription[]>;
    subscribersTo(room: RoomId): Promise<readonly PolicySubscription[]>;
  };
  readonly roomKeyUses: {
    has(portal: PortalId, use: RoomKeyUse): Promise<boolean>;
    /** Of each key of this chat, which indexes have been used: ranges, both ends included. */
    of(
      portal: PortalId,
    ): Promise<readonly { readonly session: string; readonly used: readonly (readonly number[])[] }[]>;
    hasCommand(room: RoomId, use: RoomKeyUse): Promise<boolean>;
  };
  readonly visitors: {
    of(portal: PortalId): Promise<readonly Visitor[]>;
    /** Whether somebody is there whom the user does not let stay: nothing is delivered then. */
    hold(portal: PortalId): Promise<boolean>;
  };
  readonly pictures: {
    get(contact: ContactId): Promise<ContactPicture | undefined>;
    /** Of whom this account has a chat with, those that are to be looked at, now or later. */
    due(account: AccountId): Promise<readonly ContactId[]>;
  };
  readonly inbox: {
    /** The oldest row of the portal that Matrix has not accepted. */
    next(portal: PortalId): Promise<InboxRow | undefined>;
    /** Without `device`: from whichever device it came. */
    find(portal: PortalId, messageId: MessageId, device?: number): Promise<InboxRow | undefined>;
    /** Portals that have such rows; at start. */
    portalsWithWork(): Promise<readonly PortalId[]>;
    /** Accepted rows whose delivery receipt is due, oldest first, after the row `after`. */
    receiptsDue(account: AccountId, limit: number, after?: InboxRow['id']): Promise<readonly InboxRow[]>;
    isReceiptDue(account: AccountId, portal: PortalId): Promise<boolean>;
    decryptFailures(portal: PortalId, messageId: MessageId, device: number): Promise<number>;
    /** Messages that could not be decrypted, were asked for again before `before` (ms) at the latest, and have not come since: those after `after`, by `id`. */
    unanswered(before: number, limit: number, after?: number): Promise<readonly AskedInVain[]>;
    waiting(portal: PortalId): Promise<number>;
    /** Those that `waiting` counts, without notices. */
    messagesWaiting(portal: PortalId): Promise<number>;
    /** How many messages have come, are not shown yet, and were sent before `before` (ms). */
    receivedBefore(portal: PortalId, before: number): Promise<number>;
    /** Portals of contacts who ask to be let in where messages wait that were sent before `before` (ms). */
    requestsOverdue(before: number, limit: number): Promise<readonly PortalId[]>;
    /** Whether an event of this portal may be in its room that has not been noted yet. */
    isSending(portal: PortalId): Promise<boolean>;
    /** Whether this Matrix event is a notice of the bridge. Rows of notices are never pruned while their portal lives. */
    isNotice(portal: PortalId, event: EventId): Promise<boolean>;
  };
  readonly outbox: {
    /** The oldest row of the portal that the network has not acknowledged. */
    next(portal: PortalId): Promise<OutboxRow | undefined>;
    /** How far a row is now, without what it carries. */
    progress(id: OutboxId): Promise<OutboxRowProgress | undefined>;
    byMessageId(account: AccountId, portal: PortalId, messageId: MessageId): Promise<OutboxEnvelope | undefined>;
    /** The row made of this Matrix event. */
    byEvent(event: EventId): Promise<OutboxEnvelope | undefined>;
    /** Portals of this account that have such rows. */
    portalsWithWork(account: AccountId): Promise<readonly PortalId[]>;
    /** The first such rows of the portal after this one, without those that are damaged. */
    waitingAfter(row: Pick<OutboxRow, 'id' | 'portal'>, limit: number): Promise<readonly OutboxRow[]>;
    waiting(portal: PortalId): Promise<number>;
    /** Acknowledged rows created before `before` (ms) whose payload is still kept. */
    expired(before: number, limit: number): Promise<readonly OutboxEnvelope[]>;
    /** Of what `expired` means, after the row `after`: those that nobody has confirmed although so many retry receipts were answered. */
    unreadable(retries: number, before: number, limit: number, after?: OutboxId): Promise<readonly OutboxEnvelope[]>;
  };
  /** Which event is which message; remembered for the retention time. */
  readonly references: {
    /** Also by one of the message's further events. */
    byEvent(portal: PortalId, event: EventId): Promise<KeptReference | undefined>;
    /** Without `fromUser`: whoever wrote it. */
    byMessage(portal: PortalId, messageId: MessageId, fromUser?: boolean): Promise<KeptReference | undefined>;
    /** The further events of a message of the contact. */
    parts(portal: PortalId, messageId: MessageId): Promise<readonly EventId[]>;
    /** Rooms in which something was written within `withinMs` milliseconds before the last message of all, or before `until` (ms). */
    roomsActive(withinMs: number, until: number | undefined, limit: number): Promise<readonly RoomId[]>;
    /** Whether any message of either side is known. */
    any(portal: PortalId): Promise<boolean>;
    byPosition(portal: PortalId, position: number): Promise<KeptReference | undefined>;
    /** Messages of the contact that are shown in this room, after `position`, oldest first. */
    shownAfter(portal: PortalId, room: RoomId, position: number, limit: number): Promise<readonly KeptReference[]>;
    /** The last message of the contact that this room showed at this time (ms). */
    shownAt(portal: PortalId, room: RoomId, time: number): Promise<KeptReference | undefined>;
  };
  readonly reading: {
    of(portal: PortalId): Promise<Reading | undefined>;
    /** Where the user has read what the contact has not been told. */
    toConfirm(account: AccountId): Promise<readonly Reading[]>;
    nextMark(portal: PortalId): Promise<DeliveryMark | undefined>;
    /** Portals where a mark of delivery or of reading is to be set; at start. */
    portalsToMark(): Promise<readonly PortalId[]>;
  };
  readonly reactions: {
    /** The last one of that side that is not taken back. */
    latest(portal: PortalId, target: MessageTarget, byUser: boolean): Promise<EventId | undefined>;
    byEvent(portal: PortalId, event: EventId): Promise<MessageReaction | undefined>;
  };
  readonly events: {
    /** Key parts of transactions not handled yet, in order. */
    nextTransaction(): Promise<StoredTransaction | undefined>;
    /** Rooms with events not dealt with, but for those that stand aside. */
    roomsWithWork(): Promise<readonly RoomId[]>;
    next(room: RoomId): Promise<StoredEvent | undefined>;
    /** Whether the homeserver has pushed a transaction of this id within the retention time. */
    isTransactionKnown(id: string): Promise<boolean>;
    /** Those of these that are stored, or were dealt with within the retention time. */
    known(events: readonly EventId[]): Promise<ReadonlySet<EventId>>;
    /** Events of this room that stand aside, oldest first; a bounded number, those after `after`. */
    late(room: RoomId, after?: EventSeq): Promise<readonly LateEvent[]>;
    /** Where this event of the room stands, if it stands aside. */
    lateOne(room: RoomId, event: EventId): Promise<EventSeq | undefined>;
    lateRooms(): Promise<readonly RoomId[]>;
  };
  readonly botMessages: {
    next(room: RoomId): Promise<BotMessage | undefined>;
    roomsWithWork(): Promise<readonly RoomId[]>;
  };
  readonly reports: {
    /** The oldest of this account's that is under way. */
    next(account: AccountId): Promise<Report | undefined>;
    /** At start. */
    accountsWithWork(): Promise<readonly AccountId[]>;
    /** Within the retention time, the oldest first. */
    made(account: AccountId): Promise<readonly MadeReport[]>;
  };
  /** Of the tags that prove what contacts have written. */
  readonly tagKey: TagKey;
  readonly signal: SignalReads;
  readonly trust: {
    /** Every device's trust of one contact. */
    ofContact(account: AccountId, contact: ContactId): Promise<ReadonlyMap<number, PeerTrust>>;
    /** Whether the user has compared the key that is pinned now. */
    isVerified(peer: PeerDevice): Promise<boolean>;
    ofUser(user: UserId): Promise<UserTrust | undefined>;
    /** Undefined before the first look. */
    devices(account: AccountId, contact: ContactId): Promise<DeviceList | undefined>;
  };
  /** Users who are being erased. */
  readonly erasures: {
    of(user: UserId): Promise<Erasure | undefined>;
    /** At start. */
    all(): Promise<readonly Erasure[]>;
  };
  /** What is on record about consent. */
  readonly consent: {
    /** The oldest first; of a damaged record, what can still be read. */
    entries(user: UserId): Promise<readonly ConsentEntry[]>;
    /** Whether the user's record is what was written. True where there is none. */
    isIntact(user: UserId): Promise<boolean>;
    /** Looks at all of them. */
    check(): Promise<ConsentCheck>;
  };
  /** What waits and what is parked, for the administrator: no content. */
  readonly queue: {
    /** The oldest first; `after` continues a list. */
    list(filter: QueueFilter): Promise<readonly QueueItem[]>;
    find(id: QueueItemId): Promise<QueueItem | undefined>;
  };
  /** Totals over all accounts, for monitoring. */
  readonly counts: {
    /** Chats in which something waits for a decision of the user's: about a key, their own identity, or somebody else in the room. */
    heldChats(): Promise<number>;
    inboxWaiting(): Promise<number>;
    outboxWaiting(): Promise<number>;
    /** Parked messages of both directions. */
    parked(): Promise<number>;
    /** Ghosts that have a device and an identity. */
    ghosts(): Promise<number>;
  };
}
