// Files that arrive otherwise than they were uploaded: gone, damaged, cut off, slow, or longer than anybody can want.
import { z } from 'zod';
import type { Clock } from '../model/clock.ts';
import type { FileBytes } from './media-cipher.ts';

export const mediaFaultSchema = z.discriminatedUnion('fault', [
  /** 410 from now on. */
  z.object({ fault: z.literal('drop') }),
  /** One bit in the middle is flipped. */
  z.object({ fault: z.literal('corrupt') }),
  /** Only the first half, as if that were all. */
  z.object({ fault: z.literal('truncate') }),
  /** One bit of the MAC is flipped, which is the file's end. */
  z.object({ fault: z.literal('wrong-mac') }),
  /** The connection breaks, once. */
  z.object({ fault: z.literal('cut'), afterBytes: z.int().min(0) }),
  z.object({ fault: z.literal('slow'), bytesPerSecond: z.int().min(1) }),
  /** 10 GB are announced, and sent. */
  z.object({ fault: z.literal('huge-length') }),
  /** No length is announced, and no end comes. */
  z.object({ fault: z.literal('endless') }),
]);
export type MediaFault = z.output<typeof mediaFaultSchema>;

/** What is sent in place of a file. */
export interface Distorted {
  /** Undefined announces no length. */
  readonly length: number | undefined;
  readonly bytes: FileBytes;
}

const HUGE_BYTES = 10_000_000_000;
const FILLING = Buffer.alloc(64 << 10);
const SLICE_MS = 100;

export class MediaFaults {
  readonly #clock: Clock;
  /** By the path of the address, without query. */
  readonly #faults = new Map<string, MediaFault>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Undefined makes the file arrive as it is. */
  set(directPath: string, fault: MediaFault | undefined): void {
    if (fault) this.#faults.set(pathOnly(directPath), fault);
    else this.#faults.delete(pathOnly(directPath));
  }

  /** What happens to the file now, if anything. */
  next(directPath: string): MediaFault | undefined {
    const fault = this.#faults.get(pathOnly(directPath));
    if (fault?.fault === 'cut') this.#faults.delete(pathOnly(directPath));
    return fault;
  }

  distort(fault: Exclude<MediaFault, { readonly fault: 'drop' }>, size: number, bytes: FileBytes): Distorted {
    switch (fault.fault) {
      case 'corrupt':
        return { length: size, bytes: flipped(bytes, Math.floor(size / 2)) };
      case 'wrong-mac':
        return { length: size, bytes: flipped(bytes, size - 1) };
      case 'truncate': {
        const length = Math.floor(size / 2);
        return { length, bytes: until(bytes, length) };
      }
      case 'cut':
        return { length: size, bytes: broken(until(bytes, Math.min(fault.afterBytes, size - 1))) };
      case 'slow':
        return { length: size, bytes: this.#slowed(bytes, fault.bytesPerSecond) };
      case 'huge-length':
        return { length: HUGE_BYTES, bytes: until(continued(bytes), HUGE_BYTES) };
      case 'endless':
        return { length: undefined, bytes: continued(bytes) };
    }
  }

  async *#slowed(bytes: FileBytes, bytesPerSecond: number): AsyncGenerator<Uint8Array> {
    const slice = Math.max(1, Math.floor((bytesPerSecond * SLICE_MS) / 1000));
    const pause = (slice * 1000) / bytesPerSecond;
    for await (const chunk of bytes) {
      for (let start = 0; start < chunk.length; start += slice) {
        yield chunk.subarray(start, start + slice);
        await this.#clock.sleep(pause);
      }
    }
  }
}

const pathOnly = (directPath: string): string => directPath.replace(/[?#].*$/s, '');

async function* flipped(bytes: FileBytes, position: number): AsyncGenerator<Uint8Array> {
  let start = 0;
  for await (const chunk of bytes) {
    const at = position - start;
    start += chunk.length;
    const damaged = at >= 0 && at < chunk.length ? Buffer.from(chunk) : chunk;
    if (damaged !== chunk) damaged[at] = (damaged[at] ?? 0) ^ 1;
    yield damaged;
  }
}

async function* until(bytes: FileBytes, length: number): AsyncGenerator<Uint8Array> {
  let left = length;
  for await (const chunk of bytes) {
    yield chunk.subarray(0, left);
    left -= chunk.length;
    if (left <= 0) return;
  }
}

async function* broken(bytes: FileBytes): AsyncGenerator<Uint8Array> {
  yield* bytes;
  throw new Error('the connection breaks here');
}

async function* continued(bytes: FileBytes): AsyncGenerator<Uint8Array> {
  yield* bytes;
  for (;;) yield FILLING;
}
