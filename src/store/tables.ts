// The tables as kysely sees them. Booleans are 0 or 1, times milliseconds since the Unix epoch, `Sealed` columns hold what sealing.ts made.
import type { ColumnType, Generated } from 'kysely';
import type { Arrangement, Network, Reach } from '../model/account.ts';
import type { PauseReason } from '../model/consent.ts';
import type {
  AccountId,
  ActorId,
  BotMessageSeq,
  ContactId,
  DeviceId,
  EventId,
  EventSeq,
  InboxId,
  MessageId,
  OutboxId,
  PortalId,
  RecordId,
  ReportId,
  RoomId,
  TransactionSeq,
  UserId,
} from '../model/ids.ts';
import type { InboxState, OutboxState } from '../model/journal.ts';
import type { LimitName, LimitScope, LimitSubject } from '../model/limit.ts';
import type { HostedName } from '../model/media.ts';
import type { PolicyRoom } from '../model/policy.ts';
import type { Acceptance } from '../model/portal.ts';
import type { ReportState } from '../model/report.ts';
import type { SpaceState } from '../model/space.ts';
import type { KeyId } from './keyring.ts';

type Bytes = ColumnType<Buffer, Uint8Array, Uint8Array>;
type Sealed = Bytes;
type SealedOrErased = ColumnType<Buffer | null, Uint8Array | null, Uint8Array | null>;
type Flag = 0 | 1;
/** A row id that the database gives: rising, never used twice. */
type RowId<Id> = ColumnType<Id, never, never>;
/** When a row was dealt with; null until then. After the retention time it is forgotten. */
type SettledAt = number | null;
/** Since when the retention job has found nobody who needs the row; null while somebody does, or it has not looked yet. */
type IdleSince = ColumnType<number | null, number | null | undefined, number | null>;

export interface Tables {
  /**
   * `bot-device`: the device of the bot, where it is not the one named after the installation.
   * `moved`: the content lives elsewhere now, and must not be used here any more; `moved-as`: the id of the copy.
   * `copying`: the id of a copy to here, which must not be used as long as this stands here.
   */
  setting: { name: 'instance' | 'bot-device' | 'moved' | 'moved-as' | 'copying'; value: string };
  data_key: { id: KeyId; wrapped: Bytes };

  account: {
    id: AccountId;
    network: Network;
    user: UserId;
    management_room: RoomId;
    /** Null while enlisting. */
    enlistment: SealedOrErased;
    created_at: number;
    /** When it last carried a message, to the hour. */
    active_at: Generated<number>;
    /** Why it carries nothing; null while it does. */
    paused: PauseReason | null;
  };
  departure: {
    account: AccountId;
    network: Network;
    user: UserId;
    management_room: RoomId;
    interop_account: SealedOrErased;
    attempts: number;
  };
  /** `rooms`: a JSON array. */
  erasure: { user: UserId; rooms: string };
  departing_chat: { account: AccountId; room: RoomId | null; contact: ContactId };
  /** What is over is `until` then, and forgotten. */
  limit_use: { name: LimitName; scope: LimitScope; subject: LimitSubject; points: number; until: number };
  /** `room` is null where it is not known whether it was made. */
  departing_space: { account: AccountId; room: RoomId | null };
  preference: {
    account: AccountId;
    read_receipts: Flag;
    typing: Flag;
    delivery_marks: Flag;
    reach: Reach;
    /** Null while the user has not chosen. */
    arrangement: Arrangement | null;
  };
  pending_command: { user: UserId; command: Sealed; idle_since: IdleSince };

  /** `hash` is a keyed hash of the user. Both are null once it was erased. */
  consent_record: { id: RecordId; hash: Bytes | null; user: SealedOrErased };
  /** Only ever added; `mac` binds each to those before it. */
  consent_entry: { record: RecordId; position: number; entry: Sealed; mac: Bytes };
  /** Where records end, spread over pages. */
  consent_page: { page: string; links: Sealed };
  /** The one row that says what the pages are. */
  consent_head: { id: 1; digests: Sealed };

  contact: { seq: Generated<number>; id: ContactId; network: Network; name: SealedOrErased };
  /** `hash` is a keyed hash of what a name looks like; a lower `id` had it earlier. */
  contact_look: { id: Generated<number>; hash: Bytes; contact: ContactId };
  /** `hash` is a keyed hash of the address, unique in its network; `position` 0 is the one to write to first. */
  contact_address: { network: Network; hash: Bytes; contact: ContactId; address: Sealed; position: number };
  contact_picture: {
    contact: ContactId;
    uploaded: SealedOrErased;
    shown: Flag;
    looked_at: number | null;
    due_at: number | null;
    failures: number;
  };
  ghost: {
    contact: ContactId;
    actor: ActorId;
    user: UserId;
    device: DeviceId;
    ready: Flag;
    display_name: SealedOrErased;
  };
  /** `room` is null while the portal is wanted. */
  portal: {
    id: PortalId;
    account: AccountId;
    contact: ContactId;
    room: RoomId | null;
    labelled: Flag;
    given_name: SealedOrErased;
    acceptance: Acceptance['at'];
    /** Only of requests. */
    request_number: number | null;
    requested_at: number | null;
    asked_again: Flag;
    dropped: number;
    /** Since when messages wait for a decision of the user; null while none does. */
    inbox_held_since: ColumnType<number | null, never, number | null>;
    outbox_held_since: ColumnType<number | null, never, number | null>;
    /** As which of the account's chats it began. */
    position: Generated<number>;
  };
  /** `room` is null while it is being made. */
  space: { account: AccountId; state: SpaceState['at']; room: RoomId | null };
  /** What is in a Space, or (`put` 0) may be. */
  space_child: { account: AccountId; room: RoomId; position: number; put: Flag };
  block: { id: string; account: AccountId; label: Sealed; created_at: number };
  /** `hash` is a keyed hash of what is blocked. */
  block_pattern: { account: AccountId; hash: Bytes; block: string };
  /** `rules` is null until it was read for the first time. */
  policy_room: { room: RoomId; state: PolicyRoom['state']; rules: SealedOrErased };
  /** `account` is null for the operator. */
  policy_subscription: { id: string; account: AccountId | null; room: RoomId; name: Sealed; created_at: number };
  /** `used`: ranges of message indexes, as JSON. */
  room_key_use: { portal: PortalId; session: string; used: string };
  /** The same of rooms with the bot. */
  command_key_use: { room: RoomId; session: string; used: string; used_at: number };
  portal_visitor: { portal: PortalId; user: UserId; allowed: Flag };
  user_trust: { user: UserId; master_key: Sealed; seen: SealedOrErased; idle_since: IdleSince };

