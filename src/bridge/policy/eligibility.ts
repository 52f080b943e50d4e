// Who may use the bridge: whom the administrator has opened it to, and no policy room of theirs names.
import type { UserId } from '../../model/ids.ts';
import type { BridgeContext } from '../context.ts';
import { namesUser } from './rules.ts';

/** What keeps somebody out. */
export type Closed = 'permissions' | 'policy-room';

/**
 * Why this user may not use the bridge; undefined where they may. Rules about the whole server are for contacts only: a list that bans
 * this server would otherwise end every account on it.
 */
export async function whyClosed({ store, settings }: BridgeContext, user: UserId): Promise<Closed | undefined> {
  if (!settings.mayOptIn(user)) return 'permissions';
  if (settings.policyRooms.length === 0) return undefined;
  return namesUser(await store.policyRooms.rules('operator'), user) ? 'policy-room' : undefined;
}

/** For the user. */
export function closedText({ settings }: BridgeContext, closed: Closed): string {
  return closed === 'permissions'
    ? 'The administrator of this server has not opened the bridge to you.'
    : `A policy room whose rules hold on this server names you, so the bridge is closed to you. If that is wrong, turn to ${settings.operator.contact}.`;
}
