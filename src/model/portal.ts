// Portals: rooms that carry one chat between one account and one contact.
import type { AccountId, ContactId, PortalId, RoomId } from './ids.ts';

export type PortalState =
  /** Wanted; the room may or may not exist already (an earlier attempt may have been killed). */
  | { readonly at: 'wanted' }
  /** The room exists; `labelled` says whether the first notice has been sent. */
  | { readonly at: 'open'; readonly room: RoomId; readonly labelled: boolean };

export interface Portal {
  readonly id: PortalId;
  readonly account: AccountId;
  readonly contact: ContactId;
  /** What the user calls the contact, in this chat only. */
  readonly givenName: string | undefined;
  readonly state: PortalState;
}
