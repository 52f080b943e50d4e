// The media store: encrypted files over HTTPS, uploaded with a permit from the chat connection, fetched by whoever knows the path.
import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { createWriteStream, mkdirSync, mkdtempSync } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import { createServer, type Server } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import express, { type Request, type Response } from 'express';
import type { Clock } from '../model/clock.ts';
import type { Logger } from '../observability/logger.ts';
import { answerErrors, HttpError } from './http-error.ts';
import type { Blobs } from './network.ts';
import type { State } from './state.ts';
import { tlsIdentity } from './tls-certificate.ts';

export interface BlobLimits {
  /** Bytes of one file. */
  readonly mediaBytes: number;
  /** How long a file is kept. */
  readonly mediaMs: number;
}

const PERMIT_SECONDS = 3_600;
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

export interface BlobStoreOptions {
  readonly state: State;
  /** Absent keeps the files in a temporary directory. */
  readonly directory: string | undefined;
  readonly limits: BlobLimits;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class BlobStore implements Blobs {
  readonly caPem: string;
  readonly server: Server;
  readonly #directory: string;
  readonly #temporary: boolean;
  readonly #secret: Uint8Array;
  readonly #limits: BlobLimits;
  readonly #clock: Clock;
  #host = '';

  constructor({ state, directory, limits, clock, logger }: BlobStoreOptions) {
    const { caPem, certPem, keyPem } = tlsIdentity(state);
    this.caPem = caPem;
    this.#temporary = directory === undefined;
    this.#directory =
      directory === undefined ? mkdtempSync(join(tmpdir(), 'sandbox-media-')) : join(directory, 'media');
    mkdirSync(this.#directory, { recursive: true, mode: 0o700 });
    this.#secret = state.setting('media-permit-secret', () => randomBytes(32));
    this.#limits = limits;
    this.#clock = clock;
    const app = express().disable('x-powered-by');
    app.post('/mms/:type/:token', (request, response) => this.#upload(request, response));
    app.get('/v/:name', (request, response) => this.#download(request, response));
    app.use(() => {
      throw new HttpError(404, 'not_found', 'there is nothing here');
    });
    app.use(answerErrors(logger));
    this.server = createServer({ cert: certPem, key: keyPem }, app);
  }

  get host(): string {
    return this.#host;
  }

  /** To be called once, when the server listens. */
  listening(port: number): void {
    this.#host = `localhost:${port}`;
  }

  permit(): { readonly auth: string; readonly seconds: number } {
    const expires = String(Math.floor(this.#clock.now() / 1000) + PERMIT_SECONDS);
    return { auth: `${expires}.${this.#mac(expires)}`, seconds: PERMIT_SECONDS };
  }

  async close(): Promise<void> {
    if (this.#temporary) await rm(this.#directory, { recursive: true, force: true });
  }

  async #upload(request: Request, response: Response): Promise<void> {
    const { type = '', token = '' } = request.params as { type?: string; token?: string };
    if (!TYPES.has(type)) throw new HttpError(404, 'unknown_type', 'there is no such type of media');
    if (!this.#permitted(String(request.query.auth ?? '')))
      throw new HttpError(401, 'not_permitted', 'no valid permit');
    const name = randomBytes(16).toString('base64url');
    const path = this.#path(name);
    try {
      const hash = await this.#receive(request, `${path}.part`);
      if (hash !== token.replace(/=+$/, '')) throw new HttpError(400, 'wrong_hash', 'the token is not the body’s hash');
      await rename(`${path}.part`, path);
    } catch (error) {
      await rm(`${path}.part`, { force: true });
      throw error;
    }
    const expires = Math.floor((this.#clock.now() + this.#limits.mediaMs) / 1000);
    // Clients append `&…`, so the path needs a query of its own.
    const directPath = `/v/${name}?oe=${expires.toString(16)}`;
    response.json({ url: `https://${this.host}${directPath}`, direct_path: directPath, handle: name, object_id: name });
  }

  /** Returns the hash of what was written, as it stands in upload addresses. */
  async #receive(request: Request, path: string): Promise<string> {
    const { mediaBytes } = this.#limits;
    const hash = createHash('sha256');
    let size = 0;
    const measure = async function* (chunks: Readable): AsyncGenerator<Buffer> {
      for await (const chunk of chunks as AsyncIterable<Buffer>) {
        size += chunk.length;
        if (size > mediaBytes) throw new HttpError(413, 'too_large', 'the file is too large');
        hash.update(chunk);
        yield chunk;
      }
    };
    await pipeline(request, measure, createWriteStream(path, { mode: 0o600 }));
    return hash.digest('base64url');
  }

  async #download(request: Request, response: Response): Promise<void> {
    const { name = '' } = request.params as { name?: string };
    const found = NAME.test(name) ? await stat(this.#path(name)).catch(() => undefined) : undefined;
    if (!found) throw new HttpError(404, 'not_found', 'there is no such file');
    if (found.mtimeMs + this.#limits.mediaMs < this.#clock.now()) {
      await rm(this.#path(name), { force: true });
      throw new HttpError(410, 'expired', 'the file is not kept any more');
    }
    response.type('application/octet-stream').set('cache-control', 'private');
    response.sendFile(name, { root: this.#directory, dotfiles: 'allow', cacheControl: false });
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
