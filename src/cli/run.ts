// `run`: the bridge in the foreground, until a signal ends it.
import { Command } from 'commander';
import { loadConfig } from '../config/config.ts';
import { loadCryptoLibrary } from '../matrix/crypto/library.ts';
import { createLogger, namingWarning } from '../observability/logger.ts';
import { writeCompiled } from './compile-cache.ts';
import { configOption } from './options.ts';
import { runUntilSignal } from './shutdown.ts';

/** How long a shutdown may take before the process ends anyway. */
const stopBoundMs = 30_000;

export const runCommand = new Command('run')
  .description('Runs the bridge in the foreground. SIGTERM and SIGINT stop it cleanly; a second one stops it at once.')
  .addOption(configOption())
  .option(
    '--debug',
    'log at level debug, which names Matrix IDs, rooms, events and messages; the log says so at the start',
  )
  .addHelpText('after', '\nExample:\n  $ matrix-appservice-whatsapp run --config /etc/matrix-whatsapp/config.yaml')
  .action(async (options: { config: string; debug?: true }) => {
    const config = loadConfig(options.config);
    const level = options.debug ? 'debug' : config.logging.level;
    const logger = createLogger({ level, pretty: config.logging.format === 'pretty' });
    if (level === 'debug') logger.warn({}, namingWarning);
    // Compiled on other threads while the program loads. Where it fails, whoever needs it is told.
    loadCryptoLibrary().catch(() => undefined);
    const { startApp } = await import('../app.ts');
    process.exitCode = await runUntilSignal({
      start: async () => {
        const app = await startApp({ config, logger });
        // Now, for a process that is killed writes nothing at its end.
        app.whenReady.then(writeCompiled, () => undefined);
        return app;
      },
      logger,
      boundMs: stopBoundMs,
      signals: process,
      exit: (status) => process.exit(status),
    });
  });
