// Running until a signal, and ending within a bound: cleanly if possible, at once if asked twice.
import type { Logger } from '../observability/logger.ts';
import { onEndSignals, type SignalSource } from './signals.ts';

export interface Running {
  stop(): Promise<void>;
}

export interface SupervisedRun {
  readonly start: () => Promise<Running>;
  readonly logger: Logger;
  /** How long stopping may take, in milliseconds. */
  readonly boundMs: number;
  readonly signals: SignalSource;
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
  const stop = (): void => {
    logger.info({}, 'stopping');
    bound = setTimeout(() => {
      logger.error({ boundMs }, 'stopping took too long: ending at once');
      exit(1);
    }, boundMs);
    signalled.resolve();
  };
  const stopAtOnce = (): void => {
    logger.warn({}, 'second signal: ending at once');
    exit(130);
  };
  const unlisten = onEndSignals(signals, stop, stopAtOnce);
  try {
    const app = await start();
    await signalled.promise;
    await app.stop();
    logger.info({}, 'stopped');
    return 0;
  } finally {
    clearTimeout(bound);
    unlisten();
  }
}
