// Files come in chunks of any size, one byte or a hundred megabytes. What is done for each chunk wants something in between.
import { setImmediate } from 'node:timers/promises';
import type { FileBytes } from '../../model/media.ts';

const LARGEST_PIECE = 32 * 1024;
/** Chunks from this size on are passed as they are, smaller ones are gathered. */
const SMALLEST_PIECE = 16 * 1024;

/**
 * The same bytes in pieces of 16 to 32 KiB; the last may have less, none is empty. After each of them everything else in the process gets
 * its turn: what is done with a piece is computation.
 */
export async function* inPieces(bytes: FileBytes): FileBytes {
  const gathering = new Gathering();
  for await (const chunk of bytes) {
    let rest = chunk;
    while (rest.length > 0) {
      const whole = gathering.length === 0 && rest.length >= SMALLEST_PIECE;
      const piece = rest.subarray(0, LARGEST_PIECE - gathering.length);
      rest = rest.subarray(piece.length);
      if (!whole) gathering.add(piece);
      if (!whole && gathering.length < SMALLEST_PIECE) continue;
      yield whole ? piece : gathering.take();
      await setImmediate();
    }
  }
  if (gathering.length > 0) yield gathering.take();
}

class Gathering {
  #buffer = Buffer.alloc(0);
  length = 0;

  add(bytes: Uint8Array): void {
    if (this.length === 0) this.#buffer = Buffer.allocUnsafe(LARGEST_PIECE);
    this.#buffer.set(bytes, this.length);
    this.length += bytes.length;
  }

  take(): Uint8Array {
    const taken = this.#buffer.subarray(0, this.length);
    this.length = 0;
    return taken;
  }
}
