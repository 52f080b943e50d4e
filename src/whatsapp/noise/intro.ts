/** What a client sends once, glued in front of its first frame: an optional edge-routing pre-header and the connection header. */

import type { ByteQueue } from './byte-queue.ts';
import { NoiseError } from './error.ts';

/** `WA`, magic value 6, token dictionary version 3. It is also the prologue of the handshake; the pre-header is not. */
export const CONNECTION_HEADER: Uint8Array = Uint8Array.of(0x57, 0x41, 6, 3);

const EDGE_ROUTING = Uint8Array.of(0x45, 0x44, 0, 1);
const PRE_HEADER_LENGTH = 7;
const MAX_ROUTING_INFO = 4096;

/** Routing info is opaque: what the server sent in `edge_routing` earlier. */
export function encodeIntro(routingInfo?: Uint8Array): Uint8Array {
  if (routingInfo === undefined) return CONNECTION_HEADER;
  const length = Buffer.alloc(3);
  length.writeUIntBE(routingInfo.length, 0, 3);
  return Buffer.concat([EDGE_ROUTING, length, routingInfo, CONNECTION_HEADER]);
}

export interface Intro {
  readonly routingInfo: Uint8Array | undefined;
}

/** Takes the intro from the stream; undefined while it is incomplete. Throws NoiseError `bad-header`. */
export function takeIntro(queue: ByteQueue): Intro | undefined {
  const start = queue.peek(4);
  if (start === undefined) return undefined;
  // Bytes 2 and 3 of the pre-header are not checked: nobody is known to vary them, and they carry nothing.
  const routed = start[0] === EDGE_ROUTING[0] && start[1] === EDGE_ROUTING[1];
  const before = routed ? queue.peek(PRE_HEADER_LENGTH) : new Uint8Array(0);
  if (before === undefined) return undefined;
  const routingLength = routed ? Buffer.from(before).readUIntBE(4, 3) : 0;
  if (routingLength > MAX_ROUTING_INFO) throw new NoiseError('bad-header');
  const headerAt = before.length + routingLength;
  const intro = queue.peek(headerAt + CONNECTION_HEADER.length);
  if (intro === undefined) return undefined;
  if (CONNECTION_HEADER.some((byte, i) => intro[headerAt + i] !== byte)) throw new NoiseError('bad-header');
  queue.skip(intro.length);
  return { routingInfo: routed ? intro.slice(before.length, headerAt) : undefined };
}
