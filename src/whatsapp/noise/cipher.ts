/** AES-256-GCM under a counter: one key and one counter for one direction. */

import { createCipheriv, createDecipheriv, createSecretKey, type KeyObject } from 'node:crypto';
import { NoiseError } from './error.ts';

export const TAG_LENGTH = 16;
const EMPTY = new Uint8Array(0);

export class CounterCipher {
  readonly #key: KeyObject;
  #counter = 0;

  constructor(key: Uint8Array) {
    // Taken in once: Node takes three times as long over a key that comes as bytes each time.
    this.#key = createSecretKey(key);
  }

  /** Returns the ciphertext and its 16-byte tag. */
  encrypt(plaintext: Uint8Array, associated: Uint8Array = EMPTY): Uint8Array {
    const cipher = createCipheriv('aes-256-gcm', this.#key, this.#nextIv());
    cipher.setAAD(associated);
    return Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  }

  /** Throws NoiseError `decrypt-failed`. The counter advances all the same. */
  decrypt(sealed: Uint8Array, associated: Uint8Array = EMPTY): Uint8Array {
    const iv = this.#nextIv();
    if (sealed.length < TAG_LENGTH) throw new NoiseError('decrypt-failed');
    const split = sealed.length - TAG_LENGTH;
    const decipher = createDecipheriv('aes-256-gcm', this.#key, iv, { authTagLength: TAG_LENGTH });
    decipher.setAAD(associated);
    decipher.setAuthTag(sealed.subarray(split));
    const plaintext = decipher.update(sealed.subarray(0, split));
    try {
      return Buffer.concat([plaintext, decipher.final()]);
    } catch (error) {
      throw new NoiseError('decrypt-failed', error);
    }
  }

  /** 8 zero bytes and a 32-bit counter. A repeated IV would give the key away, so the counter never wraps. */
  #nextIv(): Uint8Array {
    if (this.#counter > 0xffffffff) throw new NoiseError('counter-exhausted');
    const iv = Buffer.alloc(12);
    iv.writeUInt32BE(this.#counter++, 8);
    return iv;
  }
}

/** One side's two directions after the handshake. */
export interface TransportCiphers {
  readonly outgoing: CounterCipher;
  readonly incoming: CounterCipher;
}
