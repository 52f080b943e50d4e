// Everything that can change, as data: what one commit of the store takes.
import type { Account, Departure, Preferences } from './account.ts';
import type { Block, BlockPattern } from './block.ts';
import type { ConsentEvent } from './consent.ts';
import type { Contact, ContactName, ContactPicture, Ghost } from './contact.ts';
import type { DamagedPlace } from './damaged-row.ts';
import type {
  AccountId,
  BotMessageSeq,
  ContactId,
  EventId,
  EventSeq,
  InboxId,
  MessageId,
  OutboxId,
  PortalId,
  ReportId,
  RoomId,
  TransactionSeq,
  UserId,
} from './ids.ts';
import type { UserJid } from './jid.ts';
import type {
  InboxBody,
  InboxState,
  IncomingFile,
  NewInboxRow,
  NewOutboxRow,
  NewTransaction,
  OutboxProgress,
  SealedEvent,
} from './journal.ts';
import type { LimitUse } from './limit.ts';
import type { RoomKeyUse } from './matrix.ts';
import type { PolicyRoom, PolicySubscription } from './policy.ts';
import type { Acceptance, Portal, PortalState } from './portal.ts';
import type { QueueItemId } from './queue.ts';
import type { DeliveryMark } from './reading.ts';
import type { MessagePart, MessageReaction, MessageReference } from './reference.ts';
import type { ChosenMessages, ReportState } from './report.ts';
import type { PeerDevice, SignalChange } from './signal.ts';
import type { Space, SpaceChild } from './space.ts';
import type { DeviceList, UserTrust } from './trust.ts';
import type { Erasure } from './user-data.ts';

