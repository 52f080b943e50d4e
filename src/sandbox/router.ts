// The switchboard: who is connected, what becomes of each stanza, and delivery from the queues to the carriers.
import { EventEmitter } from 'node:events';
import { errorCode } from '../model/errors.ts';
import { SERVER } from '../model/jid.ts';
import type { Logger } from '../observability/logger.ts';
import { attribute, children, type Stanza, StanzaError, stanza } from '../whatsapp/binary/index.ts';
import { routeCall } from './calls.ts';
import { routeNotification } from './device-notifications.ts';
import { answerIq } from './iq.ts';
import { routeMessage } from './messages.ts';
import { type Live, type Network, nothing, type Outcome, type Sender } from './network.ts';
import type { Device } from './pre-keys.ts';
import { Presence } from './presence.ts';
import type { Queued } from './queue.ts';
import { routeReceipt, takeAck } from './receipts.ts';
import { kindOf, Traffic } from './traffic.ts';

/** Why the network ends a session. */
export type Ending = 'restart' | 'replaced' | 'removed' | 'malformed' | 'shutdown' | 'cut';

/** The way to one device, be it a connection or a phone in this process. */
export interface Carrier {
  send(stanza: Stanza): void;
  end(reason: Ending): void;
}

/** A device that has logged in. */
export interface Link {
  receive(stanza: Stanza): void;
  detach(): void;
}

interface Session {
  readonly sender: Sender;
  readonly carrier: Carrier;
  /** The last stanza of the queue that was sent on this link. */
  position: number;
  /** Whether the client takes traffic: passive logins wait for `<active/>`. */
  active: boolean;
  /** The connection is there and nothing passes, either way. */
  silent: boolean;
}

const keyOf = ({ account, device }: Device): string => `${account}:${device}`;

export class Router {
  readonly #network: Network;
  readonly #logger: Logger;
  readonly #sessions = new Map<string, Session>();
  readonly #presence: Presence;
  /** What third-party accounts have sent. */
  readonly traffic = new Traffic();
  /** `active`: a device takes traffic; `leaving`: a linked client has logged out. */
  readonly events = new EventEmitter<{ active: [Device]; leaving: [Device] }>();

  constructor(network: Network, logger: Logger) {
    this.#network = network;
    this.#logger = logger;
    this.#presence = new Presence(network);
  }

