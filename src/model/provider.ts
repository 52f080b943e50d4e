// The port under the provider: its signing keys, and who has opted in.
import type { UserId } from './ids.ts';

export interface SigningKey {
  readonly kid: string;
  readonly algorithm: string;
  /** PKCS#8, PEM. */
  readonly privateKey: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
  /** When tokens are first signed with it: later than its publication, because the network caches the key set. */
  readonly activeFrom: number;
  /** When it leaves the published key set; undefined while it is current. */
  readonly retireAt: number | undefined;
}

export interface SigningKeyStore {
  list(): Promise<readonly SigningKey[]>;
  put(key: SigningKey): Promise<void>;
  remove(kid: string): Promise<void>;
}

export interface OptInRegister {
  /** Whether this user has confirmed opt-in. */
  isOptedIn(user: UserId): Promise<boolean>;
  /** Whether this user has opted out and the network has still to be told: one last kind of token is good for that. */
  isLeaving(user: UserId): Promise<boolean>;
}
