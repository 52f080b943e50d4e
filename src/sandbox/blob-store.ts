// The media host: encrypted files over HTTPS, uploaded with a permit from the chat connection, fetched by whoever knows the path. What
// third parties host is fetched through it as well.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { createServer as createPlainServer, type Server as PlainServer } from 'node:http';
import { createServer, type Server } from 'node:https';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express, { type Request, type Response } from 'express';
import type { Clock } from '../model/clock.ts';
import type { Logger } from '../observability/logger.ts';
import { answerErrors, HttpError } from './http-error.ts';
import type { FileBytes } from './media-cipher.ts';
import { type MediaFault, MediaFaults } from './media-faults.ts';
import { MediaProxy } from './media-proxy.ts';
import type { Blobs, StoredBlob } from './network.ts';
import type { State } from './state.ts';
import { tlsIdentity } from './tls-certificate.ts';

export interface BlobLimits {
  /** Bytes of one file, as it is stored. */
  readonly mediaBytes: number;
  /** How long a file is kept. */
  readonly mediaMs: number;
}

const PERMIT_SECONDS = 3_600;
const READ_BYTES = 64 << 10;
const TYPES = new Set([
  'image',
  'video',
  'audio',
  'document',
  'thumbnail-link',
  'sticker-pack',
  'md-msg-hist',
  'md-app-state',
]);
const NAME = /^[\w-]{22}$/;
const PASSED_BACK = ['content-type', 'content-length', 'content-range', 'accept-ranges', 'etag', 'last-modified'];

