// The files of a phone's messages: sent ones are encrypted and uploaded, received ones fetched and verified, beside everything else
// that the phone does. On disk they are as encrypted as they travel.
import { randomBytes } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../model/clock.ts';
import { errorCode } from '../model/errors.ts';
import type { Logger } from '../observability/logger.ts';
import {
  decrypting,
  encrypting,
  type FileBytes,
  type FileFacts,
  type FileKind,
  FlawError,
  MAC_BYTES,
} from './media-cipher.ts';
import { FetchError, fetchFile, gathered } from './media-fetch.ts';
import { fileOf, type MessageFile, relocated } from './message-content.ts';
import type { Blobs } from './network.ts';
import type { FileLocation } from './phone-file-messages.ts';
import type { Entry, PhoneJournal } from './phone-journal.ts';
import type { State } from './state.ts';

/** Where a file that the phone sends comes from, and where it is read again if the network has lost it. */
export type FileSource = { readonly path: string } | { readonly bytes: Uint8Array };

/** What is wrong on purpose with a file that is sent. */
export type Forgery = 'hash' | 'encrypted-hash' | 'mac' | 'size';

export interface FileState {
  readonly state: 'fetching' | 'verified' | 'failed';
  readonly error: string | undefined;
}

interface FileRow {
  readonly message: number;
  readonly state: FileState['state'];
  readonly error: string | null;
  readonly source_path: string | null;
  readonly source_bytes: Buffer | null;
}

export interface PhoneFilesOptions {
  readonly state: State;
  readonly blobs: Blobs;
  readonly journal: PhoneJournal;
  readonly account: number;
  /** Where fetched files are kept. */
  readonly directory: string;
  readonly clock: Clock;
  readonly logger: Logger;
}

const READ_BYTES = 64 << 10;
const MAX_FETCHES = 8;
const MAX_ATTEMPTS = 20;
const FIRST_PAUSE_MS = 200;
const LONGEST_PAUSE_MS = 5_000;

export class PhoneFiles {
  readonly #state: State;
  readonly #blobs: Blobs;
  readonly #journal: PhoneJournal;
  readonly #account: number;
  readonly #directory: string;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #fetches = new Map<number, Promise<void>>();
  /** Undefined while nothing may be fetched. */
  #online: AbortController | undefined;

