// Start-up of a large installation: how long until it can carry messages, and what it costs then and when nothing happens.
import { systemClock } from '../../src/model/clock.ts';
import { type Population, populate } from './populate.ts';
import { figuresOf } from './process-figures.ts';
import { consent, Scene, waitUntil } from './scene.ts';

export interface StartUpReport {
  readonly population: Population;
  /** Milliseconds from the start of the process until it is ready: of the populated installation, and of an empty one. */
  readonly readyMs: number;
  readonly emptyReadyMs: number;
  readonly readyResidentBytes: number;
  readonly emptyResidentBytes: number;
  /** Accounts that had a connection at the end of the wait for them, and the memory they take then, doing nothing. */
  readonly connected: number;
  readonly connectedResidentBytes: number;
}

/** Accounts connect after the start, some at a time: so long they are waited for, in milliseconds. */
const longestConnectingMs = 90_000;

export async function benchStartUp(population: Population, progress: (text: string) => void): Promise<StartUpReport> {
  const empty = await started();
  progress('an empty installation has started; filling one takes minutes');
  const full = await started(population);
  return {
    population,
    readyMs: full.ms,
    emptyReadyMs: empty.ms,
    readyResidentBytes: full.residentBytes,
    emptyResidentBytes: empty.residentBytes,
    connected: full.connected,
    connectedResidentBytes: full.connectedResidentBytes,
  };
}

interface Started {
  readonly ms: number;
  readonly residentBytes: number;
  readonly connected: number;
  readonly connectedResidentBytes: number;
}

async function started(population?: Population): Promise<Started> {
  const scene = await Scene.start(
    population && {
      prepare: (store, config) =>
        populate(store, systemClock, 'localhost', population, (user) => consent(config, user)),
    },
  );
  try {
    // The first start has made keys.
    await scene.bridge.stop();
    const start = performance.now();
    await scene.startBridge();
    const ms = performance.now() - start;
    const { residentBytes } = await figuresOf(scene.bridge.pid);
    const connections = () => scene.network.call('connections', undefined);
    const wanted = (population?.accounts ?? 0) + 1;
    const waited = () => performance.now() - start > longestConnectingMs;
    await waitUntil(async () => waited() || (await connections()) >= wanted);
    const { residentBytes: connectedResidentBytes } = await figuresOf(scene.bridge.pid);
    return { ms, residentBytes, connected: await connections(), connectedResidentBytes };
  } finally {
    await scene.stop();
  }
}

export function startUpTable(report: StartUpReport): string[][] {
  const { accounts, chatsPerAccount } = report.population;
  const mebibytes = (bytes: number): string => (bytes / 1024 ** 2).toFixed(0);
  return [
    ['installation', 'ready after ms', 'RSS MiB'],
    ['empty', report.emptyReadyMs.toFixed(0), mebibytes(report.emptyResidentBytes)],
    [
      `${accounts} accounts, ${accounts * chatsPerAccount} ghosts`,
      report.readyMs.toFixed(0),
      mebibytes(report.readyResidentBytes),
    ],
    [`idle: ${perAccount(report).toFixed(0)} KiB for each of ${report.connected} connected accounts`],
  ];
}

function perAccount({ connected, connectedResidentBytes, emptyResidentBytes }: StartUpReport): number {
  return (connectedResidentBytes - emptyResidentBytes) / 1024 / Math.max(1, connected);
}
