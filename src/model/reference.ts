// Which Matrix event is which WhatsApp message: what replies, reactions, edits and deletions refer to. Ids only.
import type { EventId, MessageId, PortalId, RoomId } from './ids.ts';

/** A message of a one-to-one chat, as both of its sides name it: by its id and by who wrote it. */
export interface MessageTarget {
  readonly messageId: MessageId;
  /** Whether the account's own user wrote it; otherwise the contact did. */
  readonly fromUser: boolean;
}

export interface MessageReference extends MessageTarget {
  readonly portal: PortalId;
  readonly event: EventId;
  /** A portal may have had another room before. */
  readonly room: RoomId;
  /** Milliseconds since the Unix epoch. */
  readonly sentAt: number;
}

export interface MessageReaction {
  readonly portal: PortalId;
  readonly target: MessageTarget;
  /** Whether the account's own user reacted; otherwise the contact did. */
  readonly byUser: boolean;
  /** The reaction itself. */
  readonly event: EventId;
}
