// The durable journals: inbox (WhatsApp to Matrix), outbox (Matrix to WhatsApp), what the homeserver pushed, and what the bot has to say.
import type {
  AccountId,
  BotMessageSeq,
  EventId,
  EventSeq,
  InboxId,
  MessageId,
  OutboxId,
  PortalId,
  RoomId,
  SendId,
  TransactionSeq,
  UserId,
} from './ids.ts';
import type { HostedName, MatrixFile } from './media.ts';
import type { Quoted } from './reference.ts';

export type JsonObject = { readonly [key: string]: unknown };

/** A notice that the bridge itself writes into a portal. It reaches the room as m.notice with a typed field. */
export interface Notice {
  /** Stable, for programs: `label`, `identity-changed`, `not-delivered`, ... */
  readonly code: string;
  /** For people. */
  readonly text: string;
  /** The event that the notice is about, shown as a reply to it. */
  readonly about?: EventId;
  /** Shown instead of the text, which stands below it. */
  readonly picture?: NoticePicture;
}

/** A PNG that is on the homeserver, encrypted. */
export interface NoticePicture {
  readonly file: MatrixFile;
  /** Bytes of the picture itself. */
  readonly size: number;
  /** Pixels of each of its sides. */
  readonly side: number;
}

/** A finished Matrix event: what is sent, and sent again after a crash, is exactly this. */
export interface SealedEvent {
  readonly sendId: SendId;
  readonly type: string;
  readonly content: JsonObject;
}

export type InboxBody =
  /** The serialised, unpadded WhatsApp `Message`. */
  { readonly kind: 'message'; readonly payload: Uint8Array } | { readonly kind: 'notice'; readonly notice: Notice };

/** How far the file of a message has come on its way to Matrix. */
export type IncomingFile =
  /** The network has dropped it; the sender was asked for it again at `since` (ms since the Unix epoch). */
  | { readonly at: 'asked'; readonly since: number }
  /** The sender has given it to the network once more. */
  | { readonly at: 'found'; readonly directPath: string }
  /** On the homeserver, verified. `size` is that of the file itself, in bytes. */
  | {
      readonly at: 'uploaded';
      readonly size: number;
      readonly file: MatrixFile;
      readonly thumbnail: MatrixFile | undefined;
    }
  /** It will not come; `text` stands in its place. */
  | { readonly at: 'failed'; readonly code: string; readonly text: string };

export type InboxState =
  /** It could not be decrypted and its sender was asked for it again at `since` (ms since the Unix epoch): it keeps its place. */
  | { readonly at: 'awaited'; readonly since: number }
  /** It has not come in time: the chat has gone on without it. */
  | { readonly at: 'overdue' }
  | { readonly at: 'received'; readonly body: InboxBody }
  /**
   * The events to send, in order: one, or several where a text is too long for one. The body stays until Matrix has accepted them: a
   * room that is lost in between needs another encryption.
   */
  | { readonly at: 'encrypted'; readonly events: readonly [SealedEvent, ...SealedEvent[]]; readonly body: InboxBody }
  /**
   * It could not be shown, and trying again by itself does not help. The contact gets no delivery receipt; `notice` told the user. The body
   * stays for the retention time, so that the administrator may try again; there is none where the message could never be read.
   */
  | {
      readonly at: 'parked';
      readonly code: string;
      readonly notice: EventId | undefined;
      readonly body: InboxBody | undefined;
    }
  /** Matrix has it; the contact has not been sent the delivery receipt yet. */
  | { readonly at: 'accepted'; readonly event: EventId }
  | { readonly at: 'done'; readonly event: EventId | undefined };

export interface InboxRow {
  readonly id: InboxId;
  readonly account: AccountId;
  readonly portal: PortalId;
  /** The network's id; for a notice a deterministic id of ours, so that it is written once. */
  readonly messageId: MessageId;
  /** The contact's device that sent it; 0 is the primary. */
  readonly device: number;
  /** Milliseconds since the Unix epoch, by the network's clock. */
  readonly timestamp: number;
  readonly isNotice: boolean;
  readonly state: InboxState;
  /** Of a message with a file, once anything has been done about it; erased with the body. */
  readonly file: IncomingFile | undefined;
}

export type NewInboxRow = Omit<InboxRow, 'id' | 'state' | 'isNotice' | 'file'> & { readonly body: InboxBody };

/** A file that a Matrix user sends, until it has been carried over: all that the message for WhatsApp is made of then. */
export interface OutgoingFile {
  /** The decrypted event. */
  readonly type: string;
  readonly content: JsonObject;
  readonly quoted: Quoted | undefined;
  /** 32 bytes, chosen before the file is touched: a transfer that is begun again makes the same ciphertext. */
  readonly mediaKey: Uint8Array;
  /** Under which our media host keeps it. */
  readonly name: HostedName;
}

