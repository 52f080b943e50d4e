// What stands in files: for tests that look for what must not be there.
import { readdir, readFile, readlink } from 'node:fs/promises';
import { join } from 'node:path';

export async function filesBelow(directory: string): Promise<string[]> {
  const found: string[] = [];
  for (const entry of await readdir(directory, { withFileTypes: true }).catch(() => [])) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) found.push(...(await filesBelow(path)));
    else if (entry.isFile()) found.push(path);
  }
  return found;
}

/** The files that hold one of `texts`, plainly or in the encodings in which content travels. */
export async function filesWith(files: readonly string[], texts: readonly string[]): Promise<string[]> {
  const needles = texts.flatMap((text) => [
    Buffer.from(text),
    Buffer.from(text, 'utf16le'),
    Buffer.from(Buffer.from(text).toString('hex')),
    // Base64 of the text at each of the three offsets at which it may start.
    ...[0, 1, 2].map((offset) =>
      Buffer.from(
        Buffer.from(' '.repeat(offset) + text)
          .toString('base64')
          .slice(offset === 0 ? 0 : 4, -4),
      ),
    ),
  ]);
  const hits: string[] = [];
  for (const file of files) {
    const content = await readFile(file).catch(() => Buffer.alloc(0));
    if (needles.some((needle) => content.includes(needle))) hits.push(file);
  }
  return hits;
}

/** Regular files that the process has open for writing, native code included. */
export async function openForWriting(pid: number): Promise<string[]> {
  const found: string[] = [];
  for (const fd of await readdir(`/proc/${pid}/fd`)) {
    const path = await readlink(`/proc/${pid}/fd/${fd}`).catch(() => '');
    const info = await readFile(`/proc/${pid}/fdinfo/${fd}`, 'utf8').catch(() => '');
    const isWriting = (Number.parseInt(/^flags:\s*(\d+)/m.exec(info)?.[1] ?? '0', 8) & 3) !== 0;
    if (isWriting && /^\/(?!dev\/(?!shm\/))/.test(path)) found.push(path);
  }
  return found;
}