  constructor({ state, blobs, journal, account, directory, clock, logger }: PhoneFilesOptions) {
    this.#state = state;
    this.#blobs = blobs;
    this.#journal = journal;
    this.#account = account;
    this.#directory = directory;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Encrypts and uploads. Rejects with HttpError 413, or with what reading the source throws. */
  async upload(kind: FileKind, source: FileSource, forgery?: Forgery): Promise<FileLocation> {
    const mediaKey = randomBytes(32);
    const { ciphertext, facts } = encrypting(kind, mediaKey, read(source));
    const stored = await this.#blobs.put(forgery === 'mac' ? otherMac(ciphertext) : ciphertext);
    const { url, directPath, sha256: encryptedSha256 } = stored;
    const told = forged({ ...facts(), encryptedSha256 }, forgery);
    return { ...told, url, directPath, mediaKey, encryptedAt: this.#clock.now() };
  }

  /** Notes, in the transaction that adds a received message, that its file is to be fetched. */
  expect(message: number, payload: Uint8Array): void {
    if (!fileOf(payload)) return;
    this.#state.run("INSERT INTO phone_file (message, state) VALUES (?, 'fetching')", message);
  }

  /** Notes, in the transaction that adds a message of one's own, where its file came from. */
  keep(message: number, source: FileSource): void {
    const [path, bytes] = 'path' in source ? [source.path, null] : [null, source.bytes];
    const sql = "INSERT INTO phone_file (message, state, source_path, source_bytes) VALUES (?, 'verified', ?, ?)";
    this.#state.run(sql, message, path, bytes);
  }

  stateOf(message: number): FileState | undefined {
    const row = this.#row(message);
    return row && { state: row.state, error: row.error ?? undefined };
  }

  /** Starts to fetch what is to be fetched, so many at a time, until `stop`. */
  start(): void {
    this.#online ??= new AbortController();
    const { signal } = this.#online;
    const sql = `SELECT message FROM phone_file JOIN phone_message ON seq = message
                 WHERE account = ? AND state = 'fetching' ORDER BY message LIMIT ?`;
    for (const { message } of this.#state.rows<{ message: number }>(sql, this.#account, MAX_FETCHES)) {
      if (this.#fetches.has(message) || this.#fetches.size >= MAX_FETCHES) continue;
      const fetching = this.#fetch(message, signal)
        .catch((error: unknown) => {
          this.#logger.warn({ err: error, code: errorCode(error) }, 'a phone could not fetch a file');
          if (!signal.aborted) this.#settle(message, 'failed', 'internal');
        })
        .finally(() => {
          this.#fetches.delete(message);
          if (!signal.aborted) this.start();
        });
      this.#fetches.set(message, fetching);
    }
  }

  async stop(): Promise<void> {
    this.#online?.abort();
    this.#online = undefined;
    await Promise.all(this.#fetches.values());
  }

  /** As a person taps on a file that did not come. False if there is none to fetch. */
  fetchAgain(message: number): boolean {
    const sql = "UPDATE phone_file SET state = 'fetching', error = NULL WHERE message = ? AND state = 'failed'";
    if (this.#state.run(sql, message).changes === 0) return false;
    if (this.#online) this.start();
    return true;
  }

  /** The decrypted file; undefined while it is not here. The bytes may end with FlawError or a file system's error. */
  open({ seq, payload }: Entry): FileBytes | undefined {
    const [row, file] = [this.#row(seq), fileOf(payload)];
    if (row?.state !== 'verified' || !file) return undefined;
    const source = sourceOf(row);
    return source ? read(source) : decrypting(file, this.#stored(seq));
  }

  /** Uploads the same encrypted file once more; the message names the new address from then on. Undefined if the phone does not have it. */
  async uploadAgain({ seq, payload }: Entry): Promise<string | undefined> {
    const [row, file] = [this.#row(seq), fileOf(payload)];
    if (row?.state !== 'verified' || !file) return undefined;
    const source = sourceOf(row);
    const ciphertext = source ? encrypting(file.kind, file.mediaKey, read(source)).ciphertext : this.#stored(seq);
    const expected = Buffer.from(file.encryptedSha256).toString('base64url');
    const stored = await this.#blobs.put(ciphertext, expected).catch(() => undefined);
    if (!stored) return undefined;
    this.#journal.replacePayload(seq, relocated(payload, stored));
    return stored.directPath;
  }

  async #fetch(message: number, signal: AbortSignal): Promise<void> {
    const entry = this.#journal.bySeq(message);
    const file = entry && fileOf(entry.payload);
    if (!file?.path?.startsWith('/')) return this.#settle(message, 'failed', 'no_address');
    for (let attempt = 1; !signal.aborted; attempt += 1) {
      const error = await this.#attempt(message, file, file.path, signal).catch((thrown: unknown) => failureOf(thrown));
      if (signal.aborted) return;
      if (error === undefined) return this.#settle(message, 'verified');
      if (error !== 'unavailable' || attempt === MAX_ATTEMPTS) return this.#settle(message, 'failed', error);
      await this.#clock.sleep(Math.min(FIRST_PAUSE_MS * 2 ** (attempt - 1), LONGEST_PAUSE_MS), signal);
    }
  }

  /** Fetches to a file of its own, reading along whether it is the right one. */
  async #attempt(message: number, file: MessageFile, path: string, signal: AbortSignal): Promise<undefined> {
    const part = `${this.#path(message)}.part`;
    try {
      const answer = await fetchFile(this.#blobs.innerUrl, asClientsAsk(path, file), signal);
      for await (const _chunk of decrypting(file, copied(gathered(answer, READ_BYTES), part)));
      await rename(part, this.#path(message));
      return undefined;
    } finally {
      await rm(part, { force: true });
    }
  }

  #settle(message: number, state: 'verified' | 'failed', error?: string): void {
    this.#state.run('UPDATE phone_file SET state = ?, error = ? WHERE message = ?', state, error ?? null, message);
    this.#journal.changes.changed();
  }

  #stored(message: number): FileBytes {
    return createReadStream(this.#path(message), { highWaterMark: READ_BYTES });
  }

  #row(message: number): FileRow | undefined {
    return this.#state.row<FileRow>('SELECT * FROM phone_file WHERE message = ?', message);
  }

  #path(message: number): string {
    return join(this.#directory, String(message));
  }
}

function sourceOf({ source_path, source_bytes }: FileRow): FileSource | undefined {
  if (source_path !== null) return { path: source_path };
  return source_bytes === null ? undefined : { bytes: source_bytes };
}

async function* read(source: FileSource): AsyncGenerator<Uint8Array> {
  if ('bytes' in source) yield source.bytes;
  else yield* createReadStream(source.path, { highWaterMark: READ_BYTES }) as AsyncIterable<Buffer>;
}

async function* copied(bytes: FileBytes, path: string): AsyncGenerator<Uint8Array> {
  const file = await open(path, 'w', 0o600);
  try {
    for await (const chunk of bytes) {
      await file.writeFile(chunk);
      yield chunk;
    }
  } finally {
    await file.close();
  }
}

/** The address with what WhatsApp's clients append to it; it must have a query already. */
function asClientsAsk(path: string, { kind, encryptedSha256 }: MessageFile): string {
  const hash = Buffer.from(encryptedSha256).toString('base64url');
  return `${path}&hash=${hash}&mms-type=${kind === 'sticker' ? 'image' : kind}&__wa-mms=`;
}

/** As it is shown. A connection that breaks, at whatever point, is worth another try. */
function failureOf(error: unknown): string {
  if (error instanceof FlawError) return error.flaw;
  return error instanceof FetchError ? error.failure : 'unavailable';
}

/** Only the MAC's part has its length. */
async function* otherMac(ciphertext: FileBytes): AsyncGenerator<Uint8Array> {
  for await (const part of ciphertext) yield part.length === MAC_BYTES ? part.map((byte) => byte ^ 1) : part;
}

function forged(facts: FileFacts, forgery: Forgery | undefined): FileFacts {
  switch (forgery) {
    case 'hash':
      return { ...facts, sha256: randomBytes(32) };
    case 'encrypted-hash':
      return { ...facts, encryptedSha256: randomBytes(32) };
    case 'size':
      return { ...facts, size: facts.size + 1 };
    default:
      return facts;
  }
}