export type OutboxState =
  /** The file has to be carried over first; there is no payload yet. */
  | { readonly at: 'transfer'; readonly file: OutgoingFile }
  /** Decrypted from Matrix, not encrypted for WhatsApp yet. */
  | { readonly at: 'ready' }
  /** `stanza` is the finished, encoded stanza: sent, and sent again, byte for byte. */
  | { readonly at: 'encrypted'; readonly stanza: Uint8Array }
  /** The network has it. The payload stays until every addressed device has confirmed, for retry receipts. */
  | { readonly at: 'acknowledged' }
  | { readonly at: 'done' }
  /** It could not be sent, and its sender was told. The payload stays for the retention time, so that the administrator may try again. */
  | { readonly at: 'parked'; readonly code: string };

/** What a row may be set to; it is `transfer` only from the beginning. */
export type OutboxProgress = Exclude<OutboxState, { readonly at: 'transfer' }>;

export interface OutboxRow {
  readonly id: OutboxId;
  readonly account: AccountId;
  readonly portal: PortalId;
  readonly event: EventId;
  readonly messageId: MessageId;
  readonly createdAt: number;
  readonly state: OutboxState;
  /** The serialised, unpadded WhatsApp `Message`; absent once erased. */
  readonly payload: Uint8Array | undefined;
  /** Devices that were addressed and have sent no receipt. */
  readonly waitingFor: readonly number[];
  /** Devices that have asked for it again and wait for their own encryption of it. */
  readonly retryFor: readonly number[];
  /** Whether any device has sent a receipt. */
  readonly confirmed: boolean;
  /** How many retry receipts were answered. */
  readonly retries: number;
  /** Of a message with a file: under which name our media host keeps it. */
  readonly hosted: HostedName | undefined;
}

/** What its devices have said of a row. */
export type OutboxMarks = Pick<OutboxRow, 'waitingFor' | 'retryFor' | 'confirmed' | 'retries'>;
/** How far a row is. */
export type OutboxRowProgress = OutboxMarks & { readonly at: OutboxState['at'] };
/** A row without what it carries: nothing of it is sealed, so it can be read where that is damaged. */
export type OutboxEnvelope = Omit<OutboxRow, 'state' | 'payload'> &
  OutboxRowProgress & {
    /** Whether the payload is still there. */
    readonly kept: boolean;
  };

export type NewOutboxRow = Pick<OutboxRow, 'account' | 'portal' | 'event' | 'messageId' | 'createdAt'> &
  ({ readonly payload: Uint8Array } | { readonly file: OutgoingFile });

/** The part of a homeserver's transaction that concerns keys; handled before the events of the same transaction. */
export interface StoredTransaction {
  readonly seq: TransactionSeq;
  /** The body without its `events`, as received. */
  readonly body: JsonObject;
}

/** A room event as a homeserver pushes it to an application service. */
export interface MatrixEvent {
  readonly event_id: EventId;
  readonly room_id: RoomId;
  readonly sender: UserId;
  readonly type: string;
  readonly state_key?: string | undefined;
  readonly content: JsonObject;
  /** Of a redaction; since room version 11 it is in the content. */
  readonly redacts?: string | undefined;
  /** Milliseconds since the Unix epoch, as the sender's server claims. */
  readonly origin_server_ts: number;
}

/** An event as the homeserver keeps it. */
export interface KeptEvent extends MatrixEvent {
  /** The newest one of it, if it is a message. */
  readonly edit?: MatrixEvent;
  /** What took its content away, if anything has. */
  readonly redaction?: EventId;
}

export interface StoredEvent {
  readonly seq: EventSeq;
  readonly event: MatrixEvent;
}

/** An event that stands aside: its room key has not come. */
export interface LateEvent extends StoredEvent {
  /** Milliseconds since the Unix epoch. */
  readonly since: number;
}

export interface NewTransaction {
  readonly id: string;
  readonly body: JsonObject;
  readonly events: readonly MatrixEvent[];
}

/** A reply or notice of the bot in a management room. */
export interface BotMessage {
  readonly seq: BotMessageSeq;
  readonly room: RoomId;
  /** Messages with the same key are written once; the key can be released when its reason is gone. */
  readonly key: string;
  readonly text: string;
  /** It names people: for devices that may take part in chats, and never unencrypted. */
  readonly confidential: boolean;
  /** The finished event, once it is encrypted. */
  readonly event: SealedEvent | undefined;
}
