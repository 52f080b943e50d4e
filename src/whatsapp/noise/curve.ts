/** X25519 keys, and XEdDSA signatures with them (docs/protocol.md). */

import { PrivateKey, PublicKey } from '@signalapp/libsignal-client';
import { NoiseError } from './error.ts';

export const KEY_LENGTH = 32;
export const SIGNATURE_LENGTH = 64;

/** Both halves are the raw 32 bytes. */
export interface CurveKeyPair {
  readonly publicKey: Uint8Array;
  readonly privateKey: Uint8Array;
}

export function generateKeyPair(): CurveKeyPair {
  const key = PrivateKey.generate();
  return { publicKey: key.getPublicKey().getPublicKeyBytes(), privateKey: key.serialize() };
}

/** X25519. Throws NoiseError `bad-key` for keys of a wrong length, and for points that would give a known secret. */
export function agree(privateKey: Uint8Array, publicKey: Uint8Array): Uint8Array {
  if (publicKey.length !== KEY_LENGTH) throw new NoiseError('bad-key');
  const secret = PrivateKey.deserialize(Buffer.from(privateKey)).agree(readPublicKey(publicKey));
  if (secret.every((byte) => byte === 0)) throw new NoiseError('bad-key');
  return secret;
}

export function sign(privateKey: Uint8Array, message: Uint8Array): Uint8Array {
  return PrivateKey.deserialize(Buffer.from(privateKey)).sign(Buffer.from(message));
}

export function verify(publicKey: Uint8Array, message: Uint8Array, signature: Uint8Array): boolean {
  if (publicKey.length !== KEY_LENGTH || signature.length !== SIGNATURE_LENGTH) return false;
  return readPublicKey(publicKey).verify(Buffer.from(message), Buffer.from(signature));
}

/** libsignal puts a type byte in front of the 32 bytes. */
function readPublicKey(raw: Uint8Array): PublicKey {
  return PublicKey.deserialize(Buffer.concat([Uint8Array.of(0x05), raw]));
}
