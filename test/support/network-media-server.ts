// A network's media host on loopback that does what a test tells it: HTTPS, with a certificate under an authority of its own.
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { State } from '../../src/sandbox/state.ts';
import { tlsIdentity } from '../../src/sandbox/tls-certificate.ts';

export type Handler = (request: IncomingMessage, response: ServerResponse) => void;

export class NetworkMediaServer {
  /** PEM. */
  readonly authority: string;
  /** `localhost:<port>`. */
  readonly host: string;
  /** Path and range of each request. */
  readonly requests: [string, string | undefined][] = [];
  /** TCP connections, whatever became of them. */
  connections = 0;
  handler: Handler = (_, response) => response.writeHead(404).end();
  readonly #server: Server;

  private constructor(server: Server, authority: string) {
    this.#server = server;
    this.authority = authority;
    this.host = `localhost:${(server.address() as AddressInfo).port}`;
    server.on('connection', () => {
      this.connections += 1;
    });
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      this.requests.push([request.url ?? '', request.headers.range]);
      this.handler(request, response);
    });
  }

  static async start(): Promise<NetworkMediaServer> {
    const state = new State(undefined);
    const { caPem, certPem, keyPem } = tlsIdentity(state);
    state.close();
    const server = createServer({ cert: certPem, key: keyPem });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new NetworkMediaServer(server, caPem);
  }

  /** From now on this is the file. */
  serve(file: Uint8Array): void {
    this.handler = (request, response) => answer(request, response, file);
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }
}

/** The file, or the part of it that is asked for. */
export function answer(request: IncomingMessage, response: ServerResponse, file: Uint8Array): void {
  const from = rangeStart(request);
  if (from > 0) response.writeHead(206, partHead(file, from));
  else response.writeHead(200, { 'content-length': file.length });
  response.end(file.subarray(from));
}

export function rangeStart({ headers }: IncomingMessage): number {
  return Number(/^bytes=(\d+)-$/.exec(headers.range ?? '')?.[1] ?? 0);
}

export function partHead(file: Uint8Array, from: number): Record<string, string | number> {
  return {
    'content-length': file.length - from,
    'content-range': `bytes ${from}-${file.length - 1}/${file.length}`,
  };
}
