// Workers: one loop per key (a portal, a room, an account), woken when there is work, bounded in how many run at once, fair between keys.
import type { Clock } from '../model/clock.ts';
import { BridgeError, errorCode } from '../model/errors.ts';
import { type Logger, saidByItself } from '../observability/logger.ts';

/** `again`: there may be more. `idle`: nothing to do until woken. `waitMs`: try again then, or earlier when woken. */
export type Step = 'again' | 'idle' | { readonly waitMs: number };

export interface WorkersOptions<Key> {
  readonly name: string;
  /** `halted` is aborted when the key is halted: what would take long had better break off. */
  readonly step: (key: Key, halted: AbortSignal) => Promise<Step>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** How many keys are worked on at the same time. Default 16. */
  readonly parallel?: number;
  /** After so long, in milliseconds, a step waits for somebody else and does not keep others from working. Default 2000. */
  readonly patienceMs?: number;
}

/** Makes workers that share clock, log and what is done about damaged rows. `parallel`: how many keys at once. */
export type MakeWorkers = <Key>(name: string, step: WorkersOptions<Key>['step'], parallel?: number) => Workers<Key>;

/** Why a wait ends. Without one, an exception with a stack is made for it each time. */
const woken = 'woken';

/** Keys of a long list that are looked at together. */
const wokenAtOnce = 50;

const defaultPatienceMs = 2_000;
/** Steps that have lost patience, at most: each holds what it works on in memory. */
const mostSlow = 500;

const firstBackOffMs = 500;
const longestBackOffMs = 60_000;

/** How long to wait after a failure. `named`: the other side has said so, and is not asked earlier whatever happens. */
interface BackOff {
  readonly backOffMs: number;
  readonly named: boolean;
}

interface Loop {
  /** Set when woken during a step or a wait. */
  woken: boolean;
  /** Set when resumed during a step. */
  resumed: boolean;
  /** Ends a wait. */
  wake: AbortController;
  /** Ends a back-off. */
  resume: AbortController;
  failures: number;
  /** The step that runs. */
  step: Promise<unknown> | undefined;
  /** Aborted when that is to come to its end. */
  halted: AbortController;
}

export class Workers<Key> {
  readonly #options: WorkersOptions<Key>;
  readonly #loops = new Map<Key, Loop>();
  readonly #running = new Set<Promise<void>>();
  /** Keys for which nothing may begin, and how many ask for that. */
  readonly #halts = new Map<Key, number>();
  readonly #queue: (() => void)[] = [];
  readonly #stopping = new AbortController();
  #free: number;
  #slow = 0;

  constructor(options: WorkersOptions<Key>) {
    this.#options = options;
    this.#free = options.parallel ?? 16;
  }

  /**
   * Makes sure that `key` is looked at. Cheap; may be called at any time and as often as wanted: more work is no reason to try sooner
   * what has just failed, so a back-off goes on.
   */
  wake(key: Key): void {
    const loop = this.#loop(key);
    if (loop === undefined) return;
    loop.woken = true;
    loop.wake.abort(woken);
  }

  /** Wakes all of a long list, some at a time: each of them has had its turn before the next ones take up memory. */
  async wakeAll(keys: readonly Key[]): Promise<void> {
    for (let start = 0; start < keys.length && !this.#stopped; start += wokenAtOnce) {
      for (const key of keys.slice(start, start + wokenAtOnce)) this.wake(key);
      await this.#enter();
      this.#leave();
      // Reads of SQLite never let go of the event loop by themselves: whatever else begins at a start would wait for the whole list.
      await new Promise((turn) => setImmediate(turn));
    }
  }

  /** Like `wake`, for whoever knows that what made it fail may be over: a back-off ends now, unless the other side has named a time. */
  resume(key: Key): void {
    const loop = this.#loop(key);
    if (loop === undefined) return;
    loop.woken = true;
    loop.resumed = true;
    loop.wake.abort(woken);
    loop.resume.abort(woken);
  }

