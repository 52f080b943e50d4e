// How far each side of a chat has read, and the marks that are still to be set. Ids only.
import type { EventId, PortalId } from './ids.ts';

/** How far each side of a portal has read: positions of references (see `KeptReference`), 0 for nothing. */
export interface Reading {
  readonly portal: PortalId;
  /** The user has read up to this event, and the contact is to be told; undefined: nothing is to be told. */
  readonly userRead: EventId | undefined;
  /** Up to here the contact has been told what the user has read, or never will be. */
  readonly confirmed: number;
  /** Up to here the contact has read what the user wrote. */
  readonly contactRead: number;
  /** Up to here the portal's room shows it. */
  readonly contactShown: number;
}

/** A message of the user that has arrived, and is to be marked. */
export interface DeliveryMark {
  readonly portal: PortalId;
  readonly event: EventId;
}
