// Waiting until something has changed: what answers of the control API do that take `waitMs`.
import { EventEmitter } from 'node:events';

export class Changes {
  readonly #changes = new EventEmitter<{ change: [] }>().setMaxListeners(0);

  /** Wakes those who wait; called after the transaction in which something changed. */
  changed(): void {
    this.#changes.emit('change');
  }

  /** Resolves with what `look` finds, as soon as it finds something, at the latest at the time-out or abort. */
  async wait<Found>(look: () => Found | undefined, ms: number, signal: AbortSignal): Promise<Found | undefined> {
    const found = look();
    if (found !== undefined || ms <= 0 || signal.aborted) return found;
    return new Promise((resolve) => {
      const finish = (result: Found | undefined): void => {
        clearTimeout(timer);
        this.#changes.off('change', check);
        signal.removeEventListener('abort', giveUp);
        resolve(result);
      };
      const check = (): void => {
        const now = look();
        if (now !== undefined) finish(now);
      };
      const giveUp = (): void => finish(undefined);
      const timer = setTimeout(giveUp, ms);
      this.#changes.on('change', check);
      signal.addEventListener('abort', giveUp, { once: true });
    });
  }
}
