// A proxy in front of a homeserver that is in some mood or other, and keeps count of what it is asked.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';

export type Mood =
  | 'fine'
  /** Nobody is there. */
  | 'gone'
  /** A proxy that has not reached its homeserver. */
  | 'bad-gateway'
  /** What is asked is done, and the answer lost. */
  | 'mute'
  /** Too much: half a second by the body, two seconds by the header. Concerns what is sent into rooms only. */
  | 'limited'
  /** To-device messages cannot be fetched. */
  | 'keyless'
  /** Does not try the bridge when it is asked to: it comes to it by itself. */
  | 'unhurried';

export interface Asked {
  readonly method: string;
  /** Without the query. */
  readonly path: string;
  readonly mood: Mood;
  /** By `performance.now()`. */
  readonly at: number;
}

export class MoodyProxy {
  mood: Mood = 'fine';
  readonly asked: Asked[] = [];
  readonly #target: string;
  readonly #server: Server;
  readonly #watchers = new Set<() => void>();

  private constructor(target: string) {
    this.#target = target;
    this.#server = createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy());
    });
  }

  static async start(target: string): Promise<MoodyProxy> {
    const proxy = new MoodyProxy(target);
    await once(proxy.#server.listen(0, '127.0.0.1'), 'listening');
    return proxy;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Resolves once so many requests have come in the present mood. */
  async askedTimes(count: number): Promise<void> {
    const start = this.asked.length;
    await new Promise<void>((resolve) => {
      const watch = (): void => {
        if (this.asked.length - start < count) return;
        this.#watchers.delete(watch);
        resolve();
      };
      this.#watchers.add(watch);
      watch();
    });
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.#server.closeAllConnections();
    await closed;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = 'GET', url = '/' } = request;
    const { mood } = this;
    const path = url.split('?')[0] ?? url;
    this.asked.push({ method, path, mood, at: performance.now() });
    for (const watch of this.#watchers) watch();
    if (mood === 'gone') {
      request.socket.destroy();
    } else if (mood === 'bad-gateway') {
      response.writeHead(502, { 'content-type': 'text/html' }).end('<html><h1>502 Bad Gateway</h1></html>');
    } else if (mood === 'limited' && path.includes('/send/')) {
      const body = { errcode: 'M_LIMIT_EXCEEDED', error: 'Too Many Requests', retry_after_ms: 500 };
      response.writeHead(429, { 'content-type': 'application/json', 'retry-after': '2' }).end(JSON.stringify(body));
    } else if (mood === 'keyless' && path.endsWith('/sync')) {
      response.writeHead(500).end(JSON.stringify({ errcode: 'M_UNKNOWN', error: 'Internal server error' }));
    } else if (mood === 'unhurried' && path.endsWith('/ping')) {
      response.writeHead(200, { 'content-type': 'application/json' }).end('{"duration_ms":1}');
    } else {
      await this.#pass(request, response, method, url, mood === 'mute');
    }
  }

  async #pass(
    request: IncomingMessage,
    response: ServerResponse,
    method: string,
    url: string,
    isMute: boolean,
  ): Promise<void> {
    const body = await buffer(request);
    const headers = new Headers();
    for (const name of ['authorization', 'content-type']) {
      const value = request.headers[name];
      if (typeof value === 'string') headers.set(name, value);
    }
    const answer = await fetch(`${this.#target}${url}`, {
      method,
      headers,
      ...(body.length > 0 ? { body: new Uint8Array(body) } : {}),
    });
    const content = Buffer.from(await answer.arrayBuffer());
    if (isMute) return void response.destroy();
    response.writeHead(answer.status, { 'content-type': answer.headers.get('content-type') ?? 'application/json' });
    response.end(content);
  }
}
