// A private Synapse on loopback with a data directory of its own: started, stopped, killed and started again.
import { spawn } from 'node:child_process';
import { createHmac, randomBytes, randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, open, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import { z } from 'zod';
import { homeserverConfig, logConfig, type SynapseSecrets, synapseSecrets } from './synapse-config.ts';
import { installSynapse } from './synapse-install.ts';
import { SynapseError, type SynapseRuntime, synapseCommand } from './synapse-runtime.ts';

export type StartSynapseOptions = {
  /** Everything Synapse keeps; created when missing, continued when it holds an earlier run. */
  dataDir: string;
  /** Appservice registration file, in Synapse's YAML form. */
  registrationPath?: string;
  serverName?: string;
  /** Loopback port; a free one by default. */
  port?: number;
  /** The largest file that it takes, in bytes; Synapse's own default is 50 MiB. */
  uploadLimit?: number;
  onProgress?: (text: string) => void;
  /** Runs it in a way of its own. */
  run?: RunSynapse;
};

export type SynapseProcess = {
  readonly pid: number;
  /** Resolves when it has ended, for whatever reason. */
  readonly exited: Promise<void>;
  readonly signal: (name: 'SIGTERM' | 'SIGKILL') => void;
};

/** Undefined where this way is not open. The paths are those of Synapse's configuration and of what it writes to. */
export type RunSynapse = (
  runtime: SynapseRuntime,
  configPath: string,
  logPath: string,
) => Promise<SynapseProcess | undefined>;

export type Synapse = {
  readonly url: string;
  readonly serverName: string;
  readonly port: number;
  readonly pid: number;
  readonly logPath: string;
  readonly databasePath: string;
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Creates a user by the shared secret (Synapse's admin API); answers its Matrix ID. */
  registerUser(localpart: string, password: string, admin?: boolean): Promise<string>;
  /** Clean shutdown; SIGKILL after ten seconds. */
  stop(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
};

const startLimitMs = 90_000;
const stopLimitMs = 10_000;

/** Looked for once: what there is does not go away under a running process. */
let installed: SynapseRuntime | undefined;

/** Installs Synapse if needed (cached), starts it and returns when it answers. Throws SynapseError. */
export async function startSynapse(options: StartSynapseOptions): Promise<Synapse> {
  installed ??= await installSynapse(options.onProgress ? { onProgress: options.onProgress } : {});
  const runtime = installed;
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  const serverName = options.serverName ?? 'localhost';
  const port = options.port ?? (await freePort());
  const url = `http://127.0.0.1:${port}`;
  const logPath = join(dataDir, 'synapse.log');
  const databasePath = join(dataDir, 'homeserver.db');
  const registrationPath = options.registrationPath === undefined ? undefined : resolve(options.registrationPath);
  const secrets = await readSecrets(join(dataDir, 'secrets.json'));

  const configPath = join(dataDir, 'homeserver.yaml');
  const logConfigPath = join(dataDir, 'log.yaml');
  const config = homeserverConfig({
    dataDir,
    serverName,
    port,
    databasePath,
    logConfigPath,
    registrationPath,
    uploadLimit: options.uploadLimit,
    secrets,
  });
  // JSON is YAML.
  await writeFile(logConfigPath, JSON.stringify(logConfig, null, 2));
  await writeFile(configPath, JSON.stringify(config, null, 2), { mode: 0o600 });

  const directories = registrationPath === undefined ? [dataDir] : [dataDir, dirname(registrationPath)];
  const child =
    (await options.run?.(runtime, configPath, logPath)) ?? (await run(runtime, configPath, directories, logPath));
  const { pid, exited } = child;
  const kill = async () => {
    child.signal('SIGKILL');
    await exited;
  };
  const stop = async () => {
    child.signal('SIGTERM');
    const timer = setTimeout(() => child.signal('SIGKILL'), stopLimitMs);
    await exited;
    clearTimeout(timer);
  };
  try {
    await answering(url, exited, logPath);
  } catch (error) {
    await kill();
    throw error;
  }
  const registerUser: Synapse['registerUser'] = async (localpart, password, admin = false) => {
    await registerBySecret(url, secrets.registrationSecret, { localpart, password, admin });
    return `@${localpart}:${serverName}`;
  };
  return { url, serverName, port, logPath, databasePath, registerUser, pid, exited, kill, stop };
}

/** Below what systems give to outgoing connections (RFC 6335 and Linux' own range), so that none takes it before we listen. */
const portRange = { from: 12_000, to: 32_000 };

const givenOut = new Set<number>();

/** Returns a loopback port on which nothing listens now, chosen at random; never the same one twice, for its owner may not listen yet. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = randomInt(portRange.from, portRange.to);
    if (givenOut.has(port) || !(await isFree(port))) continue;
    givenOut.add(port);
    return port;
  }
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer().once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}

async function readSecrets(path: string): Promise<SynapseSecrets> {
  if (existsSync(path)) return synapseSecrets.parse(JSON.parse(await readFile(path, 'utf8')));
  const secret = () => randomBytes(32).toString('base64').replaceAll('=', '');
  const secrets = { signingKey: `ed25519 a_1 ${secret()}`, registrationSecret: secret(), macaroonSecret: secret() };
  await writeFile(path, JSON.stringify(secrets), { mode: 0o600 });
  return secrets;
}

async function run(
  runtime: SynapseRuntime,
  configPath: string,
  directories: readonly string[],
  logPath: string,
): Promise<SynapseProcess> {
  const { executable, args, env } = synapseCommand(runtime, configPath, directories);
  const log = await open(logPath, 'a', 0o600);
  // Standard input stays open as long as this process lives; the launcher ends Synapse when it closes.
  // A process group of its own: Ctrl-C in a terminal reaches us alone, and we stop Synapse last.
  const child = spawn(executable, args, { env, detached: true, stdio: ['pipe', log.fd, log.fd] });
  const exited = new Promise<void>((done) => child.once('close', () => done()));
  await new Promise<void>((done, fail) => {
    child.once('spawn', done);
    child.once('error', (cause) =>
      fail(new SynapseError('synapse-start', `${executable} cannot be started`, { cause })),
    );
  }).finally(() => log.close());
  const signal: SynapseProcess['signal'] = (name) => {
    // Behind Docker the signal reaches the command line client only; the closed input ends the container.
    if (name === 'SIGKILL') child.stdin?.end();
    child.kill(name);
  };
  return { pid: child.pid ?? 0, exited, signal };
}

async function answering(url: string, exited: Promise<void>, logPath: string): Promise<void> {
  let ended = false;
  void exited.then(() => {
    ended = true;
  });
  const deadline = Date.now() + startLimitMs;
  while (!ended && Date.now() < deadline) {
    const response = await fetch(`${url}/_matrix/client/versions`).catch(() => undefined);
    if (response?.ok) return;
    await new Promise((done) => setTimeout(done, 50));
  }
  const tail = (await readFile(logPath, 'utf8')).split('\n').slice(-25).join('\n');
  const reason = ended ? 'ended during its start' : `did not answer within ${startLimitMs / 1000} s`;
  throw new SynapseError('synapse-start', `Synapse ${reason}. The end of ${logPath}:\n${tail}`);
}

/** Synapse admin API, "Register a user": nonce, then an HMAC-SHA1 over nonce, name, password and role. */
async function registerBySecret(
  url: string,
  secret: string,
  user: { localpart: string; password: string; admin: boolean },
): Promise<void> {
  const endpoint = `${url}/_synapse/admin/v1/register`;
  const { nonce } = z.object({ nonce: z.string() }).parse(await (await fetch(endpoint)).json());
  const { localpart: username, password, admin } = user;
  const fields = [nonce, username, password, admin ? 'admin' : 'notadmin'].join('\0');
  const mac = createHmac('sha1', secret).update(fields).digest('hex');
  const response = await fetch(endpoint, {
    method: 'POST',
    body: JSON.stringify({ nonce, username, password, admin, mac, inhibit_login: true }),
  });
  if (!response.ok) {
    throw new SynapseError('synapse-register', `Synapse refused to register ${username}: ${await response.text()}`);
  }
}
