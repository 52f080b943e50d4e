// `sandbox`: the local WhatsApp network alone, in the foreground, until a signal ends it.
import { Command, InvalidArgumentError, Option } from 'commander';
import { createLogger, type LogLevel } from '../observability/logger.ts';
import { runUntilSignal } from './shutdown.ts';

const stopBoundMs = 10_000;
const MAX_MEDIA_MIB = 2048;

interface Options {
  readonly port: number;
  readonly tcpPort?: number;
  readonly host: string;
  readonly data?: string;
  readonly provider?: string;
  readonly audience: string;
  readonly mediaLimit: number;
  readonly logLevel: LogLevel;
}

function port(text: string): number {
  const number = Number(text);
  if (!/^\d{1,5}$/.test(text) || number > 65_535) throw new InvalidArgumentError('A port is a number from 0 to 65535.');
  return number;
}

function mebibytes(text: string): number {
  const number = Number(text);
  if (!/^\d{1,4}$/.test(text) || number < 1 || number > MAX_MEDIA_MIB) {
    throw new InvalidArgumentError(`A number from 1 to ${MAX_MEDIA_MIB}.`);
  }
  return number;
}

function address(text: string): string {
  if (!URL.canParse(text) || !/^https?:$/.test(new URL(text).protocol)) {
    throw new InvalidArgumentError('An address starts with http:// or https://.');
  }
  return text;
}

export const sandboxCommand = new Command('sandbox')
  .description(
    'Runs a local WhatsApp network: chat server, enlistment, simulated phones and a control API (docs/sandbox.md).',
  )
  .option('-p, --port <number>', 'port for HTTP and WebSockets; 0 takes a free one', port, 8765)
  .option('--tcp-port <number>', 'also offer the chat over raw TCP on this port', port)
  .option(
    '--host <address>',
    'address to listen on; the control API has no password, so keep it on loopback',
    '127.0.0.1',
  )
  .option('-d, --data <dir>', 'keep the state here; without it everything is forgotten at the end')
  .option('--provider <url>', 'origin or OpenID document of the third-party service whose users may enlist', address)
  .option('--audience <text>', 'what the audience of its tokens must be', 'whatsapp-interop-sandbox')
  .option('--media-limit <MiB>', 'largest file that the media host takes or passes on, encrypted', mebibytes, 100)
  .addOption(
    new Option('--log-level <level>', 'how much is said')
      .choices(['debug', 'info', 'warn', 'error', 'silent'] satisfies LogLevel[])
      .default('info'),
  )
  .addHelpText('after', '\nExample:\n  $ matrix-appservice-whatsapp sandbox --port 8765 --data ./sandbox-data')
  .action(async (options: Options) => {
    const { data, provider, audience, tcpPort, mediaLimit } = options;
    const logger = createLogger({ level: options.logLevel, pretty: true });
    const { startSandbox } = await import('../sandbox/server.ts');
    const start = async () => {
      const sandbox = await startSandbox({
        port: options.port,
        host: options.host,
        logger,
        limits: { mediaBytes: mediaLimit * 2 ** 20 },
        ...(tcpPort === undefined ? {} : { tcpPort }),
        ...(data === undefined ? {} : { dataDir: data }),
        ...(provider === undefined ? {} : { provider: { discoveryUrl: provider, audience } }),
      });
      const { chatUrl, tcpUrl, enlistmentUrl, rootPublicKeyHex } = sandbox.info;
      console.log(`sandbox     ${sandbox.url}`);
      console.log(`chat        ${chatUrl}`);
      if (tcpUrl) console.log(`chat (TCP)  ${tcpUrl}`);
      console.log(`enlistment  ${enlistmentUrl}`);
      console.log(`root key    ${rootPublicKeyHex}`);
      return { stop: () => sandbox.close() };
    };
    const exit = (status: number): void => process.exit(status);
    process.exitCode = await runUntilSignal({ start, logger, boundMs: stopBoundMs, signals: process, exit });
  });
