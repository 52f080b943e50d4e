/** A server with our responder on a real socket, and the keys and certificates of both sides. */

import { createServer, type Server, type Socket } from 'node:net';
import { afterEach } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  type AcceptedConnection,
  acceptNoise,
  type Carrier,
  type CloseReason,
  type ConnectOptions,
  generateKeyPair,
  issueCertChain,
  type NoiseConnection,
  NoiseError,
  tcpCarrier,
  webSocketCarrier,
} from '../../src/whatsapp/noise/index.ts';

export const NOW = Date.UTC(2026, 10, 22);
export const DAY = 86_400_000;
export const root = generateKeyPair();
export const intermediateKey = generateKeyPair();
export const serverKey = generateKeyPair();
export const clientKey = generateKeyPair();
export const validity = { notBefore: NOW - DAY, notAfter: NOW + DAY };
export const certChain = issueCertChain(
  root,
  intermediateKey,
  { serial: 1, ...validity },
  { serial: 2, key: serverKey.publicKey, ...validity },
);
export const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();
export const bytes = (content: string): Uint8Array => Uint8Array.from(Buffer.from(content));

export const faultOf = (run: () => unknown): string | undefined => {
  try {
    run();
  } catch (error) {
    if (error instanceof NoiseError) return error.fault;
    throw error;
  }
  return undefined;
};

/** What a connection says, in the order it says it. */
export class Heard {
  readonly #items: (string | CloseReason)[] = [];
  readonly #waiting: ((item: string | CloseReason) => void)[] = [];

  constructor(connection: NoiseConnection) {
    const add = (item: string | CloseReason): void => {
      const waiter = this.#waiting.shift();
      if (waiter) waiter(item);
      else this.#items.push(item);
    };
    connection.start({ onFrame: (plaintext) => add(text(plaintext)), onClose: add });
  }

  next(): Promise<string | CloseReason> {
    const item = this.#items.shift();
    return item === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(item);
  }
}

interface Listening {
  readonly endpoint: URL;
  accepted(): Promise<AcceptedConnection>;
}

/** What to undo after the running test. */
export const cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanUp.splice(0)) undo();
});

/** Accepts one client with our responder, on a real socket. */
export function listen(scheme: 'ws' | 'tcp', accept = { staticKeyPair: serverKey, certChain }): Promise<Listening> {
  const accepted = Promise.withResolvers<AcceptedConnection>();
  accepted.promise.catch(() => {});
  const take = (carrier: Carrier): void => {
    acceptNoise(carrier, { ...accept, timeoutMs: 2_000 }).then(accepted.resolve, accepted.reject);
  };
  return serve(scheme, {
    socket: (socket) => take(tcpCarrier(socket)),
    webSocket: (ws) => take(webSocketCarrier(ws)),
  }).then((endpoint) => ({ endpoint, accepted: () => accepted.promise }));
}

export function serve(
  scheme: 'ws' | 'tcp',
  on: { socket?: (socket: Socket) => void; webSocket?: (socket: WebSocket) => void },
): Promise<URL> {
  return new Promise((resolve) => {
    if (scheme === 'ws') {
      const server: WebSocketServer = new WebSocketServer({ port: 0, host: '127.0.0.1' }, () =>
        resolve(url(server.address())),
      );
      server.on('connection', (socket) => on.webSocket?.(socket));
      cleanUp.push(() => {
        for (const client of server.clients) client.terminate();
        server.close();
      });
    } else {
      const sockets: Socket[] = [];
      const server: Server = createServer((socket) => {
        sockets.push(socket);
        socket.on('error', () => {});
        on.socket?.(socket);
      }).listen(0, '127.0.0.1', () => resolve(url(server.address())));
      cleanUp.push(() => {
        for (const socket of sockets) socket.destroy();
        server.close();
      });
    }
  });

  function url(address: ReturnType<Server['address']>): URL {
    if (address === null || typeof address === 'string') throw new Error('no port');
    return new URL(`${scheme}://127.0.0.1:${address.port}${scheme === 'ws' ? '/ws/chat' : ''}`);
  }
}

export const options = (endpoint: URL, more: Partial<ConnectOptions> = {}): ConnectOptions => ({
  endpoint,
  rootKey: root.publicKey,
  staticKeyPair: clientKey,
  payload: bytes('who I am'),
  now: () => NOW,
  timeoutMs: 5_000,
  ...more,
});
