// Parts of a file that is fetched over HTTP in several tries.
import type { FileBytes } from './media.ts';

/** The number of bytes in a header; undefined where it is none. */
export function byteCount(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** `bytes` without the first `skip` of them: a server that knows no ranges sends those again. */
export async function* without(skip: number, bytes: FileBytes): FileBytes {
  let left = skip;
  for await (const chunk of bytes) {
    const rest = chunk.subarray(left);
    left = Math.max(0, left - chunk.length);
    if (rest.length > 0) yield rest;
  }
}
