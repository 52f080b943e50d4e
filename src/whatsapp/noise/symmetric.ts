/**
 * The symmetric state of Noise_XX_25519_AESGCM_SHA256 as WhatsApp drives it: like the Noise specification, except that
 * the empty payload of the first message is not hashed (docs/protocol.md).
 */

import { createHash, hkdfSync } from 'node:crypto';
import { CounterCipher } from './cipher.ts';
import { CONNECTION_HEADER } from './intro.ts';

/** Exactly 32 bytes, so it is the initial hash itself. */
const PROTOCOL_NAME = Buffer.from('Noise_XX_25519_AESGCM_SHA256\0\0\0\0', 'latin1');

export class SymmetricState {
  #hash: Uint8Array = PROTOCOL_NAME;
  #chainingKey: Uint8Array = PROTOCOL_NAME;
  #cipher = new CounterCipher(PROTOCOL_NAME);

  constructor() {
    this.mixHash(CONNECTION_HEADER);
  }

  mixHash(data: Uint8Array): void {
    this.#hash = createHash('sha256').update(this.#hash).update(data).digest();
  }

  mixKey(secret: Uint8Array): void {
    const [chainingKey, key] = this.#derive(secret);
    this.#chainingKey = chainingKey;
    this.#cipher = new CounterCipher(key);
  }

  encrypt(plaintext: Uint8Array): Uint8Array {
    const sealed = this.#cipher.encrypt(plaintext, this.#hash);
    this.mixHash(sealed);
    return sealed;
  }

  /** Throws NoiseError `decrypt-failed`. */
  decrypt(sealed: Uint8Array): Uint8Array {
    const plaintext = this.#cipher.decrypt(sealed, this.#hash);
    this.mixHash(sealed);
    return plaintext;
  }

  /** The two transport ciphers: the initiator's outgoing direction first. */
  split(): readonly [CounterCipher, CounterCipher] {
    const [first, second] = this.#derive(new Uint8Array(0));
    return [new CounterCipher(first), new CounterCipher(second)];
  }

  #derive(secret: Uint8Array): readonly [Uint8Array, Uint8Array] {
    const output = Buffer.from(hkdfSync('sha256', secret, this.#chainingKey, '', 64));
    return [output.subarray(0, 32), output.subarray(32)];
  }
}
