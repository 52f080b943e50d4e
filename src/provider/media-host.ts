// Our media host: the ciphertext of what Matrix users send, whole or not at all, within a quota, for a time.
import type { Router } from 'express';
import type { Clock } from '../model/clock.ts';
import { BridgeError } from '../model/errors.ts';
import type { AccountId } from '../model/ids.ts';
import type { FileBytes, HostedFiles, HostedName, MediaHost } from '../model/media.ts';
import { Serial } from '../model/serial.ts';
import type { Logger } from '../observability/logger.ts';
import { codeOf, HostedDirectory, isHostedName, newHostedName } from './hosted-directory.ts';
import { mediaPath, mediaRouter, type Serving } from './media-router.ts';

export interface MediaHostOptions {
  /** Made where it does not exist; nobody else may look into it. */
  readonly directory: string;
  /** No trailing slash. */
  readonly publicUrl: string;
  /** For all files together, those on their way included. */
  readonly quotaBytes: number;
  readonly keepMs: number;
  readonly files: HostedFiles;
  readonly clock: Clock;
  readonly logger: Logger;
}

export interface ServingMediaHost extends MediaHost {
  /** To be mounted at the root of `publicUrl`. */
  readonly router: Router;
}

/** WhatsApp's clients want a query in every direct path (docs/protocol.md, "Media"). */
const directPathQuery = '?v=1';

const expiredAtOnce = 100;
const namesAtOnce = 500;

/** What the operating system says where there is no room: on the disk, for this user, in one file. */
const noRoom = new Set(['ENOSPC', 'EDQUOT', 'EFBIG']);

/** Rejects with BridgeError `media.directory`. */
export async function createMediaHost(options: MediaHostOptions): Promise<ServingMediaHost> {
  return new DirectoryMediaHost(await HostedDirectory.open(options.directory), options);
}

class DirectoryMediaHost implements ServingMediaHost {
  readonly router: Router;
  readonly #directory: HostedDirectory;
  readonly #options: MediaHostOptions;
  readonly #serving: Serving = new Map();
  readonly #names = new Serial<HostedName>();
  readonly #tasks = new Serial<'admission' | 'sweep'>();
  /** Bytes of files on their way. */
  #reserved = 0;

  constructor(directory: HostedDirectory, options: MediaHostOptions) {
    this.#directory = directory;
    this.#options = options;
    this.router = mediaRouter({ ...options, directory: directory.path, serving: this.#serving });
  }

  newName(): HostedName {
    return newHostedName();
  }

  addressOf(name: HostedName): { readonly url: string; readonly directPath: string } {
    const url = `${this.#options.publicUrl}${mediaPath}/${name}`;
    return { url, directPath: `${new URL(url).pathname}${directPathQuery}` };
  }

  async put(account: AccountId, name: HostedName, expectedSize: number, ciphertext: FileBytes): Promise<void> {
    if (!isHostedName(name)) throw new BridgeError('media.refused', 'a hosted file needs a name that was made here');
    const reservation = { bytes: 0 };
    try {
      await this.#reserve(reservation, expectedSize);
      await this.#names.run(name, async () => {
        const size = await this.#directory.write(name, this.#within(reservation, ciphertext));
        await this.#record(account, name, size);
      });
    } catch (error) {
      if (noRoom.has(codeOf(error))) {
        await this.#removeExpired();
        throw full(error);
      }
      throw isSystemError(error) ? failed(error) : error;
    } finally {
      this.#reserved -= reservation.bytes;
    }
  }

  async remove(name: HostedName): Promise<void> {
    await this.#names.run(name, async () => {
      await this.#directory.remove(name);
      await this.#options.files.remove(name);
    });
  }

  endServing(account: AccountId): void {
    for (const response of this.#serving.get(account) ?? []) response.destroy();
  }

  sweep(): Promise<void> {
    return this.#tasks.run('sweep', async () => {
      const expired = await this.#removeExpired();
      const parts = await this.#directory.removeParts();
      const nameless = await this.#removeUnrecorded();
      if (expired + parts + nameless === 0) return;
      this.#options.logger.info({ expired, leftOver: parts + nameless }, 'removed hosted files');
    });
  }

  /** What turns out larger than expected has to find more room as it comes. */
  async *#within(reservation: { bytes: number }, bytes: FileBytes): FileBytes {
    let size = 0;
    for await (const chunk of bytes) {
      size += chunk.length;
      if (size > reservation.bytes) await this.#reserve(reservation, size - reservation.bytes);
      yield chunk;
    }
  }

  /** One at a time, so that two files that do not fit together do not keep each other out. */
  #reserve(reservation: { bytes: number }, bytes: number): Promise<void> {
    return this.#tasks.run('admission', async () => {
      if (!(await this.#hasRoomFor(bytes))) {
        await this.#removeExpired();
        if (!(await this.#hasRoomFor(bytes))) throw full();
      }
      this.#reserved += bytes;
      reservation.bytes += bytes;
    });
  }

  async #hasRoomFor(bytes: number): Promise<boolean> {
    const { files, quotaBytes } = this.#options;
    return (await files.total()) + this.#reserved + bytes <= quotaBytes;
  }

  async #record(account: AccountId, name: HostedName, size: number): Promise<void> {
    const { files, clock, keepMs } = this.#options;
    try {
      await files.put({ name, account, size, expiresAt: clock.now() + keepMs });
    } catch (error) {
      await this.#directory.remove(name);
      throw error;
    }
  }

  async #removeExpired(): Promise<number> {
    const { files, clock } = this.#options;
    for (let removed = 0; ; ) {
      const before = removed;
      const expired = await files.expired(clock.now(), expiredAtOnce);
      for (const { name } of expired) {
        // What is being written now gets a new time.
        if (!this.#names.isBusy(name) && (await this.#quietly(() => this.remove(name)))) removed += 1;
      }
      if (expired.length < expiredAtOnce || removed === before) return removed;
    }
  }

  async #removeUnrecorded(): Promise<number> {
    const { files } = this.#options;
    let removed = 0;
    for await (const names of this.#directory.names(namesAtOnce)) {
      const known = await files.known(names);
      for (const name of names) {
        if (known.has(name) || this.#names.isBusy(name)) continue;
        // Looked at again, alone: it may have been recorded since.
        const rubbish = async (): Promise<void> => {
          if (!(await files.known([name])).has(name)) await this.#directory.remove(name);
        };
        if (await this.#quietly(() => this.#names.run(name, rubbish))) removed += 1;
      }
    }
    return removed;
  }

  /** One file that cannot be removed does not keep the others. */
  async #quietly(work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      this.#options.logger.warn({ code: codeOf(error) }, 'a hosted file could not be removed');
      return false;
    }
  }
}

/** Of the file system; everything else is what the source threw. */
const isSystemError = (error: unknown): boolean => error instanceof Error && 'syscall' in error;

function full(cause?: unknown): BridgeError {
  return new BridgeError('media.host-full', 'the media host has no room for another file', {
    retry: 'later',
    userText: "This server's storage for files on their way to WhatsApp is full; trying again later helps.",
    cause,
  });
}

function failed(cause: unknown): BridgeError {
  return new BridgeError('media.host-failed', `the media host could not store a file (${codeOf(cause)})`, {
    retry: 'later',
    cause,
  });
}
