// Homeservers that begin as copies of one process, which has loaded Synapse once for all of them (`forking-synapse.py`).
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { once } from 'node:events';
import { Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { Readable, Writable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import type { RunSynapse, SynapseProcess } from '../../src/demo/synapse.ts';
import { pythonEnvironment, type SynapseRuntime } from '../../src/demo/synapse-runtime.ts';

const program = fileURLToPath(new URL('./forking-synapse.py', import.meta.url));
const newsSchema = z.union([z.literal('ready'), z.object({ begun: z.number() }), z.object({ ended: z.number() })]);

let original: Promise<Original> | undefined;

/** For `startSynapse`; where copies of a process like this one cannot be made, it goes its usual way. */
export const forkedSynapse: RunSynapse = async (runtime, config, log) => {
  if (process.platform !== 'linux' || runtime.kind !== 'python') return undefined;
  original ??= Original.start(runtime);
  return (await original).copy({ config, log });
};

class Original {
  readonly #process: ChildProcessByStdio<Writable, Readable, null>;
  readonly #ordered: ((copy: SynapseProcess) => void)[] = [];
  /** What is called at the end of each copy, by its process id. */
  readonly #running = new Map<number, () => void>();

  private constructor(process: ChildProcessByStdio<Writable, Readable, null>) {
    this.#process = process;
    for (const pipe of [process.stdin, process.stdout]) if (pipe instanceof Socket) pipe.unref();
  }

  /** It ends with this process, and every copy with it. */
  static async start({ python, packages }: SynapseRuntime & { readonly kind: 'python' }): Promise<Original> {
    const child = spawn(python, ['-S', program], {
      env: pythonEnvironment(packages),
      detached: true,
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const started = new Original(child);
    const lines = createInterface({ input: child.stdout });
    lines.on('line', (line) => started.#heard(line));
    const [first] = await Promise.race([once(lines, 'line'), once(child, 'exit')]);
    if (first !== '"ready"') throw new Error('Synapse could not be loaded');
    return started;
  }

  copy(order: { readonly config: string; readonly log: string }): Promise<SynapseProcess> {
    const begun = new Promise<SynapseProcess>((resolve) => this.#ordered.push(resolve));
    this.#process.stdin.write(`${JSON.stringify(order)}\n`);
    this.#hold();
    return begun;
  }

  #heard(line: string): void {
    const news = newsSchema.parse(JSON.parse(line));
    if (news === 'ready') return;
    if ('begun' in news) this.#ordered.shift()?.(this.#begun(news.begun));
    if ('ended' in news) {
      this.#running.get(news.ended)?.();
      this.#running.delete(news.ended);
    }
    this.#hold();
  }

  #begun(pid: number): SynapseProcess {
    const exited = new Promise<void>((resolve) => this.#running.set(pid, resolve));
    return { pid, exited, signal: (name) => void (this.#running.has(pid) && process.kill(pid, name)) };
  }

  /** Like any child process, a copy keeps this process from ending by itself. */
  #hold(): void {
    if (this.#ordered.length + this.#running.size > 0) this.#process.ref();
    else this.#process.unref();
  }
}
