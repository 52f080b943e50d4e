// Reports: messages of contacts that users pass on to the moderators of this server, and what proves that they are what the network brought.
import type { AccountId, EventId, MessageId, ReportId, RoomId } from './ids.ts';
import type { SealedEvent } from './journal.ts';

/** What a user has chosen to report, and why. */
export interface ChosenMessages {
  /** Of the chat in which they stand. */
  readonly room: RoomId;
  readonly events: readonly EventId[];
  /** As the user wrote it; may be empty. */
  readonly reason: string;
}

/** A message as the network knows it. */
export interface NamedMessage {
  readonly id: MessageId;
  /** When it was sent, in milliseconds since the Unix epoch, by the network's clock. */
  readonly sentAt: number;
}

export type ReportState =
  /** The messages have not been fetched yet. */
  | { readonly at: 'chosen' }
  /** Exactly these events go to the moderators, in this order. */
  | { readonly at: 'encrypted'; readonly events: readonly SealedEvent[]; readonly named: readonly NamedMessage[] }
  /** The moderators have them; the network is to be told of these messages. */
  | { readonly at: 'passed-on'; readonly named: readonly NamedMessage[] };

/** A report on its way. When it is done, nothing stays of it but when it was made. */
export interface Report {
  readonly id: ReportId;
  readonly account: AccountId;
  readonly chosen: ChosenMessages;
  readonly state: ReportState;
}

/** When a report was made, in milliseconds since the Unix epoch, and whether it is still on its way. */
export interface MadeReport {
  readonly madeAt: number;
  readonly done: boolean;
}

/** Makes tags that nobody can make who has not this bridge's key. */
export interface TagKey {
  /** A tag over these fields, in this order, in base64. */
  tag(fields: readonly string[]): string;
  /** Whether it is the tag over exactly these fields. Takes the same time wherever they differ. */
  fits(fields: readonly string[], tag: string): boolean;
}
