// Contacts and their ghosts.
import type { Network } from './account.ts';
import type { ActorId, ContactId, DeviceId, UserId } from './ids.ts';
import type { UserJid } from './jid.ts';
import type { MediaUri } from './media.ts';

/** A person on the network, under an id of our own. All addresses of one person belong to one contact. */
export interface Contact {
  readonly id: ContactId;
  readonly network: Network;
  readonly name: ContactName | undefined;
  /** Every address known, without device; the one to write to first. */
  readonly addresses: readonly UserJid[];
}

/** The name that a person goes by on the network, fit to be shown. */
export interface ContactName {
  readonly text: string;
  /** What stands for its looks: names that share one of these look alike. */
  readonly looks: readonly string[];
}

/** A picture of the network's, as the homeserver has it. */
export interface UploadedPicture {
  /** The network's. */
  readonly id: string;
  readonly uri: MediaUri;
}

/** What is known of a contact's picture. Times in milliseconds since the Unix epoch. */
export interface ContactPicture {
  readonly contact: ContactId;
  readonly uploaded: UploadedPicture | undefined;
  /** Whether the ghost shows what is `uploaded`, or nothing where nothing is. */
  readonly shown: boolean;
  /** When the network last said how things stand. */
  readonly lookedAt: number | undefined;
  /** When to look again; undefined: not before something happens. */
  readonly dueAt: number | undefined;
  /** Since the last look that succeeded. */
  readonly failures: number;
}

/** One of our users on the homeserver, with the device it speaks from. */
export interface Actor {
  readonly id: ActorId;
  readonly user: UserId;
  readonly device: DeviceId;
}

export interface Ghost {
  readonly contact: ContactId;
  readonly actor: Actor;
  /** True once it is registered, has its device and its cross-signing identity. */
  readonly ready: boolean;
  /** The display name last set on the homeserver. */
  readonly displayName: string | undefined;
}
