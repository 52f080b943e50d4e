// What we sent and the network still has to answer: requests (iq) by their id, stanzas by class and id.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../model/clock.ts';
import { BridgeError } from '../model/errors.ts';
import { attribute, child, integerAttribute, type Stanza } from './binary/index.ts';

/** Code `interop.refused`: the network answered a request with an error. */
export class RequestRefused extends BridgeError {
  /** In the numbers of HTTP: 404 item not found, 429 too many, ... */
  readonly status: number;

  constructor(status: number) {
    super('interop.refused', `the network refused a request (${status})`, {
      // 501: it does not know this request.
      retry: status === 429 || (status >= 500 && status !== 501) ? 'later' : 'never',
    });
    this.status = status;
  }
}

export function offlineError(): BridgeError {
  return new BridgeError('interop.offline', 'there is no connection to the network', { retry: 'later' });
}

interface Waiting {
  resolve(answer: Stanza): void;
  reject(error: BridgeError): void;
}

export class Requests {
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #waiting = new Map<string, Waiting[]>();
  readonly #prefix = randomBytes(4).readUInt32BE().toString();
  #count = 0;
  #closed = false;

  constructor(clock: Clock, timeoutMs: number) {
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get pending(): number {
    return this.#waiting.size;
  }

  /** Unique on this connection. */
  nextId(): string {
    this.#count += 1;
    return `${this.#prefix}-${this.#count}`;
  }

  /** Resolves with the result. Rejects with RequestRefused, `interop.timeout` or `interop.offline`. */
  async answer(id: string, send: () => void, timeoutMs?: number): Promise<Stanza> {
    const reply = await this.#wait(`iq ${id}`, send, timeoutMs);
    if (attribute(reply, 'type') !== 'error') return reply;
    const error = child(reply, 'error');
    throw new RequestRefused((error && integerAttribute(error, 'code')) ?? 500);
  }

  /** Resolves with the network's acknowledgement of one of our stanzas. Rejects with `interop.timeout` or `interop.offline`. */
  acknowledgement(tag: string, id: string, send: () => void): Promise<Stanza> {
    return this.#wait(`${tag} ${id}`, send);
  }

  /** Takes an `iq` or `ack` from the network. Where nobody waits for it, it came late or is a mistake: both are ignored. */
  settle(stanza: Stanza): void {
    const kind = stanza.tag === 'iq' ? 'iq' : attribute(stanza, 'class');
    const key = `${kind} ${attribute(stanza, 'id')}`;
    const [first, ...others] = this.#waiting.get(key) ?? [];
    if (others.length > 0) this.#waiting.set(key, others);
    else this.#waiting.delete(key);
    first?.resolve(stanza);
  }

  /** Rejects everything that waits, and everything to come. */
  close(): void {
    this.#closed = true;
    for (const waiting of [...this.#waiting.values()].flat()) waiting.reject(offlineError());
    this.#waiting.clear();
  }

  async #wait(key: string, send: () => void, timeoutMs = this.#timeoutMs): Promise<Stanza> {
    if (this.#closed) throw offlineError();
    const { promise, resolve, reject } = Promise.withResolvers<Stanza>();
    const waiting: Waiting = { resolve, reject };
    this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), waiting]);
    const answered = new AbortController();
    void this.#clock.sleep(timeoutMs, answered.signal).then(() => {
      if (answered.signal.aborted) return;
      this.#forget(key, waiting);
      reject(new BridgeError('interop.timeout', 'the network did not answer in time', { retry: 'later' }));
    });
    try {
      send();
      return await promise;
    } finally {
      // With a reason, so that no exception is made for one.
      answered.abort('answered');
      this.#forget(key, waiting);
    }
  }

  #forget(key: string, waiting: Waiting): void {
    const rest = (this.#waiting.get(key) ?? []).filter((other) => other !== waiting);
    if (rest.length > 0) this.#waiting.set(key, rest);
    else this.#waiting.delete(key);
  }
}
