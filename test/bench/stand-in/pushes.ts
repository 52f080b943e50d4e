// Pushing to an application service as Synapse does: one transaction at a time, at most 100 events in each, again until it is taken.
import type { JsonObject } from '../../../src/model/journal.ts';
import { sharedNow } from '../apart.ts';
import type { ToDevice } from './user.ts';

export interface PushTarget {
  readonly url: string;
  readonly token: string;
  readonly bot: string;
}

interface Waiting {
  readonly event: JsonObject;
  readonly ghost: string;
  readonly toDevice: readonly ToDevice[];
  readonly sent: ((at: number) => void) | undefined;
}

const largest = 100;
const retryMs = 100;

/** The keys that are left of a user's only device. */
export type Counts = (user: string) => { readonly device: string; readonly oneTimeKeys: number } | undefined;

export class Pushes {
  readonly #target: PushTarget;
  readonly #counts: Counts;
  #waiting: Waiting[] = [];
  #working: Promise<void> | undefined;
  #transaction = 0;

  constructor(target: PushTarget, counts: Counts) {
    this.#target = target;
    this.#counts = counts;
  }

  /** An event of the room of this ghost. `sent` is told when the transaction with it was first sent. */
  add(event: JsonObject, ghost: string, toDevice: readonly ToDevice[] = [], sent?: (at: number) => void): void {
    this.#waiting.push({ event, ghost, toDevice, sent });
    this.#working ??= this.#work().finally(() => {
      this.#working = undefined;
    });
  }

  async drained(): Promise<void> {
    await this.#working;
  }

  async #work(): Promise<void> {
    await new Promise((turn) => setImmediate(turn));
    let next = 0;
    while (next < this.#waiting.length) {
      const batch = this.#waiting.slice(next, next + largest);
      next += batch.length;
      await this.#push(batch);
    }
    this.#waiting = [];
  }

  async #push(batch: readonly Waiting[]): Promise<void> {
    const { url, token } = this.#target;
    this.#transaction += 1;
    const body = JSON.stringify(this.#body(batch));
    const at = sharedNow();
    for (const { sent } of batch) sent?.(at);
    for (;;) {
      const answer = await fetch(`${url}/_matrix/app/v1/transactions/${this.#transaction}`, {
        method: 'PUT',
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
        body,
      }).catch(() => undefined);
      await answer?.arrayBuffer();
      if (answer?.status === 200) return;
      await new Promise((resolve) => setTimeout(resolve, retryMs));
    }
  }

  /** With the unstable names that Synapse uses, and the key counts of the bot and of every ghost in a room that is concerned. */
  #body(batch: readonly Waiting[]): JsonObject {
    const counts: Record<string, JsonObject> = {};
    const fallback: Record<string, JsonObject> = {};
    for (const user of new Set([this.#target.bot, ...batch.map(({ ghost }) => ghost)])) {
      const known = this.#counts(user);
      if (known === undefined) continue;
      counts[user] = { [known.device]: { signed_curve25519: known.oneTimeKeys } };
      fallback[user] = { [known.device]: ['signed_curve25519'] };
    }
    return {
      events: batch.map(({ event }) => event),
      'de.sorunome.msc2409.to_device': batch.flatMap(({ toDevice }) => toDevice),
      'org.matrix.msc3202.device_one_time_key_counts': counts,
      'org.matrix.msc3202.device_one_time_keys_count': counts,
      'org.matrix.msc3202.device_unused_fallback_key_types': fallback,
    };
  }
}
