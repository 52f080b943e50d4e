// A phone's way to the network: it attaches to the router like everybody else, asks questions and waits for answers.
import { BridgeError } from '../model/errors.ts';
import { attribute, type Stanza } from '../whatsapp/binary/index.ts';
import type { Sender } from './network.ts';
import type { Link, Router } from './router.ts';

/** Code `phone.offline`: the line went down before the answer came. */
export class OfflineError extends BridgeError {
  constructor() {
    super('phone.offline', 'the phone is offline', { retry: 'later' });
  }
}

interface Waiting {
  resolve(answer: Stanza): void;
  reject(error: OfflineError): void;
}

export class PhoneLine {
  readonly #router: Router;
  readonly #sender: Sender;
  readonly #receive: (stanza: Stanza) => void;
  /** Answers to iqs and acks of messages, by id. */
  readonly #waiting = new Map<string, Waiting>();
  #link: Link | undefined;

  /** `receive` gets everything that answers no question. */
  constructor(router: Router, sender: Sender, receive: (stanza: Stanza) => void) {
    this.#router = router;
    this.#sender = sender;
    this.#receive = receive;
  }

  get up(): boolean {
    return this.#link !== undefined;
  }

  connect(): void {
    this.#link ??= this.#router.attach(
      this.#sender,
      { send: (stanza) => this.#take(stanza), end: () => this.disconnect() },
      { passive: true },
    );
  }

  disconnect(): void {
    this.#link?.detach();
    this.#link = undefined;
    for (const { reject } of this.#waiting.values()) reject(new OfflineError());
    this.#waiting.clear();
  }

  /** Dropped while the line is down: whatever matters is repeated by the one who waits for it. */
  send(stanza: Stanza): void {
    this.#link?.receive(stanza);
  }

  /** Sends an iq or a message and resolves with its result, error or ack. Rejects with OfflineError. */
  ask(question: Stanza): Promise<Stanza> {
    return new Promise((resolve, reject) => {
      if (!this.#link) return reject(new OfflineError());
      this.#waiting.set(keyOf(question), { resolve, reject });
      this.#link.receive(question);
    });
  }

  #take(stanza: Stanza): void {
    const answered = stanza.tag === 'iq' || (stanza.tag === 'ack' && attribute(stanza, 'class') === 'message');
    if (!answered) {
      this.#receive(stanza);
      return;
    }
    const key = keyOf(stanza);
    this.#waiting.get(key)?.resolve(stanza);
    this.#waiting.delete(key);
  }
}

const keyOf = (stanza: Stanza): string => `${stanza.tag === 'iq' ? 'iq' : 'message'} ${attribute(stanza, 'id')}`;
