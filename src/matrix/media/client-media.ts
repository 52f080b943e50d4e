// Files on the homeserver: the port `MatrixMedia` on HTTP.
import { type Clock, systemClock } from '../../model/clock.ts';
import type { Actor } from '../../model/contact.ts';
import type { FileBytes, MatrixFile, MatrixMedia, MediaUri, OpenedFile, TransferOptions } from '../../model/media.ts';
import { tooLarge } from '../../model/media-errors.ts';
import { type ClientApi, isError } from '../client-api.ts';
import { request } from '../client-request.ts';
import { decryptAttachment, encryptAttachment } from './attachment.ts';
import { download } from './download.ts';
import { defaultPatience, type Patience } from './exchange.ts';
import { upload } from './upload.ts';

/** Of attachments: nothing that the homeserver learns of a file says what it is. */
const opaque = 'application/octet-stream';
const limitLifetimeMs = 10 * 60_000;

export interface ClientMediaOptions {
  readonly api: ClientApi;
  readonly clock?: Clock;
  readonly patience?: Patience;
}

export class ClientMedia implements MatrixMedia {
  readonly #api: ClientApi;
  readonly #clock: Clock;
  readonly #patience: Patience;
  #limit: { readonly until: number; readonly value: Promise<number | undefined> } | undefined;

  constructor({ api, clock = systemClock, patience = defaultPatience }: ClientMediaOptions) {
    this.#api = api;
    this.#clock = clock;
    this.#patience = patience;
  }

  uploadLimit(): Promise<number | undefined> {
    const now = this.#clock.elapsed();
    if (this.#limit !== undefined && now < this.#limit.until) return this.#limit.value;
    const value = this.#askForLimit();
    this.#limit = { until: now + limitLifetimeMs, value };
    value.catch(() => {
      this.#limit = undefined;
    });
    return value;
  }

  async upload(actor: Actor, size: number, bytes: FileBytes, signal: AbortSignal): Promise<MatrixFile> {
    const { ciphertext, secrets } = encryptAttachment(bytes);
    const url = await this.#upload(actor, { contentType: opaque, size, bytes: ciphertext, signal });
    return { url, ...secrets() };
  }

  uploadPublic(actor: Actor, bytes: Uint8Array, contentType: string): Promise<MediaUri> {
    const { signal } = new AbortController();
    return this.#upload(actor, { contentType, size: bytes.length, bytes: oneChunk(bytes), signal });
  }

  async open(actor: Actor, file: MatrixFile, options: TransferOptions): Promise<OpenedFile> {
    const { size, bytes } = await this.openPublic(actor, file.url, options);
    return { size, bytes: decryptAttachment(file, bytes) };
  }

  openPublic(actor: Actor, uri: MediaUri, options: TransferOptions): Promise<OpenedFile> {
    return download({ api: this.#api, clock: this.#clock, patience: this.#patience }, actor, uri, options);
  }

  /** Asks first: a server that refuses a size may do so by closing the connection, which looks like an accident (Synapse does). */
  async #upload(actor: Actor, file: Parameters<typeof upload>[2]): Promise<MediaUri> {
    const limit = await this.uploadLimit().catch(() => undefined);
    if (limit !== undefined && file.size > limit) throw tooLarge(file.size, limit);
    return upload(this.#api, actor, file, this.#patience);
  }

  async #askForLimit(): Promise<number | undefined> {
    const current = this.#api.asService(request('GET /_matrix/client/v1/media/config', {}));
    const answer = await current.catch((error: unknown) => {
      // A proxy that does not pass this path may answer without a code of Matrix, like one that has not reached the server.
      if (!isError(error, 'matrix.unrecognised', 'matrix.not-found', 'matrix.no-homeserver')) throw error;
      return this.#api.asService(request('GET /_matrix/media/v3/config', {}));
    });
    const limit = answer['m.upload.size'];
    return typeof limit === 'number' && limit >= 0 ? limit : undefined;
  }
}

async function* oneChunk(bytes: Uint8Array): FileBytes {
  yield bytes;
}
