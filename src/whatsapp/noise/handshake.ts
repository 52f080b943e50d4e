/** The parts that both sides of the handshake share. */

import { decodeProto, ProtoError } from '../../proto/decode.ts';
import { type HandshakeMessage, HandshakeMessageSchema } from '../../proto/wire_pb.ts';
import { NoiseError } from './error.ts';

/** Throws NoiseError `bad-handshake-message`. */
export function decodeHandshake(bytes: Uint8Array): HandshakeMessage {
  try {
    return decodeProto(HandshakeMessageSchema, bytes);
  } catch (error) {
    throw error instanceof ProtoError ? new NoiseError('bad-handshake-message', error) : error;
  }
}

export function required<T>(part: T | undefined): T {
  if (part === undefined) throw new NoiseError('bad-handshake-message');
  return part;
}
