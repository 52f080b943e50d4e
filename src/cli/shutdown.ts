// Running until a signal, and ending within a bound: cleanly if possible, at once if asked twice.
import type { Logger } from '../observability/logger.ts';

const signalNames = ['SIGTERM', 'SIGINT'] as const;
type SignalName = (typeof signalNames)[number];

export interface Running {
  stop(): Promise<void>;
}

export interface SupervisedRun {
  readonly start: () => Promise<Running>;
  readonly logger: Logger;
  /** How long stopping may take, in milliseconds. */
  readonly boundMs: number;
  /** Where signals come from: the process. */
  readonly signals: {
    on(signal: SignalName, listener: () => void): unknown;
    off(signal: SignalName, listener: () => void): unknown;
  };
  /** Ends the process without further ado. */
  readonly exit: (status: number) => void;
}

/**
 * Starts, waits for a signal, stops. Resolves with the exit status; rejects where starting fails. A signal while it is still
 * starting stops it as soon as it has started.
 */
export async function runUntilSignal({ start, logger, boundMs, signals, exit }: SupervisedRun): Promise<number> {
  const signalled = Promise.withResolvers<void>();
  let bound: NodeJS.Timeout | undefined;
  const onSignal = (): void => {
    if (bound !== undefined) {
      logger.warn({}, 'second signal: ending at once');
      exit(130);
      return;
    }
    logger.info({}, 'stopping');
    bound = setTimeout(() => {
      logger.error({ boundMs }, 'stopping took too long: ending at once');
      exit(1);
    }, boundMs);
    signalled.resolve();
  };
  for (const name of signalNames) signals.on(name, onSignal);
  try {
    const app = await start();
    await signalled.promise;
    await app.stop();
    logger.info({}, 'stopped');
    return 0;
  } finally {
    clearTimeout(bound);
    for (const name of signalNames) signals.off(name, onSignal);
  }
}
