// What can run Synapse on this machine: a Python with the packages we installed for it, or a Docker engine.
import { execFile } from 'node:child_process';
import { BridgeError, type ErrorDetails } from '../model/errors.ts';

/** What can go wrong between "npm run demo" and a listening homeserver, in a sentence an operator can act on. */
export class SynapseError extends BridgeError {
  constructor(
    code: `synapse-${'no-runtime' | 'install' | 'start' | 'register'}`,
    message: string,
    details?: ErrorDetails,
  ) {
    super(code, message, details);
  }
}

/** An interpreter that can run Synapse: `version` is its major and minor number, such as "3.11". */
export type Python = { executable: string; version: string };

export type SynapseRuntime =
  | { kind: 'python'; python: string; packages: string }
  /** Untested: written after the image's documentation, for machines without Python 3.10. Linux only (host networking). */
  | { kind: 'docker'; image: string };

const candidates = ['python3', 'python3.14', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python'];
const probe = 'import sys, ssl, sqlite3; print("%d.%d" % sys.version_info[:2])';

/** The first interpreter of at least version 3.10 that has TLS and SQLite, or undefined. */
export async function findPython(executables: readonly string[] = candidates): Promise<Python | undefined> {
  for (const executable of executables) {
    const version = (await output(executable, ['-c', probe]))?.trim();
    const [major = 0, minor = 0] = (version ?? '').split('.').map(Number);
    if (version && major === 3 && minor >= 10) return { executable, version };
  }
  return undefined;
}

export async function dockerAnswers(docker = 'docker'): Promise<boolean> {
  return (await output(docker, ['info', '--format', '{{.ServerVersion}}'])) !== undefined;
}

/** Standard output of a short command, or undefined when it cannot run or fails. */
export function output(executable: string, args: readonly string[]): Promise<string | undefined> {
  return new Promise((resolve) => {
    execFile(executable, args, { timeout: 20_000 }, (error, stdout) => resolve(error ? undefined : stdout));
  });
}

// The thread is our guarantee against orphans: when the parent dies, even by SIGKILL, the pipe on stdin closes.
const launcher = `
import os, signal, sys, threading, time
def follow_parent():
    while os.read(0, 1024):
        pass
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(5)
    os._exit(1)
threading.Thread(target=follow_parent, daemon=True).start()
from synapse.app.homeserver import main
main()
`;

/** With -S: only what was installed for this Synapse is importable, and nothing of the machine's own packages. */
export const pythonEnvironment = (packages: string) => ({
  ...process.env,
  PYTHONPATH: packages,
  PYTHONNOUSERSITE: '1',
});

/** The command that runs Synapse on a configuration file; it stops when its standard input closes. `directories` must be visible to it. */
export function synapseCommand(runtime: SynapseRuntime, configPath: string, directories: readonly string[]) {
  switch (runtime.kind) {
    case 'python':
      return {
        executable: runtime.python,
        args: ['-S', '-c', launcher, '-c', configPath],
        env: pythonEnvironment(runtime.packages),
      };
    case 'docker': {
      const user = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
      const mounts = directories.flatMap((directory) => ['--volume', `${directory}:${directory}`]);
      const run = ['run', '--rm', '--interactive', '--network', 'host', '--user', user, ...mounts];
      return {
        executable: 'docker',
        args: [...run, '--entrypoint', 'python', runtime.image, '-c', launcher, '-c', configPath],
        env: process.env,
      };
    }
  }
}
