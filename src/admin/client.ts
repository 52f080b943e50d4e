// A running bridge, administrated by another process over HTTP.
import { z } from 'zod';
import type { QueueAdmin } from '../model/admin.ts';
import { BridgeError } from '../model/errors.ts';
import { formatQueueItemId, type QueueItem } from '../model/queue.ts';

const items = z.object({ items: z.array(z.custom<QueueItem>((value) => typeof value === 'object')) });

/** `url`: where the bridge listens. Rejects with `admin.unreachable` where nothing listens there, `admin.refused` for any other error. */
export function remoteQueue(url: string, token: string): QueueAdmin {
  const call = async (method: string, path: string): Promise<Response> => {
    const headers = { authorization: `Bearer ${token}` };
    let response: Response;
    try {
      response = await fetch(`${url}/admin/queue${path}`, { method, headers, signal: AbortSignal.timeout(30_000) });
    } catch (cause) {
      throw new BridgeError('admin.unreachable', `no bridge answers at ${url}`, { cause });
    }
    if (response.ok || response.status === 404) return response;
    const reason = response.status === 401 ? 'another master key is in use there' : `it answered ${response.status}`;
    throw new BridgeError('admin.refused', `the bridge at ${url} does not take this: ${reason}`);
  };
  const change = async (method: string, path: string): Promise<void> => {
    if (!(await call(method, path)).ok) throw new BridgeError('store.gone', 'there is no such parked message');
  };
  return {
    list: async ({ which, limit }) =>
      items.parse(await (await call('GET', `?which=${which}&limit=${limit}`)).json()).items,
    find: async (item) => {
      const response = await call('GET', `/${formatQueueItemId(item)}`);
      const found: QueueItem | undefined = response.ok ? await response.json() : undefined;
      return found;
    },
    retry: (item) => change('POST', `/${formatQueueItemId(item)}/retry`),
    drop: (item) => change('DELETE', `/${formatQueueItemId(item)}`),
  };
}
