// Accounts: Matrix users who opted in on a network.
import type { PauseReason } from './consent.ts';
import type { AccountId, ContactId, RoomId, UserId } from './ids.ts';
import type { InteropJid } from './jid.ts';
import type { DepartingSpace } from './space.ts';

/** One set of endpoints and a product code of the interoperability interface. */
export type Network = 'whatsapp' | 'messenger';

/** What the network gave us at enlistment. */
export interface Enlistment {
  /** The network's numeric id of this user, as decimal text (an unsigned 64-bit number). */
  readonly interopAccountId: string;
  readonly jid: InteropJid;
}

export type AccountState =
  /** Confirmed by the user; the network has not answered the enlistment call yet. */
  | { readonly at: 'enlisting' }
  | { readonly at: 'active'; readonly enlistment: Enlistment }
  /** Nothing is sent or received; what waits goes on waiting. */
  | { readonly at: 'paused'; readonly why: PauseReason; readonly enlistment: Enlistment };

export interface Account {
  readonly id: AccountId;
  readonly network: Network;
  readonly user: UserId;
  /** The room in which the user talks to the bot. */
  readonly managementRoom: RoomId;
  readonly state: AccountState;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
}

/**
 * Who may begin a chat with the user. `everyone`: whoever is unknown asks first. `known`: only those whom the user has let in, or has
 * written to. `nobody`: there are no new chats, from neither side.
 */
export const reaches = ['everyone', 'known', 'nobody'] as const;
export type Reach = (typeof reaches)[number];

/** `separate`: the user's chats are in a Space of their own. `combined`: they are among the user's other rooms. */
export const arrangements = ['combined', 'separate'] as const;
export type Arrangement = (typeof arrangements)[number];

/** What leaves the server, or becomes visible to it, only because the user has switched it on; who may write to them; and where their chats are. */
export interface Preferences {
  /** Contacts see what the user has read. */
  readonly readReceipts: boolean;
  /** Contacts see that the user types, and that they are present. */
  readonly typing: boolean;
  /** A mark under each message of the user that has arrived, which the homeserver can read. */
  readonly deliveryMarks: boolean;
  readonly reach: Reach;
  /** Undefined: not chosen, so as this server does it. */
  readonly arrangement: Arrangement | undefined;
}

export const allOff: Preferences = {
  readReceipts: false,
  typing: false,
  deliveryMarks: false,
  reach: 'everyone',
  arrangement: undefined,
};

/** What an account holds here: how many of each. */
export interface Holdings {
  readonly chats: number;
  /** Messages of contacts whose content is kept. */
  readonly incoming: number;
  /** The user's, not sent yet. */
  readonly outgoing: number;
  /** The user's that were sent, kept in case a device asks for them again. */
  readonly kept: number;
  /** Files of the user that wait for the network to fetch them. */
  readonly files: number;
  readonly oneTimeKeys: number;
  readonly sessions: number;
}

/**
 * What is left of an account after opt-out until the network has accepted the withdrawal: just what that call needs.
 * The account itself, its keys and its content are gone by then.
 */
export interface Departure {
  readonly account: AccountId;
  readonly network: Network;
  readonly user: UserId;
  readonly managementRoom: RoomId;
  /** Absent where the enlistment never came through. */
  readonly interopAccountId: string | undefined;
  readonly attempts: number;
  /** Chats whose ghosts still have to leave the room and forget its keys. */
  readonly chats: readonly DepartingChat[];
  /** The Space for them, which the bot still has to leave. */
  readonly space: DepartingSpace | undefined;
}

export interface DepartingChat {
  /** Undefined where the chat had no room yet. */
  readonly room: RoomId | undefined;
  readonly contact: ContactId;
}
