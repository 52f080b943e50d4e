// What is on record about a user's consent, as far as it can be relied on.
import type { Network } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import type { ConsentEntry, ConsentEvent } from '../../model/consent.ts';
import type { UserId } from '../../model/ids.ts';
import type { BridgeContext } from '../context.ts';

/** Undefined where the record is damaged: then none of it counts. */
export async function intactEntries(
  { store }: BridgeContext,
  user: UserId,
): Promise<readonly ConsentEntry[] | undefined> {
  return (await store.consent.isIntact(user)) ? store.consent.entries(user) : undefined;
}

/** Puts on record what the user has decided. A damaged record is given up for a new one, so that it stands in nobody's way. */
export async function decided({ store }: BridgeContext, user: UserId, event: ConsentEvent): Promise<Change> {
  const change = { change: 'consent.record', user, event } as const;
  return (await store.consent.isIntact(user)) ? change : { ...change, anew: true };
}

/** The newest entry about this network. */
export function lastAbout(entries: readonly ConsentEntry[], network: Network): ConsentEntry | undefined {
  return entries.findLast((entry) => 'network' in entry && entry.network === network);
}
