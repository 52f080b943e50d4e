// What the doctor asks of the database: the running bridge, which has it open, or the database itself.
import { remoteReport } from '../../admin/client.ts';
import { adminToken } from '../../admin/token.ts';
import type { Config } from '../../config/config.ts';
import type { InstallationReport } from '../../model/admin.ts';
import { systemClock } from '../../model/clock.ts';
import { BridgeError } from '../../model/errors.ts';
import { type Check, ok, problem } from './check.ts';

export interface Examined {
  readonly running: boolean;
  readonly report: InstallationReport;
}

const staleMs = 60 * 60 * 1000;

/** Rejects with BridgeError where the database does not open. A database of an earlier version is brought up to date by opening it. */
export async function examine(config: Config, masterKey: Uint8Array): Promise<Examined> {
  const { host, port } = config.appservice.listen;
  const reachable = ['0.0.0.0', '::'].includes(host) ? '127.0.0.1' : host;
  const url = `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${port}`;
  try {
    return { running: true, report: await remoteReport(url, adminToken(masterKey)) };
  } catch (error) {
    if (!(error instanceof BridgeError) || error.code !== 'admin.unreachable') throw error;
  }
  const { openStore } = await import('../../store/open-store.ts');
  const { installationReport } = await import('../../store/report.ts');
  const { sqlite: path, postgres } = config.database;
  const store = await openStore({ ...(postgres ? { postgres } : { path }), masterKey, clock: systemClock });
  try {
    return { running: false, report: await installationReport(store, undefined) };
  } finally {
    await store.close();
  }
}

export function databaseChecks({ running, report }: Examined): readonly Check[] {
  const { integrity, consent, parked, waiting, waitingSince } = report;
  const open = running ? 'open in the running bridge' : 'opens with this master key, schema up to date';
  const late = waitingSince !== undefined && Date.now() - waitingSince > staleMs;
  return [
    integrity.length === 0
      ? ok('database', `${open}, sound`)
      : problem('database', integrity.join(', '), 'stop the bridge and restore a backup (docs/operations.md)'),
    consentCheck(consent),
    parked === 0 ? ok('parked messages', 'none') : problem('parked messages', `${parked}`, 'see "queue list"'),
    late
      ? problem('waiting messages', `${waiting}, some for more than an hour`, 'see "queue list --which waiting"')
      : ok('waiting messages', `${waiting}`),
  ];
}

function consentCheck({ records, damaged, headIntact }: InstallationReport['consent']): Check {
  const name = 'consent records';
  if (damaged.length === 0 && headIntact) return ok(name, `${records}, all as they were written`);
  const whose = damaged.map(({ record, user, damage }) => `${user ?? record} (${damage})`).join(', ');
  const head = headIntact ? '' : 'the head of all records was altered; ';
  return problem(
    name,
    `${head}damaged: ${whose || 'none'}`,
    'somebody may have changed the database: find out who. These users are paused and asked anew',
  );
}
