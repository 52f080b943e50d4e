// What is held about a user, in the administrator's hands.
import type { UserDataAdmin } from '../model/admin.ts';
import type { Clock } from '../model/clock.ts';
import type { UserId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';
import { planErasure } from './erasures.ts';
import { exportUser } from './user-export.ts';

export function userDataAdmin(
  store: Store,
  clock: Pick<Clock, 'now'>,
  erase: (user: UserId) => Promise<void>,
): UserDataAdmin {
  return {
    export: (user) => exportUser(store, user, clock.now()),
    plan: (user) => planErasure(store, user),
    erase,
    isErasing: async (user) => (await store.erasures.of(user)) !== undefined,
  };
}
