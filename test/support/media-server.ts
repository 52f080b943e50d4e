// A homeserver's media endpoints, scripted: each request is answered by the next of the given answers, and what came is recorded.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { buffer } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { ClientApi } from '../../src/matrix/client-api.ts';
import { ClientMedia } from '../../src/matrix/media/client-media.ts';
import { defaultPatience, type Patience } from '../../src/matrix/media/exchange.ts';
import type { Clock } from '../../src/model/clock.ts';
import type { Actor } from '../../src/model/contact.ts';
import type { ActorId, DeviceId, UserId } from '../../src/model/ids.ts';

export type Answer = (request: IncomingMessage, response: ServerResponse) => unknown;

export const actor: Actor = {
  id: 'a' as ActorId,
  user: '@wa_ghost:example.org' as UserId,
  device: 'DEVICE' as DeviceId,
};

/** Answers in JSON; a text is sent as it is. */
export const json =
  (body: object | string, status = 200): Answer =>
  (request, response) => {
    request.resume();
    response.writeHead(status).end(typeof body === 'string' ? body : JSON.stringify(body));
  };

export const matrixError = (status: number, errcode: string, more: object = {}): Answer =>
  json({ errcode, error: 'no', ...more }, status);

export class MediaServer {
  readonly url: string;
  /** `METHOD path?query` of each request, without those for the upload limit. */
  readonly requests: string[] = [];
  readonly headers: IncomingMessage['headers'][] = [];
  /** Bodies that came to their end. */
  readonly whole: Buffer[] = [];
  /** Answers to come; the last one stays. */
  readonly answers: Answer[];
  limit: Answer = json({});
  /** Resolves when a request has been cut off before its end. */
  readonly cutOff: Promise<void>;

  private constructor(server: Server, answers: Answer[]) {
    this.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    this.answers = answers;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.cutOff = promise;
    server.on('request', (request: IncomingMessage, response: ServerResponse) => {
      if (request.url?.includes('/config')) {
        this.limit(request, response);
        return;
      }
      if (request.url?.includes('/whoami')) {
        response.end(JSON.stringify({ user_id: '@bot:example.org' }));
        return;
      }
      this.requests.push(`${request.method} ${request.url}`);
      this.headers.push(request.headers);
      request.once('close', () => request.complete || resolve());
      const answer = this.answers.length > 1 ? this.answers.shift() : this.answers[0];
      answer?.(request, response);
    });
  }

  static async start(...answers: Answer[]): Promise<MediaServer> {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    onTestFinished(() => {
      server.close();
      server.closeAllConnections();
    });
    return new MediaServer(server, answers);
  }

  /** Keeps what is uploaded whole. */
  readonly keep: Answer = async (request, response) => {
    const body = await buffer(request).catch(() => undefined);
    if (body === undefined) return;
    this.whole.push(body);
    response.end(JSON.stringify({ content_uri: `mxc://example.org/file${this.whole.length}` }));
  };

  media(
    patience: Partial<Patience> = {},
    clock: Clock = { now: () => 0, elapsed: () => 0, sleep: async () => undefined },
  ): ClientMedia {
    const api = new ClientApi({ homeserverUrl: this.url, asToken: 'secret-token' });
    return new ClientMedia({ api, clock, patience: { ...defaultPatience, ...patience } });
  }
}
