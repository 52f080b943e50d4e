// Padding of Signal plaintexts: n bytes of value n, n = 1..16, whichever session type carries them (docs/protocol.md).
import { randomInt } from 'node:crypto';
import { BridgeError } from '../../model/errors.ts';

const MAX_PADDING = 16;

export function pad(plaintext: Uint8Array): Uint8Array {
  const length = randomInt(1, MAX_PADDING + 1);
  const padded = new Uint8Array(plaintext.length + length).fill(length);
  padded.set(plaintext);
  return padded;
}

/** Throws BridgeError `signal.padding` unless the padding is exactly as its last byte says. */
export function unpad(padded: Uint8Array): Uint8Array {
  const length = padded.at(-1) ?? 0;
  const end = padded.length - length;
  if (length < 1 || length > MAX_PADDING || end < 0 || padded.subarray(end).some((byte) => byte !== length)) {
    throw new BridgeError('signal.padding', 'the plaintext is not padded as it must be');
  }
  return padded.slice(0, end);
}
