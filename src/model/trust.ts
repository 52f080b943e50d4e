// Trust decisions: whose key is whose. Trust on first use, then pinned; a change is held until a person decides.
import type { UserId } from './ids.ts';

/** A contact's identity key on one device, as one account sees it. Keys are 33 bytes (0x05 and X25519). */
export type PeerTrust =
  | { readonly state: 'pinned'; readonly key: Uint8Array }
  /** Another key has been seen: nothing is sent to this contact until the user acknowledges it. */
  | { readonly state: 'changed'; readonly key: Uint8Array; readonly seen: Uint8Array };

/** A Matrix user's cross-signing master key (unpadded base64, Ed25519). */
export type UserTrust =
  | { readonly state: 'pinned'; readonly user: UserId; readonly masterKey: string }
  | { readonly state: 'changed'; readonly user: UserId; readonly masterKey: string; readonly seen: string };

/** Which of a Matrix user's devices take part in a conversation. */
export type DevicePolicy =
  /** Only devices that their owner has cross-signed (MSC4153). The default. */
  | 'cross-signed'
  /** Any device of the user. Weaker: whoever controls the homeserver can add a device that reads along. */
  | 'all';
