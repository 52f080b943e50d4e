// A bad network on demand: latency, and connections that break in the middle of a conversation.
import type { Carrier } from './router.ts';

export interface Conditions {
  /** Delay of each stanza from the network to a client, in milliseconds. */
  readonly latencyMs: number;
  /** Every so many stanzas the connection is cut and that stanza is lost with it; 0 never. */
  readonly dropEvery: number;
}

export class NetworkConditions {
  #conditions: Conditions = { latencyMs: 0, dropEvery: 0 };
  #count = 0;

  get current(): Conditions {
    return this.#conditions;
  }

  set(conditions: Partial<Conditions>): void {
    this.#conditions = { ...this.#conditions, ...conditions };
  }

  /** The same carrier under whatever conditions hold when something is sent. Keeps the order. */
  impose(carrier: Carrier): Carrier {
    const waiting: (() => void)[] = [];
    let due = 0;
    const inOrder = (act: () => void): void => {
      const { latencyMs } = this.#conditions;
      if (latencyMs === 0 && waiting.length === 0) {
        act();
        return;
      }
      waiting.push(act);
      const now = performance.now();
      due = Math.max(due, now + latencyMs);
      setTimeout(() => waiting.shift()?.(), due - now);
    };
    return {
      send: (stanza) => {
        const { dropEvery } = this.#conditions;
        this.#count += 1;
        if (dropEvery > 0 && this.#count % dropEvery === 0) return carrier.end('cut');
        inOrder(() => carrier.send(stanza));
      },
      end: (reason) => (reason === 'cut' ? carrier.end(reason) : inOrder(() => carrier.end(reason))),
    };
  }
}
