// The queue as its administrator sees it: which messages wait or are parked, without what is in them.
import type { Network } from './account.ts';
import type { AccountId, EventId, InboxId, MessageId, OutboxId, PortalId, UserId } from './ids.ts';

/** A row of one of the journals, as people write it: `in-12`, `out-7`. */
export type QueueItemId =
  | { readonly journal: 'inbox'; readonly id: InboxId }
  | { readonly journal: 'outbox'; readonly id: OutboxId };

export interface QueueItem {
  readonly item: QueueItemId;
  readonly network: Network;
  readonly account: AccountId;
  readonly user: UserId;
  readonly portal: PortalId;
  /** The network's id of the message. */
  readonly messageId: MessageId;
  /** The Matrix event: of a message of the user the message itself, of a parked one of the contact what told the user so. */
  readonly event: EventId | undefined;
  /** The journal's own word for how far it has come. */
  readonly state: string;
  /** Why it is parked; undefined while it waits. */
  readonly code: string | undefined;
  /** Milliseconds since the Unix epoch: when the network had it, or when we received it from Matrix. */
  readonly since: number;
}

export interface QueueFilter {
  readonly which: 'waiting' | 'parked' | 'all';
  readonly limit: number;
  /** Only this user's. */
  readonly user?: UserId;
}

const prefixes = { inbox: 'in', outbox: 'out' } as const;

export const formatQueueItemId = ({ journal, id }: QueueItemId): string => `${prefixes[journal]}-${id}`;

/** Returns undefined where `text` is no such id. */
export function parseQueueItemId(text: string): QueueItemId | undefined {
  const [, prefix, digits] = /^(in|out)-(\d{1,15})$/.exec(text) ?? [];
  if (prefix === undefined) return undefined;
  const id = Number(digits);
  return prefix === 'in' ? { journal: 'inbox', id: id as InboxId } : { journal: 'outbox', id: id as OutboxId };
}
