// Open machines: at most so many, the least recently used closed first; and per actor one task after another.
import type { Actor } from '../../model/contact.ts';
import { DamagedCryptoStore, MissingCryptoStore } from '../../model/damaged-row.ts';
import { BridgeError } from '../../model/errors.ts';
import type { ActorId } from '../../model/ids.ts';
import { Serial } from '../../model/serial.ts';
import type { CryptoDatabases } from './databases.ts';
import type { Machine } from './machine.ts';

export interface MachinePoolOptions {
  readonly databases: CryptoDatabases;
  readonly maxOpen: number;
  /** Makes a machine on the store of that name; `existed` says whether the actor had one before. */
  readonly open: (actor: Actor, storeName: string, existed: boolean) => Promise<Machine>;
}

/** What a task may do besides using its machine. */
export interface Turn {
  /** Whether the actor's store existed before it was opened. */
  readonly existed: boolean;
  /** Closes the machine and forgets its databases; the next task opens it anew. The machine must not be used after this. */
  close(): Promise<void>;
}

type Open = { readonly machine: Machine; readonly existed: boolean };

export class MachinePool {
  readonly #options: MachinePoolOptions;
  readonly #serial = new Serial<ActorId>();
  /** In order of last use. */
  readonly #open = new Map<ActorId, Open>();
  readonly #leaving = new Set<ActorId>();
  #closed = false;

  constructor(options: MachinePoolOptions) {
    this.#options = options;
  }

  isOpen(actor: ActorId): boolean {
    return this.#open.has(actor);
  }

  /** The least recently used first. */
  get actors(): readonly Actor[] {
    return [...this.#open.values()].map(({ machine }) => machine.actor);
  }

  /** Runs `task` with the actor's machine, opened or made if need be, after every earlier task of this actor. */
  make<T>(actor: Actor, task: (machine: Machine, turn: Turn) => Promise<T>): Promise<T> {
    return this.alone(actor.id, async () => {
      const { machine, existed } = await this.#obtain(actor);
      return task(machine, { existed, close: () => this.closeNow(actor.id) });
    });
  }

  /** Like `make`, but an actor that has no store has lost it: rejects with MissingCryptoStore. */
  use<T>(actor: Actor, task: (machine: Machine) => Promise<T>): Promise<T> {
    return this.alone(actor.id, async () => {
      if (!(await this.#has(actor))) throw new MissingCryptoStore(actor);
      return task((await this.#obtain(actor)).machine);
    });
  }

  /** Like `use`, but an actor that has no store is left alone. */
  async useExisting(actor: Actor, task: (machine: Machine, turn: Turn) => Promise<void>): Promise<void> {
    await this.alone(actor.id, async () => {
      if (!(await this.#has(actor))) return;
      const { machine, existed } = await this.#obtain(actor);
      await task(machine, { existed, close: () => this.closeNow(actor.id) });
    });
  }

  /** Runs `task` after every earlier one of this actor, without opening anything. */
  alone<T>(actor: ActorId, task: () => Promise<T>): Promise<T> {
    if (this.#closed) return Promise.reject(new BridgeError('crypto.closed', 'shutting down', { retry: 'later' }));
    return this.#serial.run(actor, task);
  }

  /** Only within a task of this actor. */
  async closeNow(actor: ActorId): Promise<void> {
    const open = this.#open.get(actor);
    if (open === undefined) return;
    this.#open.delete(actor);
    open.machine.close();
    await this.#options.databases.close(actor);
  }

  /** Waits for every task, then closes every machine. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#serial.drain();
    for (const actor of [...this.#open.keys()]) await this.closeNow(actor);
  }

  async #has({ id }: Actor): Promise<boolean> {
    return this.isOpen(id) || this.#options.databases.exists(id);
  }

  async #obtain(actor: Actor): Promise<Open> {
    await this.#options.databases.writable();
    const open = this.#open.get(actor.id) ?? (await this.#openNow(actor));
    this.#open.delete(actor.id);
    this.#open.set(actor.id, open);
    this.#makeRoom(actor.id);
    return open;
  }

  async #openNow(actor: Actor): Promise<Open> {
    const { databases } = this.#options;
    try {
      const { storeName, existed } = await databases.open(actor.id);
      return { machine: await this.#options.open(actor, storeName, existed), existed };
    } catch (error) {
      await databases.close(actor.id);
      // What passes, or concerns all of them, says so itself: what is left is this store.
      if (error instanceof BridgeError && error.code !== 'store.sealed') throw error;
      throw new DamagedCryptoStore(actor, error);
    }
  }

  /** The one that leaves finishes what it has to do first; meanwhile there may be a few too many. */
  #makeRoom(inUse: ActorId): void {
    for (const actor of this.#open.keys()) {
      if (this.#open.size - this.#leaving.size <= this.#options.maxOpen) return;
      if (actor === inUse || this.#leaving.has(actor)) continue;
      this.#leaving.add(actor);
      void this.#serial.run(actor, async () => {
        this.#leaving.delete(actor);
        await this.closeNow(actor);
      });
    }
  }
}
