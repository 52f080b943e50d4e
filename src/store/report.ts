// What the administrator's doctor asks of an open database.
import type { InstallationReport } from '../model/admin.ts';
import type { OpenStore } from './open-store.ts';

/** `keyCounts`: what a running bridge has seen of them. */
export async function installationReport(
  store: OpenStore,
  keyCounts: boolean | undefined,
): Promise<InstallationReport> {
  const [oldest] = await store.queue.list({ which: 'waiting', limit: 1 });
  const now = Date.now();
  const keys = await store.signingKeys.list();
  return {
    integrity: await store.examine(),
    consent: await store.consent.check(),
    parked: await store.counts.parked(),
    waiting: (await store.counts.inboxWaiting()) + (await store.counts.outboxWaiting()),
    waitingSince: oldest?.since,
    signingKeys: keys.filter(({ retireAt }) => retireAt === undefined || retireAt > now).map(({ kid }) => kid),
    keyCounts,
  };
}
