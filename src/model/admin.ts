// What the administrator may do with a running bridge, and with one that is stopped.
import type { ConsentCheck } from './consent.ts';
import type { UserId } from './ids.ts';
import type { QueueFilter, QueueItem, QueueItemId } from './queue.ts';
import type { ErasurePlan, UserExport } from './user-data.ts';

export interface QueueAdmin {
  list(filter: QueueFilter): Promise<readonly QueueItem[]>;
  find(item: QueueItemId): Promise<QueueItem | undefined>;
  /** Tries a parked message again, in its old place. Rejects with BridgeError `store.gone` where it is not parked. */
  retry(item: QueueItemId): Promise<void>;
  /** Erases a parked message. Rejects with BridgeError `store.gone` where it is not parked. */
  drop(item: QueueItemId): Promise<void>;
}

export interface UserDataAdmin {
  export(user: UserId): Promise<UserExport>;
  /** What `erase` would concern. */
  plan(user: UserId): Promise<ErasurePlan>;
  /** Begins; `isErasing` tells when it is done. */
  erase(user: UserId): Promise<void>;
  isErasing(user: UserId): Promise<boolean>;
}

/** What can be said of an installation only by whoever has its database open. */
export interface InstallationReport {
  /** What the database says of itself; empty where it is sound. */
  readonly integrity: readonly string[];
  readonly consent: ConsentCheck;
  readonly parked: number;
  readonly waiting: number;
  /** Since when the oldest message waits, in milliseconds since the Unix epoch. */
  readonly waitingSince: number | undefined;
  /** Ids of the provider's signing keys that tokens are signed with at present. */
  readonly signingKeys: readonly string[];
  /** Whether what the homeserver pushed last came with key counts; undefined where nothing was pushed, or the bridge is stopped. */
  readonly keyCounts: boolean | undefined;
}
