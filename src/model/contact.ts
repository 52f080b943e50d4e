// Contacts and their ghosts.
import type { Network } from './account.ts';
import type { ActorId, ContactId, DeviceId, UserId } from './ids.ts';
import type { UserJid } from './jid.ts';

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
