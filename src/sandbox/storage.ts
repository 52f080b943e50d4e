// Where files lie: below the data directory, or in a temporary one that goes with the sandbox.
import { mkdirSync, mkdtempSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export class Storage {
  /** What has been uploaded. */
  readonly blobs: string;
  /** What phones have fetched, still encrypted. */
  readonly phoneFiles: string;
  readonly #temporary: string | undefined;

  /** `directory` undefined keeps nothing beyond `close`. */
  constructor(directory: string | undefined) {
    this.#temporary = directory === undefined ? mkdtempSync(join(tmpdir(), 'sandbox-media-')) : undefined;
    const root = directory ?? this.#temporary ?? '';
    this.blobs = join(root, 'media');
    this.phoneFiles = join(root, 'phone-files');
    for (const path of [this.blobs, this.phoneFiles]) mkdirSync(path, { recursive: true, mode: 0o700 });
  }

  async close(): Promise<void> {
    if (this.#temporary !== undefined) await rm(this.#temporary, { recursive: true, force: true });
  }
}