export interface BlobStoreOptions {
  readonly state: State;
  readonly directory: string;
  readonly limits: BlobLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class BlobStore implements Blobs {
  readonly caPem: string;
  readonly server: Server;
  /** The same without TLS, for phones, which live in this process. */
  readonly inner: PlainServer;
  readonly proxy = new MediaProxy();
  readonly #faults: MediaFaults;
  readonly #directory: string;
  readonly #secret: Uint8Array;
  readonly #limits: BlobLimits;
  readonly #clock: Clock;
  /** How often each file was asked for, by path. */
  readonly #downloads = new Map<string, number>();
  #host = '';
  #innerUrl = '';

  constructor({ state, directory, limits, clock, logger }: BlobStoreOptions) {
    const { caPem, certPem, keyPem } = tlsIdentity(state);
    this.caPem = caPem;
    this.#faults = new MediaFaults(clock);
    this.#directory = directory;
    this.#secret = state.setting('media-permit-secret', () => randomBytes(32));
    this.#limits = limits;
    this.#clock = clock;
    const app = express().disable('x-powered-by');
    app.post('/mms/:type/:token', (request, response) => this.#upload(request, response));
    app.get('/v/:name', (request, response) => this.#download(request, response));
    app.get('/*path', (request, response) => this.#forward(request, response));
    app.use(() => {
      throw new HttpError(404, 'not_found', 'there is nothing here');
    });
    app.use(answerErrors(logger));
    this.server = createServer({ cert: certPem, key: keyPem }, app);
    this.inner = createPlainServer(app);
  }

  get host(): string {
    return this.#host;
  }

  get innerUrl(): string {
    return this.#innerUrl;
  }

  /** To be called once, when both servers listen. */
  listening(port: number, innerPort: number): void {
    this.#host = `localhost:${port}`;
    this.#innerUrl = `http://127.0.0.1:${innerPort}`;
  }

  permit(): { readonly auth: string; readonly seconds: number } {
    const expires = String(Math.floor(this.#clock.now() / 1000) + PERMIT_SECONDS);
    return { auth: `${expires}.${this.#mac(expires)}`, seconds: PERMIT_SECONDS };
  }

  async put(bytes: FileBytes, expected?: string): Promise<StoredBlob> {
    const name = randomBytes(16).toString('base64url');
    const path = this.#path(name);
    try {
      const sha256 = await this.#write(bytes, `${path}.part`);
      if (expected !== undefined && sha256.toString('base64url') !== expected)
        throw new HttpError(400, 'wrong_hash', 'the token is not the body’s hash');
      await rename(`${path}.part`, path);
      const expires = Math.floor((this.#clock.now() + this.#limits.mediaMs) / 1000);
      // Clients append `&…`, so the path needs a query of its own.
      const directPath = `/v/${name}?oe=${expires.toString(16)}`;
      return { name, url: `https://${this.host}${directPath}`, directPath, sha256 };
    } catch (error) {
      await rm(`${path}.part`, { force: true });
      throw error;
    }
  }

  setFault(directPath: string, fault: MediaFault | undefined): void {
    this.#faults.set(directPath, fault);
  }

  downloads(directPath: string): number {
    return this.#downloads.get(directPath.replace(/\?.*$/s, '')) ?? 0;
  }

  async #upload(request: Request, response: Response): Promise<void> {
    const { type = '', token = '' } = request.params as { type?: string; token?: string };
    if (!TYPES.has(type)) throw new HttpError(404, 'unknown_type', 'there is no such type of media');
    if (!this.#permitted(String(request.query.auth ?? '')))
      throw new HttpError(401, 'not_permitted', 'no valid permit');
    const { name, url, directPath } = await this.put(request, token.replace(/=+$/, ''));
    response.json({ url, direct_path: directPath, handle: name, object_id: name });
  }

  /** Returns the hash of what was written. */
  async #write(bytes: FileBytes, path: string): Promise<Buffer> {
    const hash = createHash('sha256');
    const limited = this.#limited(bytes);
    const hashed = async function* (): AsyncGenerator<Uint8Array> {
      for await (const chunk of limited) {
        hash.update(chunk);
        yield chunk;
      }
    };
    await pipeline(hashed, createWriteStream(path, { mode: 0o600, highWaterMark: READ_BYTES }));
    return hash.digest();
  }

  async *#limited(bytes: FileBytes): AsyncGenerator<Uint8Array> {
    let size = 0;
    for await (const chunk of bytes) {
      size += chunk.length;
      if (size > this.#limits.mediaBytes) throw new HttpError(413, 'too_large', 'the file is too large');
      yield chunk;
    }
  }

  async #download(request: Request, response: Response): Promise<void> {
    const { name = '' } = request.params as { name?: string };
    this.#count(request);
    const found = NAME.test(name) ? await stat(this.#path(name)).catch(() => undefined) : undefined;
    if (!found) throw new HttpError(404, 'not_found', 'there is no such file');
    if (found.mtimeMs + this.#limits.mediaMs < this.#clock.now()) {
      await rm(this.#path(name), { force: true });
      throw new HttpError(410, 'expired', 'the file is not kept any more');
    }
    response.type('application/octet-stream').set('cache-control', 'private');
    const fault = this.#faults.next(request.path);
    if (fault) {
      const bytes = createReadStream(this.#path(name), { highWaterMark: READ_BYTES });
      return this.#distort(response, fault, found.size, bytes);
    }
    response.sendFile(name, { root: this.#directory, dotfiles: 'allow', cacheControl: false });
  }

  /** From the provider's host to the client, as fast as the client reads. */
  async #forward(request: Request, response: Response): Promise<void> {
    const fault = this.#faults.next(request.path);
    if (fault?.fault === 'drop') throw new HttpError(410, 'gone', 'the file is not kept any more');
    const answer = await this.proxy.ask(request, { ranges: fault === undefined });
    const length = Number(answer.headers['content-length']);
    if (length > this.#limits.mediaBytes) {
      answer.destroy();
      throw new HttpError(502, 'too_large', 'the file is too large');
    }
    this.#count(request);
    if (fault && answer.statusCode === 200 && length >= 0) return this.#distort(response, fault, length, answer);
    response.status(answer.statusCode ?? 502);
    for (const name of PASSED_BACK)
      if (answer.headers[name] !== undefined) response.set(name, String(answer.headers[name]));
    await deliver(this.#limited(answer), response);
  }

  async #distort(response: Response, fault: MediaFault, size: number, bytes: Readable): Promise<void> {
    if (fault.fault === 'drop') {
      bytes.destroy();
      throw new HttpError(410, 'gone', 'the file is not kept any more');
    }
    const distorted = this.#faults.distort(fault, size, bytes);
    if (distorted.length !== undefined) response.set('content-length', String(distorted.length));
    if (response.req.method !== 'HEAD') return deliver(distorted.bytes, response);
    bytes.destroy();
    response.end();
  }

  #count({ path, method }: Request): void {
    if (method === 'GET') this.#downloads.set(path, (this.#downloads.get(path) ?? 0) + 1);
  }

  #permitted(auth: string): boolean {
    const [expires = '', mac = ''] = auth.split('.');
    const [given, expected] = [Buffer.from(mac), Buffer.from(this.#mac(expires))];
    const genuine = given.length === expected.length && timingSafeEqual(given, expected);
    return genuine && Number(expires) * 1000 > this.#clock.now();
  }

  #mac(text: string): string {
    return createHmac('sha256', this.#secret).update(text).digest('base64url');
  }

  #path(name: string): string {
    return join(this.#directory, name);
  }
}

/** What cannot be said any more by a status is said by the end of the connection. */
async function deliver(bytes: FileBytes, response: Response): Promise<void> {
  await pipeline(Readable.from(bytes, { objectMode: false, highWaterMark: READ_BYTES }), response).catch(() =>
    response.destroy(),
  );
}
