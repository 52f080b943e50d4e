// When things begin: the bridge once the homeserver lets it in, and what is done every hour.
import type { Bridge } from '../bridge/bridge.ts';
import type { BridgeContext } from '../bridge/context.ts';
import type { Clock } from '../model/clock.ts';
import { BridgeError } from '../model/errors.ts';
import type { Logger } from '../observability/logger.ts';

const hour = 60 * 60 * 1000;
const homeserverRetryMs = 2_000;

/** Tries until the homeserver answers; what cannot pass by itself rejects. */
export async function startBridge(
  bridge: Bridge,
  context: BridgeContext,
  botName: string,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    try {
      await bridge.start(botName);
      return;
    } catch (error) {
      if (!(error instanceof BridgeError) || error.retry !== 'later') throw error;
      context.logger.warn({ code: error.code, err: error }, 'the homeserver does not let us in yet; trying again');
      await context.clock.sleep(error.retryAfterMs ?? homeserverRetryMs, signal);
    }
  }
}

/** Now and then every hour. `tasks` by what the log says where one fails; the next hour tries again. */
export async function everyHour(
  tasks: Readonly<Record<string, () => Promise<void>>>,
  clock: Clock,
  logger: Logger,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    for (const [failure, task] of Object.entries(tasks)) {
      if (signal.aborted) return;
      await task().catch((error: unknown) => logger.error({ err: error }, failure));
    }
    await clock.sleep(hour, signal);
  }
}