  /** A second link of the same device takes over from the first. */
  attach(sender: Sender, carrier: Carrier, { passive }: { readonly passive: boolean }): Link {
    const key = keyOf(sender.device);
    const session: Session = { sender, carrier, position: 0, active: false, silent: false };
    const before = this.#sessions.get(key);
    this.#sessions.set(key, session);
    before?.carrier.end(before.silent ? 'cut' : 'replaced');
    this.#count(sender, 'login');
    if (!passive) this.#activate(session);
    return {
      receive: (received) => this.#receive(session, received),
      detach: () => {
        if (this.#sessions.get(key) !== session) return;
        this.#sessions.delete(key);
        this.#sendLive(this.#presence.gone(sender));
      },
    };
  }

  endAll(reason: Ending): void {
    for (const { sender } of [...this.#sessions.values()]) this.end(sender.account.id, reason);
  }

  /** Ends the sessions of all the account's devices. */
  end(account: number, reason: Ending): void {
    for (const [key, { sender, carrier }] of [...this.#sessions]) {
      if (sender.account.id !== account) continue;
      this.#sessions.delete(key);
      carrier.end(reason);
    }
  }

  /** From now on nothing passes on the connections that this account has, and nobody is told: as when a router on the way forgets them. */
  silence(account: number): void {
    for (const session of this.#sessions.values()) if (session.sender.account.id === account) session.silent = true;
  }

  endDevice(device: Device, reason: Ending): void {
    const session = this.#sessions.get(keyOf(device));
    this.#sessions.delete(keyOf(device));
    session?.carrier.end(reason);
  }

  isConnected(device: Device): boolean {
    return this.#sessions.has(keyOf(device));
  }

  /** Sends what waits for these devices, as far as they are connected. */
  flush(devices: readonly Device[]): void {
    for (const device of devices) {
      const session = this.#sessions.get(keyOf(device));
      if (session?.active && !session.silent)
        this.#deliver(session, this.#network.queue.after(device, session.position), false);
    }
  }

  #receive(session: Session, received: Stanza): void {
    if (session.silent || this.#sessions.get(keyOf(session.sender.device)) !== session) return;
    this.#count(session.sender, kindOf(received));
    const outcome = this.#handle(session, received);
    for (const answer of outcome.answers) session.carrier.send(answer);
    if (isActive(received) && !session.active) this.#activate(session);
    this.flush(outcome.reached);
    this.#sendLive(outcome.live ?? []);
    if (outcome.leaving) this.events.emit('leaving', outcome.leaving);
  }

  #handle({ sender, carrier }: Session, received: Stanza): Outcome {
    try {
      const account = this.#network.directory.byId(sender.account.id);
      return account ? this.#route({ ...sender, account }, received) : nothing;
    } catch (error) {
      if (!(error instanceof StanzaError)) throw error;
      this.#logger.warn({ kind: received.tag, code: errorCode(error) }, 'stanza refused');
      const refusal = refuse(received);
      if (refusal) return { answers: [refusal], reached: [] };
      carrier.end('malformed');
      return nothing;
    }
  }

  #route(sender: Sender, received: Stanza): Outcome {
    switch (received.tag) {
      case 'message':
        return routeMessage(this.#network, sender, received);
      case 'receipt':
        return routeReceipt(this.#network, sender, received);
      case 'ack':
        return takeAck(this.#network, sender, received);
      case 'notification':
        return routeNotification(this.#network, sender, received);
      case 'iq':
        return answerIq(this.#network, sender, received);
      case 'call':
        return routeCall(this.#network, sender, received);
      case 'chatstate':
        return { ...nothing, live: this.#presence.typing(sender, received) };
      case 'presence':
        return { ...nothing, live: this.#presence.take(sender, received) };
      default:
        // Telemetry has no answer and no effect here.
        return nothing;
    }
  }

  #sendLive(live: readonly Live[]): void {
    for (const { to, stanza } of live) {
      const session = this.#sessions.get(keyOf(to));
      if (session?.active && !session.silent) session.carrier.send(stanza);
    }
  }

  #count({ account }: Sender, kind: string): void {
    if (account.kind === 'interop') this.traffic.count(account.identifier, kind);
  }

  /** Sends the backlog between its preview and its end mark, then lets live traffic through. */
  #activate(session: Session): void {
    const { device } = session.sender;
    const counts = this.#network.queue.counts(device);
    const backlog = this.#network.queue.after(device, 0);
    const attrs = {
      count: backlog.length,
      message: counts.get('message') ?? 0,
      receipt: counts.get('receipt') ?? 0,
      notification: counts.get('notification') ?? 0,
      call: counts.get('call') ?? 0,
      appdata: 0,
    };
    session.active = true;
    if (backlog.length > 0) session.carrier.send(stanza('ib', { from: SERVER }, [stanza('offline_preview', attrs)]));
    this.#deliver(session, backlog, true);
    session.carrier.send(stanza('ib', { from: SERVER }, [stanza('offline', { count: backlog.length })]));
    this.events.emit('active', device);
  }

  #deliver(session: Session, queued: readonly Queued[], offline: boolean): void {
    const { device } = session.sender;
    for (const { position, class: kind, stanza: waiting } of queued) {
      session.position = position;
      const marked = offline ? { ...waiting, attrs: new Map([...waiting.attrs, ['offline', '1']]) } : waiting;
      const sent = kind === 'message' ? this.#network.interference.deliver(device, marked) : [marked];
      for (const one of sent) session.carrier.send(one);
    }
  }
}

const isActive = (received: Stanza): boolean =>
  received.tag === 'iq' && attribute(received, 'xmlns') === 'passive' && children(received)[0]?.tag === 'active';

/** The answer to a stanza that cannot be understood, where one can be addressed. */
function refuse(received: Stanza): Stanza | undefined {
  const id = attribute(received, 'id');
  if (id === undefined || received.tag !== 'message') return undefined;
  const to = received.attrs.get('to');
  const from = typeof to === 'string' ? undefined : to;
  return stanza('ack', { class: 'message', id, from: from ?? SERVER, error: 479 });
}
