// The bridge as its operator runs it: a process of its own, started by the command line, its log kept in a file.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const program = fileURLToPath(new URL('../../bin/matrix-appservice-whatsapp.js', import.meta.url));
const startLimitMs = 60_000;

export class BridgeProcess {
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;

  private constructor(child: ChildProcess) {
    this.#child = child;
    this.#exited = once(child, 'exit');
  }

  /** Starts `run` and returns when it says that it is ready. */
  static async start(configPath: string, logPath: string): Promise<BridgeProcess> {
    const child = spawn(process.execPath, [program, 'run', '--config', configPath], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const bridge = new BridgeProcess(child);
    const log = createWriteStream(logPath, { flags: 'a' });
    child.stdout?.pipe(log);
    child.stderr?.pipe(log);
    process.once('exit', () => child.kill('SIGKILL'));
    await bridge.#ready(logPath);
    return bridge;
  }

  async #ready(logPath: string): Promise<void> {
    const { stdout } = this.#child;
    if (stdout === null) throw new Error('the bridge has no output');
    const lines = createInterface({ input: stdout });
    const ready = new Promise<boolean>((resolve) => {
      lines.on('line', (line) => line.includes('"msg":"ready"') && resolve(true));
      this.#exited.then(() => resolve(false));
      setTimeout(() => resolve(false), startLimitMs).unref();
    });
    if (await ready) return;
    this.#child.kill('SIGKILL');
    throw new Error(`the bridge did not become ready:\n${(await readFile(logPath, 'utf8')).slice(-4000)}`);
  }

  /** SIGKILL: no goodbye, nothing flushed. */
  async kill(): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited;
  }

  /** SIGTERM; answers the exit status. */
  async stop(): Promise<number | null> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return this.#child.exitCode;
    this.#child.kill('SIGTERM');
    await this.#exited;
    return this.#child.exitCode;
  }
}
