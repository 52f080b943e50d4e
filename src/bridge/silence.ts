// Silencing an account: whatever works for it comes to its end, and nothing begins until it may again.
import type { AccountId, PortalId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';
import type { Workers } from './workers.ts';

export interface AccountWork {
  readonly store: Store;
  readonly ofAccount: readonly Workers<AccountId>[];
  readonly ofPortal: readonly Workers<PortalId>[];
  /** Breaks off what may take long: files on their way. */
  readonly breakOff: (account: AccountId) => void;
  /** Ends the account's connection to the network. */
  readonly disconnect: (account: AccountId) => Promise<void>;
}

/** When it resolves, nothing is on its way for this account in either direction. What is returned lets it work again, if it still may. */
export async function silence(work: AccountWork, account: AccountId): Promise<() => void> {
  const portals = await work.store.portals.ofAccount(account);
  const halts = [
    ...work.ofAccount.map((workers) => workers.halt(account)),
    ...portals.flatMap(({ id }) => work.ofPortal.map((workers) => workers.halt(id))),
  ];
  work.breakOff(account);
  await work.disconnect(account);
  const releases = await Promise.all(halts);
  // A step that was just ending may have opened another one.
  await work.disconnect(account);
  return () => {
    for (const release of releases) release();
  };
}
