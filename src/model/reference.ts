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

/** A reference as it is kept. */
export interface KeptReference extends MessageReference {
  /** Rises from one message of a portal to the next in the order in which they became known here, whoever wrote them. */
  readonly position: number;
}

export interface MessageReaction {
  readonly portal: PortalId;
  readonly target: MessageTarget;
  /** Whether the account's own user reacted; otherwise the contact did. */
  readonly byUser: boolean;
  /** The reaction itself. */
  readonly event: EventId;
}

/** What a Matrix user answers. */
export type Quoted =
  /** `author`: the JID of who wrote it. */
  | { readonly known: true; readonly id: MessageId; readonly author: string; readonly text: string }
  | { readonly known: false; readonly text: string };

/** A further event of a message that was too long for one; the first one is the message's reference. */
export interface MessagePart {
  readonly portal: PortalId;
  readonly messageId: MessageId;
  readonly event: EventId;
}
