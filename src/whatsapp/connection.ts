// One connection, from the end of the handshake until it is over: login, requests, keep-alive, incoming stanzas.
import type { Disclosed, Recipient } from '../model/budget/recipients.ts';
import type { Clock } from '../model/clock.ts';
import { errorCode } from '../model/errors.ts';
import type { Disconnect, InteropEvents } from '../model/interop.ts';
import { SERVER } from '../model/jid.ts';
import type { Serial } from '../model/serial.ts';
import { passed } from '../observability/fail-points.ts';
import type { Logger } from '../observability/logger.ts';
import {
  attribute,
  bytesContent,
  child,
  decodeStanza,
  jidAttribute,
  type Stanza,
  StanzaError,
  stanza,
} from './binary/index.ts';
import {
  disconnectOfError,
  disconnectOfFailure,
  disconnectOfStreamError,
  NETWORK,
  PROTOCOL,
  RESTART,
  wantsRestart,
} from './disconnect.ts';
import { IncomingStanzas } from './incoming.ts';
import type { NetworkTime } from './network-time.ts';
import type { NoiseConnection } from './noise/index.ts';
import { encodeOutgoing } from './outgoing.ts';
import { offlineError, Requests } from './requests.ts';
import type { Setbacks } from './setbacks.ts';
import { acknowledgement, isAcknowledged, NACK } from './stanzas.ts';
import { readTyping } from './stanzas-presence.ts';
import type { ClientTuning } from './tuning.ts';

/** How a connection ended. `restart`: connect again without delay. */
export interface Ended {
  readonly disconnect: Disconnect;
  readonly restart: boolean;
}

export interface ConnectionPorts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly events: InteropEvents;
  readonly tuning: ClientTuning;
  readonly disclosed: Disclosed;
  /** Outlives the connection: what it left unfinished comes before what the next one brings again. */
  readonly order: Serial<string>;
  /** Likewise: what failed on it may fail on the next. */
  readonly setbacks: Setbacks;
  /** What the network wants to be shown at the next connection, so that it reaches the same server. */
  onRoutingInfo(info: Uint8Array): void;
  /** Learns what the network shows of its clock. */
  readonly time: NetworkTime;
}

/** While a request of ours is open, reading goes on up to this many times the bound: its answer may be what a handler waits for. */
const SLACK_FOR_ANSWERS = 8;

export class Connection {
  readonly #noise: NoiseConnection;
  readonly #ports: ConnectionPorts;
  readonly #requests: Requests;
  readonly #incoming: IncomingStanzas;
  readonly #over = new AbortController();
  readonly #loggedIn = Promise.withResolvers<boolean>();
  readonly #ended = Promise.withResolvers<Ended>();
  #inFlight = 0;
  #paused = false;
  /** Whether something was left with the network, which sends it again on the next connection. */
  #unhandled = false;

