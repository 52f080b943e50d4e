// Order: tasks of one key run one after another, tasks of different keys side by side.

export class Serial<Key> {
  readonly #tails = new Map<Key, Promise<unknown>>();

  /** Runs `task` once every earlier task of `key` has ended; returns its result. A failed task does not stop the next. */
  run<Result>(key: Key, task: () => Promise<Result>): Promise<Result> {
    const before = this.#tails.get(key) ?? Promise.resolve();
    const result = before.then(task, task);
    const tail = result
      .catch(() => undefined)
      .then(() => {
        if (this.#tails.get(key) === tail) this.#tails.delete(key);
      });
    this.#tails.set(key, tail);
    return result;
  }

  /** Whether a task of `key` runs or waits. A task that is handed over at once if none does runs at once. */
  isBusy(key: Key): boolean {
    return this.#tails.has(key);
  }

  /** Resolves when everything that had been handed over by now has ended. */
  async drain(): Promise<void> {
    await Promise.all(this.#tails.values());
  }
}
