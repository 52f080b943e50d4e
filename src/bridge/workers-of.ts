// Workers as every part of the bridge has them: what is damaged on the disk is set aside, and the rest goes on.
import type { LostKeys } from '../model/damaged-row.ts';
import type { BridgeContext } from './context.ts';
import { settingAside } from './damaged-rows.ts';
import { RenewedGhosts } from './renewed-ghosts.ts';
import { type MakeWorkers, Workers } from './workers.ts';

export function workersOf(context: BridgeContext): MakeWorkers {
  const { clock, logger } = context;
  const renewed = new RenewedGhosts(context);
  const renew = (lost: LostKeys): Promise<void> => renewed.renew(lost);
  return (name, step, parallel = 16) =>
    new Workers({
      name,
      step: (...input) => settingAside(context, () => step(...input), { renew }),
      parallel,
      clock,
      logger,
    });
}
