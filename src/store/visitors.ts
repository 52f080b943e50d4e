// Who is in a portal besides its ghost and its user. They go with the portal, and with its room.
import type { PortalId, UserId } from '../model/ids.ts';
import type { Store } from '../model/store.ts';
import { run, type Steps } from './steps.ts';
import type { Reader, Unit } from './unit.ts';

/** Who is known already keeps what the user has said of them. */
export function* addVisitor({ db }: Unit, portal: PortalId, user: UserId): Steps {
  yield* run(
    db
      .insertInto('portal_visitor')
      .values({ portal, user, allowed: 0 })
      .onConflict((at) => at.doNothing()),
  );
}

export function* allowVisitor({ db }: Unit, portal: PortalId, user: UserId): Steps {
  yield* run(
    db.updateTable('portal_visitor').set({ allowed: 1 }).where('portal', '=', portal).where('user', '=', user),
  );
}

/** Without `user`: all of them. */
export function* removeVisitors({ db }: Unit, portal: PortalId, user?: UserId): Steps {
  const ofPortal = db.deleteFrom('portal_visitor').where('portal', '=', portal);
  yield* run(user === undefined ? ofPortal : ofPortal.where('user', '=', user));
}

export function visitorReads({ db }: Reader): Store['visitors'] {
  const select = db.selectFrom('portal_visitor').selectAll();
  return {
    of: async (portal) => {
      const rows = await select.where('portal', '=', portal).orderBy('user').execute();
      return rows.map(({ user, allowed }) => ({ user, allowed: allowed === 1 }));
    },
    hold: async (portal) => {
      const held = select.where('portal', '=', portal).where('allowed', '=', 0).limit(1);
      return (await held.executeTakeFirst()) !== undefined;
    },
  };
}
