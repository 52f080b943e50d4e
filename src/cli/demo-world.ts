// What the demo shows, started and stopped: private Synapse, sandbox, bridge, a Matrix user and two phones, all in a directory of their own.
import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { startApp } from '../app.ts';
import { loadConfig } from '../config/config.ts';
import { loadMatrixSdk } from '../demo/matrix-sdk.ts';
import { MatrixUser } from '../demo/matrix-user.ts';
import { SandboxPhone } from '../demo/sandbox-phone.ts';
import { freePort, startSynapse } from '../demo/synapse.ts';
import { installSynapse } from '../demo/synapse-install.ts';
import { createLogger, type Logger } from '../observability/logger.ts';
import { startSandbox } from '../sandbox/server.ts';
import { bridgeUrl, prepareInstallation } from './demo-installation.ts';
import type { Progress } from './demo-progress.ts';

const serverName = 'localhost';
const audience = 'whatsapp-interop-sandbox';
const localpart = 'mira';

/** How to get in: what is printed and reported. */
export interface Access {
  readonly homeserverUrl: string;
  readonly serverName: string;
  /** Matrix ID. */
  readonly user: string;
  readonly password: string;
  readonly recoveryKey: string;
  readonly bot: string;
  readonly sandboxUrl: string;
  readonly phones: readonly { readonly number: string; readonly name: string }[];
  /** Process ids. */
  readonly processes: { readonly demo: number; readonly synapse: number };
}

export interface World {
  readonly access: Access;
  readonly user: MatrixUser;
  /** Writes first. */
  readonly anna: SandboxPhone;
  /** Is written to first. */
  readonly ben: SandboxPhone;
  /** Resolves if Synapse ends, by itself or not. */
  readonly synapseEnded: Promise<void>;
  /** Everything, in the reverse order of starting. */
  stop(): Promise<void>;
}

export interface WorldOptions {
  /** Exists already; nothing is written elsewhere. */
  readonly directory: string;
  readonly progress: Progress;
  /** Ends the start: what has been started is stopped, and the signal's reason is thrown. */
  readonly signal: AbortSignal;
}

/** Starts everything, or leaves nothing running. Throws BridgeError where this machine lacks something. */
export async function startWorld(options: WorldOptions): Promise<World> {
  const stops: (() => Promise<unknown>)[] = [];
  const stop = async (): Promise<void> => {
    const failures: unknown[] = [];
    for (const one of stops.splice(0).reverse()) await one().catch((error: unknown) => failures.push(error));
    if (failures.length > 0) throw failures[0];
  };
  try {
    return { ...(await start(options, stops)), stop };
  } catch (error) {
    await stop().catch(() => undefined);
    throw error;
  }
}

async function start(
  { directory, progress, signal }: WorldOptions,
  stops: (() => Promise<unknown>)[],
): Promise<Omit<World, 'stop'>> {
  await loadMatrixSdk();
  await installSynapse({ onProgress: progress.say, signal });
  signal.throwIfAborted();
  const port = await freePort();
  const homeserverPort = await freePort();
  const homeserverUrl = bridgeUrl(homeserverPort);

  const sandbox = await progress.step('Starting the WhatsApp sandbox', () =>
    startSandbox({
      provider: { discoveryUrl: bridgeUrl(port), audience },
      logger: fileLogger(join(directory, 'sandbox.log'), stops),
    }),
  );
  stops.push(() => sandbox.close());
  signal.throwIfAborted();

  const { chatUrl, rootPublicKeyHex: rootPublicKey, enlistmentUrl, mediaHost, mediaAuthority } = sandbox.info;
  const { configPath, registrationPath, bot } = await prepareInstallation({
    directory: join(directory, 'bridge'),
    serverName,
    homeserverUrl,
    port,
    sandbox: { chatUrl, rootPublicKey, enlistmentUrl, mediaHost, mediaAuthority, audience },
  });
  const synapse = await progress.step('Starting Synapse', () =>
    startSynapse({ dataDir: join(directory, 'synapse'), serverName, port: homeserverPort, registrationPath }),
  );
  stops.push(() => synapse.stop());
  signal.throwIfAborted();

  await progress.step('Starting the bridge', async () => {
    const logger = fileLogger(join(directory, 'bridge.log'), stops);
    const app = await startApp({ config: loadConfig(configPath), logger });
    stops.push(() => app.stop());
    await interruptible(app.whenReady, signal);
  });

  const password = randomBytes(9).toString('base64url');
  const user = await progress.step('Registering a Matrix user with cross-signing and key backup', async () => {
    await synapse.registerUser(localpart, password);
    return interruptible(
      MatrixUser.login({ homeserverUrl, user: localpart, password, deviceName: 'Demo', strict: true }),
      signal,
    );
  });
  stops.push(() => user.stop());
  await user.client.setDisplayName('Mira');

  const anna = await SandboxPhone.create(sandbox.url, '447700900101', 'Anna');
  const ben = await SandboxPhone.create(sandbox.url, '447700900102', 'Ben');
  const access: Access = {
    homeserverUrl,
    serverName,
    user: user.userId,
    password,
    recoveryKey: user.recoveryKey ?? '',
    bot,
    sandboxUrl: sandbox.url,
    phones: [anna, ben].map(({ number, name }) => ({ number: `+${number}`, name })),
    processes: { demo: process.pid, synapse: synapse.pid },
  };
  return { access, user, anna, ben, synapseEnded: synapse.exited };
}

/** A log file of its own: nothing of it comes on the screen. It is closed after whoever writes into it has stopped. */
function fileLogger(path: string, stops: (() => Promise<unknown>)[]): Logger {
  const destination = createWriteStream(path, { mode: 0o600 });
  stops.push(() => new Promise((resolve) => destination.end(() => resolve(undefined))));
  return createLogger({ level: 'info', destination });
}

/** The outcome of `work`, or the signal's reason as soon as it is aborted; `work` then ends unheard. */
export async function interruptible<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  work.catch(() => undefined);
  signal.throwIfAborted();
  const { promise: interrupted, reject } = Promise.withResolvers<never>();
  const abort = (): void => reject(signal.reason);
  signal.addEventListener('abort', abort);
  return Promise.race([work, interrupted]).finally(() => signal.removeEventListener('abort', abort));
}
