// Installs a pinned Synapse into a cache outside the checkout, once; every later call finds it there.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheDirectory } from '../config/cache-directory.ts';
import { findPip } from './pip.ts';
import { dockerAnswers, findPython, type Python, SynapseError, type SynapseRuntime } from './synapse-runtime.ts';

export const synapseVersion = '1.163.0';
const constraints = fileURLToPath(new URL('./synapse-constraints.txt', import.meta.url));
const heartbeatMs = 3_000;
const waitLimitMs = 15 * 60_000;

export type InstallOptions = {
  onProgress?: (text: string) => void;
  /** Where installations are kept; MAW_CACHE_DIR, else the user's cache directory. */
  cacheDir?: string;
  /** Interpreters to try, in order. */
  pythons?: readonly string[];
  docker?: string;
  /** Ends an installation that is under way; what rejects is the signal's reason. */
  signal?: AbortSignal;
};

/** Finds or makes a Synapse that can be run. Safe to call from several processes at once. Throws SynapseError. */
export async function installSynapse(options: InstallOptions = {}): Promise<SynapseRuntime> {
  const python = await findPython(options.pythons);
  if (!python) {
    if (await dockerAnswers(options.docker))
      return { kind: 'docker', image: `matrixdotorg/synapse:v${synapseVersion}` };
    const advice = 'Neither Python 3.10 (or newer) nor a running Docker engine was found: install Python 3.10+.';
    throw new SynapseError('synapse-no-runtime', advice);
  }
  const cacheDir = options.cacheDir ?? process.env.MAW_CACHE_DIR ?? cacheDirectory();
  const packages = join(cacheDir, `synapse-${synapseVersion}-py${python.version}`);
  const runtime = { kind: 'python', python: python.executable, packages } as const;
  if (existsSync(packages)) return runtime;
  const { onProgress = () => {}, signal } = options;
  await mkdir(cacheDir, { recursive: true });
  const release = await lock(`${packages}.lock`, () => existsSync(packages), onProgress, signal);
  try {
    if (!existsSync(packages)) await build(python, packages, onProgress, signal);
  } finally {
    await release();
  }
  return runtime;
}

/** Builds beside the final place and renames, so that an installation is there wholly or not at all. */
async function build(
  python: Python,
  packages: string,
  onProgress: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<void> {
  const started = Date.now();
  const work = await mkdtemp(`${packages}.partial-`);
  try {
    const pip = await findPip(python, work);
    const target = join(work, 'packages');
    const install = ['install', '--target', target, '--progress-bar', 'off', `matrix-synapse==${synapseVersion}`];
    const binary = ['--only-binary', ':all:'];
    // The tested set first; then whatever has wheels for this interpreter; then compiling, which needs a toolchain.
    let failure = '';
    for (const choice of [[...binary, '--constraint', constraints], binary, ['--prefer-binary']]) {
      const result = await runPip(python, [...pip, ...install, ...choice], onProgress, signal);
      signal?.throwIfAborted();
      if (result.ok) {
        await publish(target, packages);
        onProgress(`Synapse ${synapseVersion} installed in ${seconds(started)}`);
        return;
      }
      failure = result.output;
      await rm(target, { recursive: true, force: true });
      // Another choice of packages does not mend the network.
      if (/connection|retrying|timed out|resolve host/i.test(failure)) break;
    }
    throw new SynapseError(
      'synapse-install',
      `pip could not install Synapse ${synapseVersion}:\n${lastLines(failure, 12)}`,
    );
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

async function publish(target: string, packages: string): Promise<void> {
  try {
    await rename(target, packages);
  } catch (error) {
    // Another process was faster; its installation is as good.
    if (!existsSync(packages)) throw error;
  }
}

/** `--target` needs neither venv nor write access to the interpreter; packages of a target are found by PYTHONPATH, wherever it is moved. */
function runPip(
  python: Python,
  args: readonly string[],
  onProgress: (text: string) => void,
  signal: AbortSignal | undefined,
) {
  const started = Date.now();
  const env = {
    ...process.env,
    PIP_USER: '0',
    PIP_REQUIRE_VIRTUALENV: '0',
    PIP_NO_INPUT: '1',
    PIP_DISABLE_PIP_VERSION_CHECK: '1',
  };
  const child = spawn(python.executable, args, { env, detached: true, stdio: ['ignore', 'pipe', 'pipe'] });
  // The whole process group: version managers put a shell between, and pip may be compiling.
  const end = () => {
    if (child.pid !== undefined && child.exitCode === null) process.kill(-child.pid, 'SIGTERM');
  };
  signal?.addEventListener('abort', end);
  let output = '';
  const collect = (chunk: Buffer) => {
    output += chunk.toString();
  };
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  const heartbeat = setInterval(() => {
    const collected = output.match(/^Collecting /gm)?.length ?? 0;
    const step = output.includes('Installing collected') ? 'unpacking' : 'downloading';
    onProgress(`Installing Synapse ${synapseVersion}: ${step}, ${collected} packages, ${seconds(started)}`);
  }, heartbeatMs);
  return new Promise<{ ok: boolean; output: string }>((resolve) => {
    child.once('error', (error) => resolve({ ok: false, output: error.message }));
    child.once('close', (status) => resolve({ ok: status === 0, output }));
  }).finally(() => {
    clearInterval(heartbeat);
    signal?.removeEventListener('abort', end);
  });
}

/**
 * A lock file that holds its owner's process id. It only saves double work (the rename decides), so taking over a dead
 * owner's lock need not be exact. Returns early, holding nothing, once `done` says that the work has been finished.
 */
async function lock(
  path: string,
  done: () => boolean,
  onProgress: (text: string) => void,
  signal: AbortSignal | undefined,
): Promise<() => Promise<void>> {
  const started = Date.now();
  let reported = started;
  while (!done()) {
    signal?.throwIfAborted();
    try {
      const file = await open(path, 'wx');
      await file.writeFile(String(process.pid));
      await file.close();
      return () => rm(path, { force: true });
    } catch (error) {
      if (!existsSync(path)) {
        if (error instanceof Error && 'code' in error && error.code === 'EEXIST') continue;
        throw error;
      }
    }
    const owner = Number(await readFile(path, 'utf8').catch(() => ''));
    // An empty file belongs to somebody who is just about to write into it.
    if (owner > 0 && !alive(owner)) await rm(path, { force: true });
    if (Date.now() - started > waitLimitMs) {
      throw new SynapseError(
        'synapse-install',
        `Another process (${owner}) keeps ${path}; remove it if that process is gone.`,
      );
    }
    if (Date.now() - reported >= heartbeatMs) {
      reported = Date.now();
      onProgress(`Waiting for process ${owner}, which is installing Synapse, ${seconds(started)}`);
    }
    await new Promise((next) => setTimeout(next, 200));
  }
  return async () => {};
}

function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM';
  }
}

const seconds = (since: number) => `${Math.round((Date.now() - since) / 1000)} s`;
const lastLines = (text: string, count: number) => text.trimEnd().split('\n').slice(-count).join('\n');
