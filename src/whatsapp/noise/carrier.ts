/** What carries the byte stream: a WebSocket or a raw TCP connection, on either side. */

import { connect, type Socket } from 'node:net';
import { WebSocket } from 'ws';
import { NoiseError } from './error.ts';
import { FRAME_LIMIT } from './frame.ts';

export interface CarrierHandlers {
  bytes(chunk: Uint8Array): void;
  /** Once, after the last bytes; with the error if there was one. */
  closed(error: NoiseError | undefined): void;
}

/** An open connection. Nothing is read before it is attached. */
export interface Carrier {
  attach(handlers: CarrierHandlers): void;
  /** Sends in one piece: a WebSocket message is never a part of what is given here. */
  send(bytes: Uint8Array): void;
  /** Bytes that are waiting to be sent. */
  readonly buffered: number;
  /** Holds back the other side; what has already arrived may still come. */
  pause(): void;
  resume(): void;
  /** Closes after everything has been sent. */
  close(): void;
  /** Closes at once. */
  destroy(): void;
}

/** How long the other side may take to let us close in an orderly way. */
const CLOSE_TIMEOUT_MS = 5_000;

/** Over a WebSocket that is open, client or server side. Call it in the event that says so, else messages are lost. */
export function webSocketCarrier(socket: WebSocket): Carrier {
  let failure: NoiseError | undefined;
  socket.on('error', (error) => {
    failure ??= new NoiseError('closed', error);
  });
  socket.pause();
  return {
    attach(handlers) {
      socket.on('message', (data, isBinary) => {
        if (isBinary && Buffer.isBuffer(data)) return handlers.bytes(data);
        failure ??= new NoiseError('not-binary');
        socket.terminate();
      });
      socket.on('close', () => handlers.closed(failure));
      if (socket.readyState === WebSocket.CLOSED) queueMicrotask(() => handlers.closed(failure));
      else socket.resume();
    },
    send: (bytes) => socket.send(bytes, ignoreFailure),
    get buffered() {
      return socket.bufferedAmount;
    },
    pause: () => socket.pause(),
    resume: () => socket.resume(),
    close: () => {
      // A paused socket would not see the other side's half of the closing handshake.
      socket.resume();
      socket.close(1000);
      setTimeout(() => socket.terminate(), CLOSE_TIMEOUT_MS).unref();
    },
    destroy: () => socket.terminate(),
  };
}

/** Over a TCP socket that is connected, client or server side. */
export function tcpCarrier(socket: Socket): Carrier {
  let failure: NoiseError | undefined;
  socket.on('error', (error) => {
    failure ??= new NoiseError('closed', error);
  });
  socket.setNoDelay(true);
  return {
    attach(handlers) {
      socket.on('close', () => handlers.closed(failure));
      if (socket.destroyed) queueMicrotask(() => handlers.closed(failure));
      else socket.on('data', (chunk: Buffer) => handlers.bytes(chunk));
    },
    send: (bytes) => void socket.write(bytes, ignoreFailure),
    get buffered() {
      return socket.writableLength;
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    close: () => {
      socket.destroySoon();
      setTimeout(() => socket.destroy(), CLOSE_TIMEOUT_MS).unref();
    },
    destroy: () => void socket.destroy(),
  };
}

/** A failed write is followed by `close`, which is where it is reported. */
const ignoreFailure = (): void => {};

export interface DialOptions {
  readonly signal: AbortSignal;
  /** The Origin header of a WebSocket. */
  readonly origin?: string;
}

/** Opens `ws:`, `wss:` or `tcp://host:port`. Rejects with NoiseError. */
export function dial(endpoint: URL, options: DialOptions): Promise<Carrier> {
  switch (endpoint.protocol) {
    case 'ws:':
    case 'wss:':
      return dialWebSocket(endpoint, options);
    case 'tcp:':
      return dialTcp(endpoint, options.signal);
    default:
      return Promise.reject(new NoiseError('unsupported-endpoint'));
  }
}

function dialWebSocket(endpoint: URL, { signal, origin }: DialOptions): Promise<Carrier> {
  const socket = new WebSocket(endpoint, {
    ...(origin === undefined ? {} : { origin }),
    perMessageDeflate: false,
    // A message may hold several frames; one that is bigger than the biggest frame is not WhatsApp's.
    maxPayload: FRAME_LIMIT + 3,
  });
  return opened(socket, 'open', signal, {
    carrier: () => webSocketCarrier(socket),
    destroy: () => socket.terminate(),
  });
}

function dialTcp(endpoint: URL, signal: AbortSignal): Promise<Carrier> {
  const port = Number(endpoint.port);
  if (port === 0 || endpoint.hostname === '') return Promise.reject(new NoiseError('unsupported-endpoint'));
  const host = endpoint.hostname.replace(/^\[(.*)\]$/, '$1');
  const socket = connect({ host, port });
  return opened(socket, 'connect', signal, { carrier: () => tcpCarrier(socket), destroy: () => socket.destroy() });
}

interface Opening {
  carrier(): Carrier;
  destroy(): void;
}

function opened(
  socket: WebSocket | Socket,
  event: 'open' | 'connect',
  signal: AbortSignal,
  { carrier, destroy }: Opening,
): Promise<Carrier> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown): void => reject(new NoiseError('connect-failed', cause));
    const abort = (): void => {
      destroy();
      fail(signal.reason);
    };
    // Stays: destroying a socket that is still connecting emits an error as well.
    socket.on('error', fail);
    socket.once(event, () => {
      signal.removeEventListener('abort', abort);
      resolve(carrier());
    });
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}
