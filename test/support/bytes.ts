// Files as they come in tests: as one chunk, in chunks of any size, collected again.
import { createHash, randomBytes } from 'node:crypto';
import type { FileBytes } from '../../src/model/media.ts';

/** Splits `bytes` at each of `cuts`, wherever they fall; the same cut twice gives an empty chunk. */
export async function* chunked(bytes: Uint8Array, cuts: readonly number[] = []): FileBytes {
  let from = 0;
  for (const cut of [...cuts].sort((a, b) => a - b)) {
    const to = Math.min(Math.max(cut, from), bytes.length);
    yield bytes.subarray(from, to);
    from = to;
  }
  yield bytes.subarray(from);
}

export async function collect(bytes: FileBytes): Promise<Buffer> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of bytes) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** `size` bytes, the same 64 KiB again and again, without holding more than those. */
export async function* endless(size: number): FileBytes {
  const block = randomBytes(64 * 1024);
  for (let left = size; left > 0; left -= block.length) yield block.subarray(0, Math.min(left, block.length));
}

export const sha256 = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();