export type Change =
  | SignalChange
  /** Creates the account, with a data key of its own, or updates it. */
  | { readonly change: 'account.put'; readonly account: Account }
  | { readonly change: 'account.preferences'; readonly account: AccountId; readonly preferences: Preferences }
  /** How much of a limit has been used; of an account or contact that is gone nothing is kept. */
  | { readonly change: 'limit.used'; readonly use: LimitUse }
  /** Destroys the account's data key, then its rows; what the network still has to be told stays as `departure`. */
  | { readonly change: 'account.erase'; readonly departure: Departure }
  | { readonly change: 'departure.put'; readonly departure: Departure }
  | { readonly change: 'departure.done'; readonly account: AccountId }
  /** Creates the contact with its first addresses, and its ghost, not ready yet. Fails if one of them is another contact's. */
  | { readonly change: 'contact.create'; readonly contact: Contact; readonly ghost: Ghost }
  | { readonly change: 'contact.address'; readonly contact: ContactId; readonly address: UserJid }
  /** The contact takes this name: whoever has one that looks like it before keeps precedence. */
  | { readonly change: 'contact.name'; readonly contact: ContactId; readonly name: ContactName }
  /** The contact's picture is to be looked at. */
  | { readonly change: 'picture.due'; readonly contact: ContactId; readonly at: number }
  /** What a look came to; `handled` is the `dueAt` that led to it. Fails with `store.gone` where there was none. */
  | { readonly change: 'picture.put'; readonly picture: ContactPicture; readonly handled: number | undefined }
  /** Two contacts turned out to be one person: everything of `from` becomes `into`'s; where both have one, `into`'s stays. */
  | { readonly change: 'contact.merge'; readonly into: ContactId; readonly from: ContactId }
  /** Erases a contact that no account uses any more, with its ghost. */
  | { readonly change: 'contact.erase'; readonly contact: ContactId }
  | { readonly change: 'ghost.put'; readonly ghost: Ghost }
  | { readonly change: 'portal.create'; readonly portal: Portal }
  | { readonly change: 'portal.name'; readonly portal: PortalId; readonly givenName: string }
  | { readonly change: 'portal.state'; readonly portal: PortalId; readonly state: PortalState }
  | { readonly change: 'portal.acceptance'; readonly portal: PortalId; readonly acceptance: Acceptance }
  /** Messages of this journal wait for a decision of the user since then (ms), or do no longer. */
  | {
      readonly change: 'portal.held';
      readonly portal: PortalId;
      readonly journal: 'inbox' | 'outbox';
      readonly since: number | undefined;
    }
  | { readonly change: 'space.put'; readonly space: Space }
  /** This room is going to be put into the account's Space, at this place. */
  | { readonly change: 'space.child-noted'; readonly account: AccountId; readonly child: SpaceChild }
  /** The homeserver has accepted it. */
  | { readonly change: 'space.child-put'; readonly account: AccountId; readonly room: RoomId }
  /** This room is not in the Space any more. */
  | { readonly change: 'space.child-gone'; readonly account: AccountId; readonly room: RoomId }
  /** The account has no Space any more. */
  | { readonly change: 'space.gone'; readonly account: AccountId }
  /** A message of the user under this room key has been handled. */
  | { readonly change: 'room-key.used'; readonly portal: PortalId; readonly use: RoomKeyUse }
  /** A command under this room key has been handled. */
  | { readonly change: 'command-key.used'; readonly room: RoomId; readonly use: RoomKeyUse }
  /** The user has compared this key of the device with the other person. */
  | { readonly change: 'peer.verified'; readonly peer: PeerDevice; readonly key: Uint8Array }
  /** Somebody else has come into a portal or is invited; unless that is known. */
  | { readonly change: 'visitor.add'; readonly portal: PortalId; readonly user: UserId }
  /** The user lets them stay. */
  | { readonly change: 'visitor.allow'; readonly portal: PortalId; readonly user: UserId }
  | { readonly change: 'visitor.gone'; readonly portal: PortalId; readonly user: UserId }
  /** A contact who asks to be let in was asked for a message again. Fails with `store.conflict` where they do not ask (any more). */
  | { readonly change: 'request.asked-again'; readonly portal: PortalId }
  /** A message of theirs was not kept. Fails likewise. */
  | { readonly change: 'request.dropped'; readonly portal: PortalId }
  /** Messages of theirs that were sent before `before` (ms) are erased, and counted as dropped. Fails likewise. */
  | { readonly change: 'request.expired'; readonly portal: PortalId; readonly before: number }
  /** The account hears nothing more of whoever one of these patterns fits. A pattern that another block has stays there. */
  | {
      readonly change: 'block.add';
      readonly account: AccountId;
      readonly block: Block;
      readonly patterns: readonly BlockPattern[];
    }
  | { readonly change: 'block.remove'; readonly account: AccountId; readonly id: string }
  /** From now on the rules of this room hold for the subscriber. */
  | { readonly change: 'policy.subscribe'; readonly subscription: PolicySubscription }
  | { readonly change: 'policy.unsubscribe'; readonly id: string }
  /** What was read in a policy room. */
  | {
      readonly change: 'policy.rules';
      readonly room: RoomId;
      readonly read: Pick<PolicyRoom, 'rules' | 'leftOut'>;
    }
  | { readonly change: 'policy.unreadable'; readonly room: RoomId }
  /** Unless somebody subscribes to it. */
  | { readonly change: 'policy.forget'; readonly room: RoomId }
  | { readonly change: 'user.trust'; readonly trust: UserTrust }
  | {
      readonly change: 'devices.put';
      readonly account: AccountId;
      readonly contact: ContactId;
      readonly list: DeviceList;
    }
  /** Fails with StoreConflict where the row exists: the message came before. */
  | { readonly change: 'inbox.add'; readonly row: NewInboxRow }
  /** Like `inbox.add`, but an existing row is left as it is: for notices with deterministic ids. */
  | { readonly change: 'inbox.add-once'; readonly row: NewInboxRow }
  /** Keeps a place for a message that cannot be decrypted yet; an existing row is left as it is. */
  | { readonly change: 'inbox.await'; readonly row: AwaitedRow }
  /** The awaited message has come. Fails with StoreConflict where it is not awaited any more. */
  | { readonly change: 'inbox.arrived'; readonly id: InboxId; readonly body: InboxBody }
  /** A message that could not be read, and will not be waited for: parked, with nothing of it kept. What has come is left as it is. */
  | { readonly change: 'inbox.park-missing'; readonly row: MissingRow; readonly code: string }
  /** Messages that have come, are not shown yet, and were sent before `before` (ms) are set aside. Notices stay. */
  | {
      readonly change: 'inbox.park-received';
      readonly portal: PortalId;
      readonly before: number;
      readonly code: string;
    }
  /** Gives up the place of a message that is waited for no longer. Fails with StoreConflict where it is still awaited, or has come. */
  | { readonly change: 'inbox.forget'; readonly id: InboxId }
  | { readonly change: 'inbox.state'; readonly id: InboxId; readonly state: InboxState }
  /** Whatever waits to be shown in this portal is erased. */
  | { readonly change: 'inbox.discard'; readonly portal: PortalId }
  /** What has become of the file of a message that is not in Matrix yet. */
  | { readonly change: 'inbox.file'; readonly id: InboxId; readonly file: IncomingFile }
  /** How often a message could not be decrypted; the count decides when to stop asking. */
  | {
      readonly change: 'inbox.decrypt-failed';
      readonly portal: PortalId;
      readonly messageId: MessageId;
      readonly device: number;
      readonly count: number;
    }
  /** The user has been told that a message could not be decrypted: it is waited for no longer. */
  | { readonly change: 'inbox.given-up'; readonly message: UnansweredMessage }
  /** Fails with StoreConflict where the Matrix event has an outbox row. */
  | { readonly change: 'outbox.add'; readonly row: NewOutboxRow }
  /** Fails as `store.changed` (retry later) where it has ended or been erased, unless this ends it or leaves its state as it is. */
  | {
      readonly change: 'outbox.state';
      readonly id: OutboxId;
      /** Absent: it stays as it is. */
      readonly state?: OutboxProgress;
      readonly waitingFor?: readonly number[];
      readonly retryFor?: readonly number[];
      readonly confirmed?: true;
      readonly retries?: number;
      /** Erase the payload now. */
      readonly erasePayload?: true;
    }
  /**
   * The user has taken the message back before anything was done about it: its row and what is known of its event go. Fails as
   * `store.changed` (retry later) where something has been done by now.
   */
  | { readonly change: 'outbox.withdraw'; readonly id: OutboxId }
  /** The user has deleted the message: its content is erased, and no device gets it again. One that is on its way is left as it is, until its deletion follows. */
  | { readonly change: 'outbox.forget'; readonly id: OutboxId }
  /** The file has been carried over: the row is ready to be encrypted. */
  | { readonly change: 'outbox.payload'; readonly id: OutboxId; readonly payload: Uint8Array }
  /** A row that cannot be opened is set aside. */
  | { readonly change: 'row.damaged'; readonly place: DamagedPlace }
  /** A parked message is tried again, in its old place. */
  | { readonly change: 'queue.retry'; readonly item: QueueItemId }
  /** A parked message is given up: its content is erased. */
  | { readonly change: 'queue.drop'; readonly item: QueueItemId }
  /** A device of the contact is no more: no message waits for it, and those that waited for nothing else are done. */
  | { readonly change: 'outbox.device-gone'; readonly portal: PortalId; readonly device: number }
  | { readonly change: 'reference.put'; readonly reference: MessageReference }
  | { readonly change: 'part.put'; readonly part: MessagePart }
  /** The user has read up to this event, and the contact is to be told. */
  | { readonly change: 'reading.user'; readonly portal: PortalId; readonly event: EventId }
  /** The user has read up to this event, and the contact is never to be told. */
  | { readonly change: 'reading.withheld'; readonly portal: PortalId; readonly event: EventId }
  /** The contact has been told up to this position; `settled`: of this event nothing is left to be told. */
  | {
      readonly change: 'reading.confirmed';
      readonly portal: PortalId;
      readonly upTo: number;
      readonly settled: EventId | undefined;
    }
  /** The contact has read the user's messages up to this position. Never goes back. */
  | { readonly change: 'reading.contact'; readonly portal: PortalId; readonly upTo: number }
  | { readonly change: 'reading.shown'; readonly portal: PortalId; readonly upTo: number }
  | { readonly change: 'delivery-mark.add'; readonly mark: DeliveryMark }
  | { readonly change: 'delivery-mark.done'; readonly mark: DeliveryMark }
  | { readonly change: 'reaction.put'; readonly reaction: MessageReaction }
  | { readonly change: 'reaction.remove'; readonly portal: PortalId; readonly event: EventId }
  /** Stores a pushed transaction, unless its id is known; events with known ids are left out. */
  | { readonly change: 'transaction.store'; readonly transaction: NewTransaction }
  | { readonly change: 'transaction.done'; readonly seq: TransactionSeq }
  /** The event is dealt with: its content is erased, its id remembered. Fails with `store.changed` (retry later) where it was before. */
  | { readonly change: 'event.done'; readonly seq: EventSeq }
  /** The event stands aside, and its room goes on. */
  | { readonly change: 'event.late'; readonly seq: EventSeq }
  /** Adds a message of the bot, unless one with this key exists. */
  | {
      readonly change: 'bot-message.add';
      readonly room: RoomId;
      readonly key: string;
      readonly text: string;
      /** It names people: for devices that may take part in chats, and never unencrypted. */
      readonly confidential?: boolean;
    }
  | { readonly change: 'bot-message.event'; readonly seq: BotMessageSeq; readonly event: SealedEvent }
  /** Sent; the text is erased, the key remembered. */
  | { readonly change: 'bot-message.done'; readonly seq: BotMessageSeq }
  /** Forgets a key, so that the message may be written again. */
  | { readonly change: 'bot-message.release'; readonly key: string }
  /** Adds to what is on record about the user's consent. `anew`: in place of a damaged record, which is given up. */
  | {
      readonly change: 'consent.record';
      readonly user: UserId;
      readonly event: ConsentEvent;
      readonly anew?: true;
    }
  /** Nothing that leads to the user is left on record; that something was erased is. */
  | { readonly change: 'consent.erase'; readonly user: UserId }
  /** A user passes messages on to the moderators. */
  | {
      readonly change: 'report.add';
      readonly id: ReportId;
      readonly account: AccountId;
      readonly chosen: ChosenMessages;
    }
  | { readonly change: 'report.state'; readonly id: ReportId; readonly state: ReportState }
  /** It has arrived, or leads nowhere: what was chosen and sent is erased. */
  | { readonly change: 'report.done'; readonly id: ReportId }
  | { readonly change: 'erasure.put'; readonly erasure: Erasure }
  /** Deletes what is left of a user who has no account any more, their consent on record included. Fails with `store.conflict` while there is one. */
  | { readonly change: 'user.erase'; readonly user: UserId }
  /** A command that waits for the user's confirmation, or its end (`undefined`). */
  | { readonly change: 'pending-command'; readonly user: UserId; readonly command: string | undefined };

/** `since`: when its sender was asked for it, in milliseconds since the Unix epoch. */
export type AwaitedRow = MissingRow & { readonly since: number };

/** A message of which nothing is there but its place. */
export type MissingRow = Omit<NewInboxRow, 'body'>;

/** A message that was asked for again in vain. */
export interface UnansweredMessage {
  readonly portal: PortalId;
  readonly messageId: MessageId;
  readonly device: number;
}

/** Such a message, and where it stands among them. */
export interface AskedInVain {
  readonly id: number;
  readonly message: UnansweredMessage;
}
