/** Frames: three bytes of length, then that many bytes. */

import type { ByteQueue } from './byte-queue.ts';
import { NoiseError } from './error.ts';

const LENGTH_BYTES = 3;
/** Exclusive upper bound of a frame's length in bytes. */
export const FRAME_LIMIT = 1 << 24;
/** No handshake message is near this; it bounds what a stranger can make us hold. */
export const HANDSHAKE_FRAME_LIMIT = 1 << 16;

/** One contiguous buffer, so that a carrier can send the frame in one piece. Throws NoiseError `frame-too-large`. */
export function encodeFrame(payload: Uint8Array, intro: Uint8Array = new Uint8Array(0)): Uint8Array {
  if (payload.length >= FRAME_LIMIT) throw new NoiseError('frame-too-large');
  const length = Buffer.alloc(LENGTH_BYTES);
  length.writeUIntBE(payload.length, 0, LENGTH_BYTES);
  return Buffer.concat([intro, length, payload]);
}

/** Takes one frame's payload from the stream; undefined while it is incomplete. Throws NoiseError `frame-too-large`. */
export function takeFrame(queue: ByteQueue, limit: number): Uint8Array | undefined {
  const head = queue.peek(LENGTH_BYTES);
  if (head === undefined) return undefined;
  const length = Buffer.from(head).readUIntBE(0, LENGTH_BYTES);
  if (length >= limit) throw new NoiseError('frame-too-large');
  if (queue.length < LENGTH_BYTES + length) return undefined;
  queue.skip(LENGTH_BYTES);
  const payload = queue.peek(length);
  queue.skip(length);
  return payload;
}
