// A proxy in front of an HTTP server that takes a life at a chosen moment: the request is carried out, its answer never arrives.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

interface Trap {
  readonly matches: (method: string, path: string) => boolean;
  readonly kill: () => Promise<void>;
  readonly sprung: () => void;
}

export class KillingProxy {
  readonly #target: string;
  readonly #server: Server;
  #trap: Trap | undefined;

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => {
      this.#pass(request, response).catch(() => response.destroy());
    });
  }

  static async start(target: string, port = 0): Promise<KillingProxy> {
    const proxy = new KillingProxy(target);
    proxy.#server.listen(port, '127.0.0.1');
    await once(proxy.#server, 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Arms the proxy; resolves once the next matching request has been carried out and `kill` has done its work. */
  async killAt(method: string, path: RegExp, kill: () => Promise<void>): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#trap = { matches: (m, p) => m === method && path.test(p), kill, sprung: resolve };
    });
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #pass(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const body = await buffer(request);
    const headers = new Headers();
    for (const name of ['authorization', 'content-type', 'accept', 'user-agent']) {
      const value = request.headers[name];
      if (typeof value === 'string') headers.set(name, value);
    }
    const answer = await fetch(`${this.#target}${url}`, {
      method,
      headers,
      ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
    });
    const content = Buffer.from(await answer.arrayBuffer());
    const trap = this.#trap;
    if (trap?.matches(method, url)) {
      this.#trap = undefined;
      await trap.kill();
      response.destroy();
      trap.sprung();
      return;
    }
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' });
    response.end(content);
  }
}
