// Where a user's chats are: as they have chosen, or else as this server does it.
import type { Account, Arrangement, Preferences } from '../../model/account.ts';
import type { Change } from '../../model/change.ts';
import type { BridgeContext } from '../context.ts';

export function arrangementOf({ settings }: BridgeContext, { arrangement }: Preferences): Arrangement {
  return arrangement ?? settings.arrangement;
}

export async function arrange({ store }: BridgeContext, { id }: Account, arrangement: Arrangement): Promise<Change> {
  const preferences = { ...(await store.accounts.preferences(id)), arrangement };
  return { change: 'account.preferences', account: id, preferences };
}
