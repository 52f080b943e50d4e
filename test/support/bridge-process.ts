// The bridge as its operator runs it: a process of its own, started by the command line, its log kept in a file.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { program } from './program.ts';

const startLimitMs = 60_000;

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export class BridgeProcess {
  /** Resolves when the process has ended, for whatever reason. */
  readonly exited: Promise<void>;
  /** Whether it said that it is ready before it ended. */
  readonly ready: Promise<boolean>;
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess, logPath: string) {
    this.#child = child;
    running.add(child);
    this.exited = once(child, 'exit').then(() => void running.delete(child));
    const log = createWriteStream(logPath, { flags: 'a' });
    child.stdout?.pipe(log);
    child.stderr?.pipe(log);
    this.ready = new Promise<boolean>((resolve) => {
      if (child.stdout === null) throw new Error('the bridge has no output');
      const lines = createInterface({ input: child.stdout });
      lines.on('line', (line) => line.includes('"msg":"ready"') && resolve(true));
      void this.exited.then(() => resolve(false));
    });
  }

  /** Starts `run`. `environment`: further variables for it; `within`: makes another command of it, that ends in the same process. */
  static spawn(
    configPath: string,
    logPath: string,
    environment: Readonly<Record<string, string>> = {},
    within: (command: readonly string[]) => readonly string[] = (command) => command,
  ): BridgeProcess {
    const [file = '', ...args] = within([process.execPath, program, 'run', '--config', configPath]);
    const child = spawn(file, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...environment },
    });
    return new BridgeProcess(child, logPath);
  }

  /** Starts `run` and returns when it says that it is ready. */
  static async start(
    configPath: string,
    logPath: string,
    environment: Readonly<Record<string, string>> = {},
    within?: (command: readonly string[]) => readonly string[],
  ): Promise<BridgeProcess> {
    const bridge = BridgeProcess.spawn(configPath, logPath, environment, within);
    const limit = setTimeout(() => bridge.#child.kill('SIGKILL'), startLimitMs);
    const ready = await bridge.ready;
    clearTimeout(limit);
    if (ready) return bridge;
    throw new Error(`the bridge did not become ready:\n${(await readFile(logPath, 'utf8')).slice(-4000)}`);
  }

  get alive(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** SIGKILL: no goodbye, nothing flushed. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.exited;
  }

  /** SIGTERM; answers the exit status. */
  async stop(): Promise<number | null> {
    if (!this.alive) return this.#child.exitCode;
    this.#child.kill('SIGTERM');
    await this.exited;
    return this.#child.exitCode;
  }
}
