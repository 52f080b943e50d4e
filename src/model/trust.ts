// Trust decisions: whose key is whose. Trust on first use, then pinned; a change is held until a person decides.
import type { MessageId, UserId } from './ids.ts';

/** A contact's identity key on one device, as one account sees it. Keys are 33 bytes (0x05 and X25519). */
export type PeerTrust =
  | { readonly state: 'pinned'; readonly key: Uint8Array }
  /** Another key has been seen: nothing is sent to this contact until the user acknowledges it. */
  | { readonly state: 'changed'; readonly key: Uint8Array; readonly seen: Uint8Array };

/** What one account knows about the devices of one contact. */
export interface DeviceList {
  /** When the network first named them, in milliseconds since the Unix epoch; 0: never yet. What comes later is news for the user. */
  readonly since: number;
  /** When the network last named them, in milliseconds since the Unix epoch; 0: ask again before the next sending. */
  readonly checkedAt: number;
  /** The message that the network refused for a stale list. It is not asked for twice on account of the same message. */
  readonly refusedFor?: MessageId;
  readonly devices: readonly ContactDevice[];
  /** The newest list of companions that the primary has signed, as far as one was ever shown. It never goes back. */
  readonly signed?: SignedDevices & { readonly by: string };
}

/** What a primary has signed about its companions, verified. `by`, where it stands: its identity key, base64. */
export interface SignedDevices {
  /** When it was signed, in Unix seconds by the phone's clock. */
  readonly timestamp: number;
  /** Key indexes of the companions that are linked. */
  readonly valid: readonly number[];
}

/** What a primary has signed about one companion: under which number it was linked, and when, in Unix seconds. */
export interface LinkedDevice {
  readonly keyIndex: number;
  readonly timestamp: number;
}

export interface ContactDevice {
  /** 0 is the primary. */
  readonly device: number;
  readonly keyIndex?: number;
  /** Since when we have known it, in milliseconds since the Unix epoch. */
  readonly since: number;
  readonly standing: DeviceStanding;
}

export type DeviceStanding =
  /** Trusted on first use, then pinned (see PeerTrust). */
  | { readonly as: 'primary' }
  /** Named by the network; nobody has asked for its keys yet. */
  | { readonly as: 'listed' }
  /** Vouched for by the primary that had this identity key (base64). A primary with another key has not vouched for it. */
  | { readonly as: 'proven'; readonly by: string; readonly link?: LinkedDevice }
  /** Its keys came without a proof by the primary that has this identity key: it receives nothing, and what it sends is not the contact's. */
  | { readonly as: 'unproven'; readonly by?: string };

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
