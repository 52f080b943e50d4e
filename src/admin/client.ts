// A running bridge, administrated by another process over HTTP.
import { z } from 'zod';
import type { InstallationReport, QueueAdmin, UserDataAdmin } from '../model/admin.ts';
import { BridgeError } from '../model/errors.ts';
import type { UserId } from '../model/ids.ts';
import { formatQueueItemId, type QueueItem } from '../model/queue.ts';
import type { ErasurePlan, UserExport } from '../model/user-data.ts';

const exported = z.custom<UserExport>((value) => typeof value === 'object' && value !== null && 'format' in value);
const erasureAnswer = z.object({
  plan: z.custom<ErasurePlan>((value) => typeof value === 'object' && value !== null),
  erasing: z.boolean(),
});
const items = z.object({ items: z.array(z.custom<QueueItem>((value) => typeof value === 'object')) });

/** `url`: where the bridge listens. Rejects with `admin.unreachable` where nothing listens there, `admin.refused` for any other error. */
export function remoteQueue(url: string, token: string): QueueAdmin {
  const call = caller(url, token, '/queue');
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

/** `url`: where the bridge listens. Rejects as `remoteQueue` does. */
export function remoteUserData(url: string, token: string): UserDataAdmin {
  const call = caller(url, token, '/users');
  const at = (user: UserId, what: string): string => `/${encodeURIComponent(user)}/${what}`;
  const erasure = async (user: UserId): Promise<z.output<typeof erasureAnswer>> =>
    erasureAnswer.parse(await (await call('GET', at(user, 'erasure'))).json());
  return {
    export: async (user) => exported.parse(await (await call('GET', at(user, 'export'))).json()),
    plan: async (user) => (await erasure(user)).plan,
    erase: async (user) => void (await call('POST', at(user, 'erasure'))),
    isErasing: async (user) => (await erasure(user)).erasing,
  };
}

/** Calls the endpoints below one path of the administrator's. */
function caller(url: string, token: string, below: string): (method: string, path: string) => Promise<Response> {
  return async (method, path) => {
    const headers = { authorization: `Bearer ${token}` };
    let response: Response;
    try {
      response = await fetch(`${url}/admin${below}${path}`, { method, headers, signal: AbortSignal.timeout(30_000) });
    } catch (cause) {
      throw new BridgeError('admin.unreachable', `no bridge answers at ${url}`, { cause });
    }
    if (response.ok || response.status === 404) return response;
    const reason = response.status === 401 ? 'another master key is in use there' : `it answered ${response.status}`;
    throw new BridgeError('admin.refused', `the bridge at ${url} does not take this: ${reason}`);
  };
}

/** What a running bridge says of its installation. Rejects as `remoteQueue` does. */
export async function remoteReport(url: string, token: string): Promise<InstallationReport> {
  const response = await caller(url, token, '/report')('GET', '');
  const report: InstallationReport | undefined = response.ok ? await response.json() : undefined;
  if (report !== undefined) return report;
  throw new BridgeError('admin.refused', `what answers at ${url} is no bridge of this version`);
}
