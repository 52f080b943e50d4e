// The directory of our media host: files are written under another name, and get their own once they are whole and on the disk.
import { randomBytes } from 'node:crypto';
import { mkdir, open, opendir, rename, rm, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { BridgeError } from '../model/errors.ts';
import type { FileBytes, HostedName } from '../model/media.ts';

const namePattern = /^[\w-]{32}$/;
const partPattern = /^[\w-]{32}\.[0-9a-f]{12}\.part$/;

/** 192 random bits. */
export const newHostedName = (): HostedName => randomBytes(24).toString('base64url') as HostedName;

export const isHostedName = (text: string): text is HostedName => namePattern.test(text);

export class HostedDirectory {
  readonly path: string;
  readonly #writing = new Set<string>();

  private constructor(path: string) {
    this.path = path;
  }

  /** Makes the directory where there is none. Throws BridgeError `media.directory` where it cannot be used or others may look into it. */
  static async open(path: string): Promise<HostedDirectory> {
    const refuse = (why: string, cause?: unknown) =>
      new BridgeError('media.directory', `${path}: ${why}`, { retry: 'after-action', cause });
    let mode: number;
    try {
      await mkdir(path, { recursive: true, mode: 0o700 });
      mode = (await stat(path)).mode & 0o777;
    } catch (cause) {
      throw refuse(`the directory for hosted files cannot be used (${codeOf(cause)})`, cause);
    }
    if ((mode & 0o077) !== 0) throw refuse(`found mode 0${mode.toString(8)}, allowed: 0700 or less; use chmod 700`);
    return new HostedDirectory(path);
  }

  /** All of `bytes` under `name`, in place of what was there, or nothing. Returns their number once they are on the disk. */
  async write(name: HostedName, bytes: FileBytes): Promise<number> {
    const part = `${name}.${randomBytes(6).toString('hex')}.part`;
    const path = join(this.path, part);
    this.#writing.add(part);
    try {
      const size = await writeDurably(path, bytes);
      await rename(path, join(this.path, name));
      await this.#sync();
      return size;
    } catch (error) {
      await rm(path, { force: true });
      throw error;
    } finally {
      this.#writing.delete(part);
    }
  }

  /** Also where there is none. */
  async remove(name: HostedName): Promise<void> {
    await rm(join(this.path, name), { force: true });
  }

  /** Removes what a crash has left of files that were being written; returns how many. Other people's files stay. */
  async removeParts(): Promise<number> {
    let removed = 0;
    for await (const { name } of await opendir(this.path)) {
      if (!partPattern.test(name) || this.#writing.has(name)) continue;
      await rm(join(this.path, name), { force: true });
      removed += 1;
    }
    return removed;
  }

  /** The names of all whole files, in groups of at most `size`. */
  async *names(size: number): AsyncGenerator<readonly HostedName[]> {
    let group: HostedName[] = [];
    for await (const { name } of await opendir(this.path)) {
      if (!isHostedName(name)) continue;
      group.push(name);
      if (group.length < size) continue;
      yield group;
      group = [];
    }
    if (group.length > 0) yield group;
  }

  async #sync(): Promise<void> {
    const handle = await open(this.path, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }
}

async function writeDurably(path: string, bytes: FileBytes): Promise<number> {
  const handle = await open(path, 'wx', 0o600);
  try {
    await writeFile(handle, bytes);
    await handle.sync();
    return (await handle.stat()).size;
  } finally {
    await handle.close();
  }
}

/** Of an error of the operating system. */
export function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown';
}
