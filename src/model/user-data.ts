// What is held about a user: what `export` gives out, and how far `erase` has come. docs/privacy.md describes the format for people.
import type { Network, Preferences } from './account.ts';
import type { ConsentEntry } from './consent.ts';
import type { AccountId, EventId, MessageId, PortalId, RoomId, UserId } from './ids.ts';
import type { LimitName } from './limit.ts';
import type { HostedFile } from './media.ts';
import type { Acceptance, Visitor } from './portal.ts';

/** Raised when a program that reads exports would have to change. */
export const exportVersion = 1;

/**
 * Everything held about a user, as JSON. Times are RFC 3339 in UTC. Keys of any kind are left out, and so is what people wrote: what waits
 * for the user arrives in their rooms, and what they wrote stands there already.
 */
export interface UserExport {
  readonly format: 'matrix-appservice-whatsapp export';
  readonly version: typeof exportVersion;
  readonly exportedAt: string;
  readonly user: UserId;
  /** Whether a cross-signing identity of the user is pinned, and whether another one waits for a decision. */
  readonly identity: 'unknown' | 'pinned' | 'changed';
  readonly consent: readonly (Omit<ConsentEntry, 'at'> & { readonly at: string })[];
  readonly accounts: readonly ExportedAccount[];
  /** Opt-outs that the network has not confirmed yet. */
  readonly departures: readonly { readonly network: Network; readonly interopAccountId: string | undefined }[];
}

export interface ExportedAccount {
  readonly id: AccountId;
  readonly network: Network;
  readonly createdAt: string;
  readonly managementRoom: RoomId;
  /** What the network calls the user; absent until it has accepted them. */
  readonly interopAccountId: string | undefined;
  readonly address: string | undefined;
  readonly preferences: Preferences;
  /** How much of each rate limit has been used: messages, chats, requests, or bytes of files. */
  readonly limits: readonly { readonly limit: LimitName; readonly used: number; readonly until: string }[];
  /** The Space for the chats, where there is one. */
  readonly space: RoomId | undefined;
  /** Whom the user has blocked, as they wrote it. */
  readonly blocks: readonly { readonly label: string; readonly since: string }[];
  /** To which the user subscribes, as they named them. */
  readonly policyRooms: readonly { readonly room: RoomId; readonly name: string; readonly since: string }[];
  /** When the user has reported messages, and whether that has been passed on; of what and why nothing is kept then. */
  readonly reports: readonly { readonly at: string; readonly done: boolean }[];
  readonly chats: readonly ExportedChat[];
  /** Messages that wait or could not be carried; not what is in them. */
  readonly messages: readonly {
    readonly direction: 'from-contact' | 'to-contact';
    readonly chat: PortalId;
    readonly messageId: MessageId;
    readonly event: EventId | undefined;
    readonly state: string;
    readonly code: string | undefined;
    readonly since: string;
  }[];
  /** Files that the user has sent and that wait to be fetched, encrypted. */
  readonly files: readonly { readonly name: HostedFile['name']; readonly bytes: number; readonly expiresAt: string }[];
}

export interface ExportedChat {
  readonly id: PortalId;
  readonly room: RoomId | undefined;
  /** Whether the user has let this contact in. */
  readonly acceptance: Acceptance['at'];
  /** The name that the contact goes by on the network. */
  readonly contactName: string | undefined;
  /** The name that the user has given them. */
  readonly givenName: string | undefined;
  /** Phone-number and hidden addresses of the contact. */
  readonly contactAddresses: readonly string[];
  readonly ghost: UserId | undefined;
  /** Who else is in the room or invited, and whether the user lets them stay. */
  readonly visitors: readonly Visitor[];
  /** Since when messages of the contact, and messages to them, wait for a decision of the user. */
  readonly heldSince: { readonly fromContact: string | undefined; readonly toContact: string | undefined };
  /** Of each room key of the user: its id, and which messages under it have been handled, as ranges of their indexes. Not the key. */
  readonly roomKeys: readonly { readonly session: string; readonly used: readonly (readonly number[])[] }[];
  /** The contact's devices whose keys are pinned, and whether one has changed. */
  readonly devices: readonly { readonly device: number; readonly key: 'pinned' | 'changed' }[];
}

/** An erasure under way: what is left of a user until the homeserver and the network have agreed. */
export interface Erasure {
  readonly user: UserId;
  /** In which they talk, or talked, to the bot. */
  readonly rooms: readonly RoomId[];
}

/** What the homeserver keeps when a user has been erased here, for its administrator. */
export interface ErasurePlan {
  readonly user: UserId;
  readonly accounts: readonly Network[];
  /** Rooms of chats, and those in which the user talks to the bot. */
  readonly rooms: readonly RoomId[];
  /** Ghosts that nobody else needs. */
  readonly ghosts: readonly UserId[];
  readonly files: number;
}
