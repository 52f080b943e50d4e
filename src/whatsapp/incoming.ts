// Handling what the network sends: in order for each sender, side by side for different ones, acknowledged only when it is dealt with.
import type { Clock } from '../model/clock.ts';
import { BridgeError, errorCode } from '../model/errors.ts';
import type { InteropEvents } from '../model/interop.ts';
import type { Serial } from '../model/serial.ts';
import { acknowledgesFirst, passed } from '../observability/fail-points.ts';
import { type Logger, saidByItself } from '../observability/logger.ts';
import { attribute, type Stanza, StanzaError } from './binary/index.ts';
import type { Setbacks } from './setbacks.ts';
import { acknowledgement, type Incoming, NACK, readIncoming, senderOf } from './stanzas.ts';

type Handled = Exclude<Incoming, { readonly kind: 'ignored' | 'unhandled' }>;

export interface IncomingPorts {
  readonly events: InteropEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  /** By sender. */
  readonly order: Serial<string>;
  readonly setbacks: Setbacks;
  send(stanza: Stanza | undefined): void;
  /** The number of stanzas in hand has changed. */
  onLoad(inFlight: number): void;
  /** A stanza could not be handled and stays with the network, to be asked for again after `pauseMs`. */
  onUnhandled(pauseMs: number): void;
}

export class IncomingStanzas {
  readonly #ports: IncomingPorts;
  /** Whose stanzas are left with the network from now on: they come again in their order, and none may overtake another. */
  readonly #left = new Set<string>();
  #inFlight = 0;

  constructor(ports: IncomingPorts) {
    this.#ports = ports;
  }

  take(stanza: Stanza): void {
    const incoming = this.#read(stanza);
    if (incoming === undefined) this.#ports.send(acknowledgement(stanza, NACK.malformed));
    else if (incoming.kind === 'unhandled') this.#ports.send(acknowledgement(stanza, NACK.unhandled));
    else if (incoming.kind === 'ignored') this.#ports.send(acknowledgement(stanza));
    else void this.#handleInOrder(stanza, incoming);
  }

  async #handleInOrder(stanza: Stanza, incoming: Handled): Promise<void> {
    const { order, logger } = this.#ports;
    const sender = senderOf(stanza);
    this.#count(1);
    try {
      if (acknowledgesFirst) this.#ports.send(acknowledgement(stanza));
      const outcome = await order.run(sender, () => this.#handleUnlessLeft(sender, stanza, incoming));
      if (outcome === 'left') return;
      if (outcome === 'given-up') return this.#ports.send(acknowledgement(stanza, NACK.unhandled));
      if (!acknowledgesFirst) this.#ports.send(acknowledgement(stanza));
      passed(incoming.kind === 'message' ? 'W4-stanza-acknowledged' : 'MR2-receipt-acknowledged');
    } catch (error) {
      logger.error({ err: error, code: errorCode(error), kind: incoming.kind }, 'a stanza could not even be given up');
    } finally {
      this.#count(-1);
    }
  }

  /** `left`: it stays with the network, for itself or because one of the same sender before it is to come again first. */
  async #handleUnlessLeft(sender: string, stanza: Stanza, incoming: Handled): Promise<'handled' | 'left' | 'given-up'> {
    const { setbacks } = this.#ports;
    if (this.#left.has(sender)) return 'left';
    const key = keyOf(sender, stanza);
    try {
      await this.#handle(incoming);
      setbacks.over(key);
      return 'handled';
    } catch (error) {
      // What fails for another reason may fail for ever, and others need not wait for that.
      if (error instanceof BridgeError && error.retry === 'later') this.#left.add(sender);
      // A connection or a database that is away says nothing about the stanza.
      const counts = !saidByItself(error) && errorCode(error) !== 'interop.offline';
      const { last, pauseMs } = setbacks.failed(key, counts);
      this.#noteFailure(error, incoming, pauseMs);
      if (last && (await this.#giveUp(error, incoming))) {
        setbacks.over(key);
        this.#left.delete(sender);
        return 'given-up';
      }
      this.#ports.onUnhandled(pauseMs);
      return 'left';
    }
  }

  #noteFailure(error: unknown, { kind }: Handled, waitMs: number): void {
    const fields = { err: error, code: errorCode(error), kind, waitMs };
    const level = saidByItself(error) ? 'debug' : 'warn';
    this.#ports.logger[level](fields, 'a stanza could not be handled and was left with the network');
  }

  /** False where nobody could be told: then it stays with the network, and comes again. */
  async #giveUp(cause: unknown, incoming: Handled): Promise<boolean> {
    const { kind } = incoming;
    const code = errorCode(cause);
    try {
      await this.#ports.events.givenUp({
        kind,
        code,
        message: incoming.kind === 'message' ? incoming.message : undefined,
      });
      this.#ports.logger.error({ code, kind }, 'a stanza failed each time that it came and is refused');
      return true;
    } catch (error) {
      this.#ports.logger.warn({ err: error, code: errorCode(error), kind }, 'a stanza could not be given up');
      return false;
    }
  }

  #read(stanza: Stanza): Incoming | undefined {
    try {
      return readIncoming(stanza, this.#ports.clock.now());
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error;
      this.#ports.logger.warn({ code: error.code }, 'refused a malformed stanza');
      return undefined;
    }
  }

  async #handle(incoming: Handled): Promise<void> {
    const { events } = this.#ports;
    switch (incoming.kind) {
      case 'message':
        passed('W1-stanza-read');
        return events.message(incoming.message);
      case 'receipt':
        return events.receipt(incoming.receipt);
      case 'retry':
        return events.retry(incoming.retry);
      case 'media-retry':
        return events.mediaRetry(incoming.retry);
      case 'call':
        return events.call(incoming.call);
      case 'identity-changed':
        return events.identityChanged(incoming.from);
      case 'devices-changed':
        return events.devicesChanged(incoming.from);
      case 'picture-changed':
        return events.pictureChanged(incoming.from);
      case 'pre-keys-low':
        return events.preKeysLow(incoming.count);
    }
  }

  #count(change: 1 | -1): void {
    this.#inFlight += change;
    this.#ports.onLoad(this.#inFlight);
  }
}

/** The same whenever the network brings it. */
const keyOf = (sender: string, stanza: Stanza): string =>
  [stanza.tag, attribute(stanza, 'type'), attribute(stanza, 'id'), sender].join(' ');
