// Something that runs in a process of its own, so that its work is not the bridge's, and is called by name over node's channel.
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { z } from 'zod';

/** What the other process can be asked to do. */
export type Calls = Readonly<Record<string, (argument: never) => unknown>>;

type Argument<Call> = Call extends (argument: infer Given) => unknown ? Given : never;
type Answer<Call> = Call extends (argument: never) => infer Result ? Awaited<Result> : never;

const question = z.object({ id: z.number(), name: z.string(), argument: z.unknown() });
const reply = z.object({ id: z.number(), result: z.unknown().optional(), error: z.string().optional() });

const running = new Set<ChildProcess>();
process.once('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

interface Waiting {
  resolve(result: unknown): void;
  reject(error: Error): void;
}

export class Apart<Known extends Calls> {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<number, Waiting>();
  #last = 0;

  private constructor(child: ChildProcess) {
    this.#child = child;
    child.on('message', (message) => {
      const { id, result, error } = reply.parse(message);
      const waiting = this.#waiting.get(id);
      this.#waiting.delete(id);
      if (error === undefined) waiting?.resolve(result);
      else waiting?.reject(new Error(error));
    });
    child.once('exit', (code) => {
      for (const { reject } of this.#waiting.values()) reject(new Error(`the process ended with ${code}`));
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
  }

  static start<Known extends Calls>(module: URL, execArgv: readonly string[] = []): Apart<Known> {
    return new Apart<Known>(fork(module, { serialization: 'advanced', execArgv: [...execArgv] }));
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** The types are the word of the module that was started. */
  call<Name extends keyof Known & string>(name: Name, argument: Argument<Known[Name]>): Promise<Answer<Known[Name]>> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>();
    this.#last += 1;
    this.#waiting.set(this.#last, { resolve, reject });
    this.#child.send({ id: this.#last, name, argument });
    return promise as Promise<Answer<Known[Name]>>;
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGTERM');
    await once(this.#child, 'exit');
  }
}

/** In the other process: answers from now on. */
export function answer(calls: Readonly<Record<string, (argument: never) => unknown>>): void {
  process.on('message', async (message) => {
    const { id, name, argument } = question.parse(message);
    try {
      const call = calls[name];
      if (call === undefined) throw new Error(`there is no ${name}`);
      process.send?.({ id, result: await call(argument as never) });
    } catch (error) {
      process.send?.({ id, error: error instanceof Error ? `${error.stack}` : String(error) });
    }
  });
  process.once('SIGTERM', () => process.exit(0));
}

/** Milliseconds on a clock that all processes of this machine share. */
export const sharedNow = (): number => performance.timeOrigin + performance.now();
