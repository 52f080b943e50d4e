// The queue in the administrator's hands: what waits, what is parked, trying again and giving up.
import type { QueueAdmin } from '../model/admin.ts';
import type { PortalId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';

/** `wake`: called with the portal in which there is work again. */
export function queueAdmin(store: Store, wake: (portal: PortalId) => void): QueueAdmin {
  return {
    list: store.queue.list,
    find: store.queue.find,
    retry: async (item) => {
      await store.commit([{ change: 'queue.retry', item }]);
      const row = await store.queue.find(item);
      if (row !== undefined) wake(row.portal);
    },
    drop: (item) => store.commit([{ change: 'queue.drop', item }]),
  };
}
