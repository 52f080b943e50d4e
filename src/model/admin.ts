// What the administrator may do with a running bridge, and with one that is stopped.
import type { QueueFilter, QueueItem, QueueItemId } from './queue.ts';

export interface QueueAdmin {
  list(filter: QueueFilter): Promise<readonly QueueItem[]>;
  find(item: QueueItemId): Promise<QueueItem | undefined>;
  /** Tries a parked message again, in its old place. Rejects with BridgeError `store.gone` where it is not parked. */
  retry(item: QueueItemId): Promise<void>;
  /** Erases a parked message. Rejects with BridgeError `store.gone` where it is not parked. */
  drop(item: QueueItemId): Promise<void>;
}
