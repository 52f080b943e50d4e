// What the administrator's commands work on: the running bridge, or the database of a stopped one.
import { adminToken } from '../admin/token.ts';
import type { Config } from '../config/config.ts';
import { loadMasterKey } from '../config/master-key.ts';
import { systemClock } from '../model/clock.ts';
import { BridgeError } from '../model/errors.ts';
import type { Store } from '../model/store.ts';

export interface Administration {
  /** With the address and the token of the bridge. */
  readonly running: (url: string, token: string) => Promise<void>;
  /** With the store of a bridge that does not run. */
  readonly stopped: (store: Store) => Promise<void>;
}

/** Runs one of the two, for the bridge that uses this configuration. */
export async function administrate(config: Config, { running, stopped }: Administration): Promise<void> {
  const masterKey = loadMasterKey(config);
  const { host, port } = config.appservice.listen;
  const reachable = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
  const url = `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
  try {
    return await running(url, adminToken(masterKey));
  } catch (error) {
    if (!(error instanceof BridgeError) || error.code !== 'admin.unreachable') throw error;
  }
  const { openStore } = await import('../store/open-store.ts');
  const { sqlite, postgres } = config.database;
  const store = await openStore({ ...(postgres ? { postgres } : { path: sqlite }), masterKey, clock: systemClock });
  try {
    await stopped(store);
  } finally {
    await store.close();
  }
}