  constructor(noise: NoiseConnection, ports: ConnectionPorts) {
    this.#noise = noise;
    this.#ports = ports;
    this.#requests = new Requests(ports.clock, ports.tuning.answerTimeoutMs);
    this.#incoming = new IncomingStanzas({
      ...ports,
      send: (stanza) => this.#trySend(stanza),
      onLoad: (inFlight) => {
        this.#inFlight = inFlight;
        this.#regulate();
      },
      onUnhandled: (pauseMs) => {
        this.#unhandled = true;
        this.#endAfter(pauseMs, { disconnect: NETWORK, restart: true });
      },
    });
    noise.start({
      onFrame: (frame) => this.#receive(frame),
      onClose: (reason) => {
        const disconnect = reason.by === 'error' ? disconnectOfError(reason.error) : NETWORK;
        this.end({ disconnect, restart: false });
      },
    });
    this.#endAfter(ports.tuning.loginTimeoutMs, { disconnect: NETWORK, restart: false }, this.loggedIn);
  }

  /** True once the network has let us in, false if the connection ended before. */
  get loggedIn(): Promise<boolean> {
    return this.#loggedIn.promise;
  }

  get ended(): Promise<Ended> {
    return this.#ended.promise;
  }

  get open(): boolean {
    return !this.#over.signal.aborted;
  }

  /** The first reason counts. */
  end(ended: Ended): void {
    if (!this.open) return;
    this.#over.abort();
    this.#loggedIn.resolve(false);
    this.#ended.resolve(ended);
    this.#requests.close();
    this.#noise.close();
  }

  /** See InteropClient. */
  redeliver(): void {
    if (this.#unhandled) this.end({ disconnect: NETWORK, restart: true });
  }

  /** Sends a request and resolves with its result. Rejects with BridgeError `interop.refused`, `interop.timeout`, `interop.offline`. */
  request(build: (id: string) => Stanza, timeoutMs?: number): Promise<Stanza> {
    const id = this.#requests.nextId();
    return this.#waiting(
      this.#requests.answer(id, () => this.#disclose(this.#send(encodeOutgoing(build(id))), 'network'), timeoutMs),
    );
  }

  /** Sends an encoded stanza and resolves with the network's acknowledgement. */
  deliver(tag: 'message' | 'receipt', id: string, encoded: Uint8Array): Promise<Stanza> {
    const send = (): void => {
      this.#send(encoded);
      // Of a message, what is not its content was counted when it was made.
      if (tag === 'receipt') this.#disclose(encoded, 'network', 'contact');
      if (tag === 'message') passed('M10-stanza-written');
    };
    return this.#waiting(this.#requests.acknowledgement(tag, id, send));
  }

  /** Sends what the network does not answer. */
  post(out: Stanza): void {
    this.#disclose(this.#send(encodeOutgoing(out)), 'network', 'contact');
  }

  /** Pings until the connection is over; ends it when the network does not answer. */
  async keepAlive(): Promise<void> {
    const { clock, tuning, logger } = this.#ports;
    const ping = (id: string): Stanza => stanza('iq', { id, to: SERVER, type: 'get', xmlns: 'w:p' }, [stanza('ping')]);
    for (;;) {
      await clock.sleep(tuning.keepAliveMs, this.#over.signal);
      if (!this.open) return;
      try {
        await this.request(ping, tuning.keepAliveDeadlineMs);
      } catch (error) {
        // A refusal is an answer too.
        if (errorCode(error) !== 'interop.timeout' || this.#paused) continue;
        logger.info({ reason: 'keep-alive' }, 'the network has gone silent');
        return this.end({ disconnect: NETWORK, restart: false });
      }
    }
  }

  #receive(frame: Uint8Array): void {
    if (!this.open) return;
    try {
      this.#dispatch(decodeStanza(frame));
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error;
      this.#ports.logger.warn({ code: error.code }, 'dropped a malformed stanza');
    }
  }

  #dispatch(received: Stanza): void {
    if (isAcknowledged(received)) this.#incoming.take(received);
    else if (received.tag === 'iq') this.#onRequest(received);
    else if (received.tag === 'ack') this.#requests.settle(received);
    else this.#onStream(received);
  }

  /** What concerns the connection itself. */
  #onStream(received: Stanza): void {
    switch (received.tag) {
      case 'success':
        this.#ports.time.shown(timeIn(received));
        this.#loggedIn.resolve(true);
        break;
      case 'failure': {
        const disconnect = disconnectOfFailure(received);
        // Perhaps for its time: the next token is made by what this shows of the network's clock, or by our own.
        if (disconnect.reason === 'token-refused') this.#ports.time.forget();
        this.#ports.time.shown(timeIn(received));
        this.end({ disconnect, restart: false });
        break;
      }
      case 'stream:error':
        this.end({ disconnect: disconnectOfStreamError(received), restart: wantsRestart(received) });
        break;
      case 'xmlstreamend':
        this.end({ disconnect: RESTART, restart: false });
        break;
      case 'ib':
        this.#onInfo(received);
        break;
      case 'chatstate': {
        const typing = readTyping(received);
        if (typing) this.#ports.events.typing(typing);
        break;
      }
      case 'presence':
        break;
      default:
        this.#trySend(acknowledgement(received, NACK.unknownStanza));
    }
  }

  #onRequest(received: Stanza): void {
    const type = attribute(received, 'type');
    if (type === 'result' || type === 'error') this.#requests.settle(received);
    else {
      const to = jidAttribute(received, 'from') ?? SERVER;
      this.#trySend(stanza('iq', { id: attribute(received, 'id'), to, type: 'result' }));
    }
  }

  #onInfo(info: Stanza): void {
    if (child(info, 'downgrade_webclient')) this.end({ disconnect: PROTOCOL, restart: false });
    const routing = child(info, 'edge_routing');
    const routingInfo = routing && child(routing, 'routing_info');
    const bytes = routingInfo && bytesContent(routingInfo);
    if (bytes) this.#ports.onRoutingInfo(bytes);
  }

  /** Stops reading while more is in hand than the bound allows. */
  #regulate(): void {
    const { maxInFlight } = this.#ports.tuning;
    const bound = this.#requests.pending > 0 ? maxInFlight * SLACK_FOR_ANSWERS : maxInFlight;
    const full = this.#inFlight >= bound;
    if (full === this.#paused) return;
    this.#paused = full;
    if (full) this.#noise.pause();
    else this.#noise.resume();
  }

  #waiting(answer: Promise<Stanza>): Promise<Stanza> {
    this.#regulate();
    return answer.finally(() => this.#regulate());
  }

  #send(encoded: Uint8Array): Uint8Array {
    if (!this.open || !this.#noise.open) throw offlineError();
    this.#noise.send(encoded);
    return encoded;
  }

  #disclose({ length }: Uint8Array, ...recipients: readonly Recipient[]): void {
    for (const to of recipients) this.#ports.disclosed(to, length);
  }

  /** For what the network will ask for again by itself when it does not come. */
  #trySend(out: Stanza | undefined): void {
    if (out && this.open && this.#noise.open) this.#disclose(this.#send(encodeOutgoing(out)), 'network');
  }

  #endAfter(ms: number, ended: Ended, unless?: Promise<boolean>): void {
    const cancelled = new AbortController();
    void unless?.then((cancel) => cancel && cancelled.abort());
    const signal = AbortSignal.any([cancelled.signal, this.#over.signal]);
    void this.#ports.clock.sleep(ms, signal).then(() => {
      if (!signal.aborted) this.end(ended);
    });
  }
}

function timeIn(stanza: Stanza): number | undefined {
  const seconds = attribute(stanza, 't');
  return seconds !== undefined && /^\d{1,12}$/.test(seconds) ? Number(seconds) * 1000 : undefined;
}