  /** `resume` for every key that is being worked on. */
  resumeAll(): void {
    for (const key of [...this.#loops.keys()]) this.resume(key);
  }

  /** Lets the running step of `key` end, and begins no other until what is returned is called. */
  async halt(key: Key): Promise<() => void> {
    this.#halts.set(key, (this.#halts.get(key) ?? 0) + 1);
    const loop = this.#loops.get(key);
    loop?.halted.abort();
    await loop?.step?.catch(() => undefined);
    return () => {
      const left = (this.#halts.get(key) ?? 0) - 1;
      if (left > 0) this.#halts.set(key, left);
      else this.#halts.delete(key);
      this.wake(key);
    };
  }

  /** Lets running steps end, starts no more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all(this.#running);
  }

  get #stopped(): boolean {
    return this.#stopping.signal.aborted;
  }

  /** The running loop of this key; undefined where one had to be started, which looks at it anyway. */
  #loop(key: Key): Loop | undefined {
    if (this.#stopped) return undefined;
    const running = this.#loops.get(key);
    if (running !== undefined) return running;
    const controllers = {
      wake: new AbortController(),
      resume: new AbortController(),
      halted: new AbortController(),
    };
    const fresh: Loop = { woken: false, resumed: false, ...controllers, failures: 0, step: undefined };
    this.#loops.set(key, fresh);
    const run = this.#run(key, fresh).finally(() => this.#running.delete(run));
    this.#running.add(run);
    return undefined;
  }

  async #run(key: Key, loop: Loop): Promise<void> {
    while (!this.#stopped) {
      loop.woken = false;
      loop.resumed = false;
      loop.wake = new AbortController();
      loop.resume = new AbortController();
      const next = await this.#step(key, loop);
      if (typeof next === 'object' && 'backOffMs' in next) await this.#hold(next, loop);
      else if (next === 'again' || loop.woken) continue;
      else if (next === 'idle') break;
      else await this.#sleep(next.waitMs, loop.wake.signal);
    }
    this.#loops.delete(key);
  }

  #hold({ backOffMs, named }: BackOff, loop: Loop): Promise<void> {
    if (named) return this.#sleep(backOffMs);
    return loop.resumed ? Promise.resolve() : this.#sleep(backOffMs, loop.resume.signal);
  }

  #sleep(ms: number, early?: AbortSignal): Promise<void> {
    const { signal } = this.#stopping;
    return this.#options.clock.sleep(ms, early === undefined ? signal : AbortSignal.any([early, signal]));
  }

  async #step(key: Key, loop: Loop): Promise<Step | BackOff> {
    const leave = await this.#place();
    try {
      // Who ends a halt wakes it again.
      if (this.#stopped || this.#halts.has(key)) return 'idle';
      if (loop.halted.signal.aborted) loop.halted = new AbortController();
      const running = this.#options.step(key, loop.halted.signal);
      loop.step = running;
      const step = await running;
      loop.failures = 0;
      return step;
    } catch (error) {
      // An account that was erased in the meantime has no work left.
      if (error instanceof BridgeError && error.code === 'store.gone') return 'idle';
      return this.#backOff(error, loop);
    } finally {
      loop.step = undefined;
      leave();
    }
  }

  /** Waits for a place among the parallel ones. It is given up by what is returned, or earlier where the step hangs. */
  async #place(): Promise<() => void> {
    await this.#enter();
    let slow = false;
    const timer = setTimeout(() => {
      if (this.#slow >= mostSlow) return;
      slow = true;
      this.#slow += 1;
      this.#leave();
    }, this.#options.patienceMs ?? defaultPatienceMs);
    return () => {
      clearTimeout(timer);
      if (slow) this.#slow -= 1;
      else this.#leave();
    };
  }

  #backOff(error: unknown, loop: Loop): BackOff {
    loop.failures += 1;
    const exponential = Math.min(longestBackOffMs, firstBackOffMs * 2 ** Math.min(loop.failures - 1, 10));
    const namedMs = (error instanceof BridgeError && error.retryAfterMs) || 0;
    const backOffMs = Math.max(namedMs, exponential);
    const { name, logger } = this.#options;
    const fields = { worker: name, code: errorCode(error), failures: loop.failures, waitMs: backOffMs, err: error };
    if (saidByItself(error)) logger.debug(fields, 'step failed, trying again later');
    else if (error instanceof BridgeError && error.retry === 'later')
      logger.warn(fields, 'step failed, trying again later');
    else logger.error(fields, 'step failed unexpectedly, trying again later');
    return { backOffMs, named: namedMs > 0 };
  }

  #enter(): Promise<void> {
    if (this.#free > 0) {
      this.#free -= 1;
      return Promise.resolve();
    }
    return new Promise((resolve) => this.#queue.push(resolve));
  }

  #leave(): void {
    const next = this.#queue.shift();
    if (next === undefined) this.#free += 1;
    else next();
  }
}
