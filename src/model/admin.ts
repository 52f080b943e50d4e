// What the administrator may do with a running bridge, and with one that is stopped.
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
