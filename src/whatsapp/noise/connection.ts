/** A Noise connection: opened by a client or accepted by a server, then encrypted frames in both directions. */

import { type Carrier, type DialOptions, dial } from './carrier.ts';
import { TAG_LENGTH, type TransportCiphers } from './cipher.ts';
import { NoiseError } from './error.ts';
import { FRAME_LIMIT } from './frame.ts';
import { type CloseReason, FrameSocket } from './frame-socket.ts';
import { Initiator, type InitiatorOptions } from './initiator.ts';
import { encodeIntro, takeIntro } from './intro.ts';
import { type Authenticated, Responder, type ResponderOptions } from './responder.ts';

export const HANDSHAKE_TIMEOUT_MS = 20_000;

export interface NoiseHandlers {
  /** One decrypted frame, in order. An exception closes the connection with `handler-failed`. */
  onFrame(plaintext: Uint8Array): void;
  /** Once, after the last frame, whoever closed. */
  onClose(reason: CloseReason): void;
}

/** Nothing is read before `start`. */
export class NoiseConnection {
  readonly #frames: FrameSocket;
  readonly #ciphers: TransportCiphers;

  constructor(frames: FrameSocket, ciphers: TransportCiphers) {
    this.#frames = frames;
    this.#ciphers = ciphers;
    frames.pause();
  }

  get open(): boolean {
    return this.#frames.open;
  }

  /** Bytes that are waiting to be sent. */
  get buffered(): number {
    return this.#frames.buffered;
  }

  start({ onFrame, onClose }: NoiseHandlers): void {
    this.#frames.flow({ frame: (sealed) => onFrame(this.#ciphers.incoming.decrypt(sealed)), closed: onClose });
    this.#frames.resume();
  }

  /** Encrypts and sends one frame. Throws NoiseError `closed` or `frame-too-large`; neither uses up a counter. */
  send(plaintext: Uint8Array): void {
    if (!this.open) throw new NoiseError('closed');
    if (plaintext.length + TAG_LENGTH >= FRAME_LIMIT) throw new NoiseError('frame-too-large');
    this.#frames.send(this.#ciphers.outgoing.encrypt(plaintext));
  }

  /** Holds frames back, so that a slow reader slows the sender down instead of filling memory. */
  pause(): void {
    this.#frames.pause();
  }

  resume(): void {
    this.#frames.resume();
  }

  /** Sends what is waiting, then closes. `onClose` tells when it is over. */
  close(): void {
    this.#frames.close();
  }
}

export interface ConnectOptions extends InitiatorOptions {
  /** `ws:`, `wss:` or `tcp://host:port`. */
  readonly endpoint: URL;
  /** What the server sent in `edge_routing` before. */
  readonly routingInfo?: Uint8Array;
  readonly origin?: DialOptions['origin'];
  readonly signal?: AbortSignal;
  /** For connecting and the handshake together. */
  readonly timeoutMs?: number;
}

/** Connects as a client. Rejects with NoiseError; nothing stays open then. */
export async function connectNoise(options: ConnectOptions): Promise<NoiseConnection> {
  const { endpoint, origin, routingInfo, timeoutMs = HANDSHAKE_TIMEOUT_MS } = options;
  return withDeadline(timeoutMs, options.signal, async (signal) => {
    const carrier = await dial(endpoint, origin === undefined ? { signal } : { signal, origin });
    return shakeHands(carrier, signal, async (frames) => {
      const initiator = new Initiator(options);
      frames.send(initiator.hello(), encodeIntro(routingInfo));
      const { message, ciphers } = initiator.finish(await frames.receiveFrame());
      frames.send(message);
      return new NoiseConnection(frames, ciphers);
    });
  });
}

export interface AcceptOptions extends ResponderOptions {
  readonly signal?: AbortSignal;
  readonly timeoutMs?: number;
}

export interface AcceptedConnection extends Authenticated {
  readonly connection: NoiseConnection;
  /** What the client was given in `edge_routing` before. */
  readonly routingInfo: Uint8Array | undefined;
}

/**
 * Accepts a client on a carrier that is open. Proves who the client is, not that it is welcome: the caller decides by
 * `clientStatic` and `payload`. Rejects with NoiseError; the carrier is closed then.
 */
export async function acceptNoise(carrier: Carrier, options: AcceptOptions): Promise<AcceptedConnection> {
  return withDeadline(options.timeoutMs ?? HANDSHAKE_TIMEOUT_MS, options.signal, (signal) =>
    shakeHands(carrier, signal, async (frames) => {
      const { routingInfo } = await frames.receive(takeIntro);
      const responder = new Responder(options);
      frames.send(responder.hello(await frames.receiveFrame()));
      const { ciphers, ...authenticated } = responder.finish(await frames.receiveFrame());
      return { ...authenticated, routingInfo, connection: new NoiseConnection(frames, ciphers) };
    }),
  );
}

async function shakeHands<T>(
  carrier: Carrier,
  signal: AbortSignal,
  steps: (frames: FrameSocket) => Promise<T>,
): Promise<T> {
  const frames = new FrameSocket(carrier);
  const abort = (): void => frames.close(new NoiseError('aborted'));
  if (signal.aborted) abort();
  signal.addEventListener('abort', abort, { once: true });
  try {
    return await steps(frames);
  } catch (error) {
    const fault = error instanceof NoiseError ? error : new NoiseError('bad-handshake-message', error);
    frames.close(fault);
    throw fault;
  } finally {
    signal.removeEventListener('abort', abort);
  }
}

/** Runs with a signal that fires at the deadline or with the caller's, and names which of the two it was. */
async function withDeadline<T>(
  ms: number,
  outer: AbortSignal | undefined,
  run: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), ms);
  try {
    return await run(outer ? AbortSignal.any([outer, deadline.signal]) : deadline.signal);
  } catch (error) {
    if (outer?.aborted) throw new NoiseError('aborted', error);
    if (deadline.signal.aborted) throw new NoiseError('timeout', error);
    throw error;
  } finally {
    clearTimeout(timer);
  }
}
