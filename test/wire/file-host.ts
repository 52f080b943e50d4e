// A third-party service's media host in miniature: files below /media/, whole or in parts, and what was asked for.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export class FileHost {
  readonly url: string;
  /** Method, path with query, and range of each request. */
  readonly asked: string[] = [];
  readonly #files = new Map<string, Buffer | ((request: IncomingMessage, response: ServerResponse) => void)>();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => this.#answer(request, response));
  }

  static async start(): Promise<FileHost> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    return new FileHost(server);
  }

  /** A file, or an answer of another kind, under a path without query. */
  put(path: string, file: Buffer | ((request: IncomingMessage, response: ServerResponse) => void)): void {
    this.#files.set(path, file);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }

  #answer(request: IncomingMessage, response: ServerResponse): unknown {
    const { method, url = '', headers } = request;
    this.asked.push([method, url, headers.range].filter((part) => part !== undefined).join(' '));
    const file = this.#files.get(url.replace(/\?.*/, ''));
    if (typeof file === 'function') return file(request, response);
    if (!file) return response.writeHead(404).end();
    const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? [];
    if (start === undefined) return response.writeHead(200, { 'content-length': file.length }).end(file);
    const [from, to] = [Number(start), end ? Number(end) : file.length - 1];
    const part = file.subarray(from, to + 1);
    const range = { 'content-length': part.length, 'content-range': `bytes ${from}-${to}/${file.length}` };
    return response.writeHead(206, range).end(part);
  }
}
