// Portals: rooms that carry one chat between one account and one contact.
import type { AccountId, ContactId, PortalId, RoomId, UserId } from './ids.ts';

export type PortalState =
  /** Wanted; the room may or may not exist already (an earlier attempt may have been killed). */
  | { readonly at: 'wanted' }
  /** The room exists; `labelled` says whether the first notice has been sent. */
  | { readonly at: 'open'; readonly room: RoomId; readonly labelled: boolean };

/** Whether the user wants this chat. The contact learns of nothing but acceptance, and of that only by what follows from it. */
export type Acceptance =
  /** The user has let the contact in, or has written first. */
  | { readonly at: 'accepted' }
  /** The contact has written, and the user has not decided yet: what they write waits. */
  | {
      readonly at: 'requested';
      /** By which the user names it. Given by the store when the portal is created. */
      readonly number: number;
      /** Milliseconds since the Unix epoch. */
      readonly since: number;
      /** Whether the contact was asked for a message again; that happens once. */
      readonly askedAgain: boolean;
      /** How many messages did not wait, or could not be read. */
      readonly dropped: number;
    }
  /** The user has refused: what the contact writes is not kept. */
  | { readonly at: 'declined' };

/** Somebody in a portal, or invited to it, who is neither its ghost nor its user. */
export interface Visitor {
  readonly user: UserId;
  /** Whether the user lets them stay. */
  readonly allowed: boolean;
}

export interface Portal {
  readonly id: PortalId;
  readonly account: AccountId;
  readonly contact: ContactId;
  /** What the user calls the contact, in this chat only. */
  readonly givenName: string | undefined;
  readonly acceptance: Acceptance;
  readonly state: PortalState;
  /** Absent: nothing waits for a decision of the user. */
  readonly heldSince?: HeldSince;
}

/** Since when messages of either journal wait for a decision of the user, in milliseconds since the Unix epoch. */
export interface HeldSince {
  readonly inbox: number | undefined;
  readonly outbox: number | undefined;
}
