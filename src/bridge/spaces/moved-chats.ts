// What concerns a Space is seen where it is committed, whoever commits it: a chat that gets a room or loses it, and the user's choice.
import type { Change } from '../../model/change.ts';
import type { AccountId, ContactId, PortalId } from '../../model/ids.ts';
import type { Store } from '../../model/store.ts';

/** The same store. `moved` is called after a commit for every account whose Space may have to change with it. */
export function watched(store: Store, moved: (account: AccountId) => void): Store {
  return {
    ...store,
    commit: async (changes) => {
      const moves = changes.filter(isMove);
      // Before the commit: a contact that is merged is gone afterwards. If this cannot be read, nothing is committed.
      const accounts = (await Promise.all(moves.map((change) => accountsOf(store, change)))).flat();
      await store.commit(changes);
      for (const account of new Set(accounts)) moved(account);
    },
  };
}

const moveKinds = ['account.put', 'account.preferences', 'portal.state', 'portal.acceptance', 'contact.merge'] as const;
type Move = Change & { readonly change: (typeof moveKinds)[number] };

const isMove = (change: Change): change is Move => moveKinds.some((each) => each === change.change);

async function accountsOf(store: Store, change: Move): Promise<readonly AccountId[]> {
  switch (change.change) {
    case 'account.put':
      return [change.account.id];
    case 'account.preferences':
      return [change.account];
    case 'portal.state':
    case 'portal.acceptance':
      return accountOfChat(store, change.portal);
    case 'contact.merge':
      return accountsWithChats(store, change.from);
  }
}

async function accountOfChat(store: Store, portal: PortalId): Promise<readonly AccountId[]> {
  const known = await store.portals.get(portal);
  return known === undefined ? [] : [known.account];
}

async function accountsWithChats(store: Store, contact: ContactId): Promise<readonly AccountId[]> {
  return (await store.portals.ofContact(contact)).map(({ account }) => account);
}