  /** What is known of a contact's devices, as JSON. */
  device_list: { contact: ContactId; account: AccountId; list: Sealed };

  signal_identity: { account: AccountId; key_pair: Sealed; registration_id: number; next_pre_key_id: number };
  signal_session: { contact: ContactId; account: AccountId; device: number; record: Sealed };
  signal_pre_key: { account: AccountId; id: number; record: Sealed };
  signal_signed_pre_key: { account: AccountId; id: number; record: Sealed; created_at: number };
  peer_trust: {
    contact: ContactId;
    account: AccountId;
    device: number;
    key: Sealed;
    seen: SealedOrErased;
    /** The key that the user has compared; counts only while it is the pinned one. */
    verified: SealedOrErased;
  };

  inbox: {
    id: RowId<InboxId>;
    account: AccountId;
    portal: PortalId;
    message_id: MessageId;
    device: number;
    timestamp: number;
    notice: Flag;
    state: InboxState['at'];
    body: SealedOrErased;
    event: SealedOrErased;
    /** What has become of its file; null where it has none, or nothing has been done yet. */
    file: SealedOrErased;
    /** Why it is parked. */
    failure: string | null;
    /** Since when it is awaited. */
    since: number | null;
    event_id: EventId | null;
    settled_at: SettledAt;
  };
  decrypt_failure: {
    id: Generated<number>;
    portal: PortalId;
    message_id: MessageId;
    device: number;
    count: number;
    settled_at: SettledAt;
  };
  outbox: {
    id: RowId<OutboxId>;
    account: AccountId;
    portal: PortalId;
    event: EventId;
    message_id: MessageId;
    created_at: number;
    state: OutboxState['at'];
    failure: string | null;
    payload: SealedOrErased;
    /** What is to be carried over before there is a payload. */
    file: SealedOrErased;
    stanza: SealedOrErased;
    /** Device numbers, a JSON array. */
    waiting_for: string;
    retry_for: string;
    confirmed: Flag;
    retries: number;
    hosted: HostedName | null;
    settled_at: SettledAt;
  };
  message_part: {
    id: Generated<number>;
    portal: PortalId;
    message_id: MessageId;
    event: EventId;
    settled_at: SettledAt;
  };
  message_reference: {
    id: Generated<number>;
    portal: PortalId;
    message_id: MessageId;
    from_user: Flag;
    event: EventId;
    room: RoomId;
    sent_at: number;
    settled_at: SettledAt;
  };
  /** Positions are ids of message_reference. */
  reading: {
    portal: PortalId;
    user_read: EventId | null;
    confirmed: number;
    contact_read: number;
    contact_shown: number;
  };
  delivery_mark: { portal: PortalId; event: EventId };
  message_reaction: {
    id: Generated<number>;
    portal: PortalId;
    message_id: MessageId;
    from_user: Flag;
    by_user: Flag;
    event: EventId;
    settled_at: SettledAt;
  };
  homeserver_transaction: {
    id: RowId<TransactionSeq>;
    transaction_id: string;
    body: SealedOrErased;
    settled_at: SettledAt;
  };
  matrix_event: {
    id: RowId<EventSeq>;
    event_id: EventId;
    room: RoomId;
    event: SealedOrErased;
    /** Since when it stands aside for want of its room key. */
    late_since: number | null;
    settled_at: SettledAt;
  };
  bot_message: {
    id: RowId<BotMessageSeq>;
    room: RoomId;
    key: string;
    /** 1 once the key may be used again; the message itself is still sent. */
    released: Flag;
    confidential: Flag;
    text: SealedOrErased;
    event: SealedOrErased;
    idle_since: IdleSince;
    settled_at: SettledAt;
  };
  /** `chosen` and `sending` are null once it is done. */
  report: {
    id: ReportId;
    account: AccountId;
    state: ReportState['at'];
    chosen: SealedOrErased;
    sending: SealedOrErased;
    made_at: number;
    settled_at: SettledAt;
  };
  hosted_file: { name: HostedName; account: AccountId; size: number; expires_at: number };
  signing_key: { kid: string; key: Sealed; created_at: number };
}
