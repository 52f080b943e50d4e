// Encrypting a file for WhatsApp: AES-256-CBC, then the first 10 bytes of HMAC-SHA256 over iv and ciphertext.
import { createCipheriv, createHash, createHmac } from 'node:crypto';
import type { FileBytes, MediaKind, SealedFile, SealingFile } from '../../model/media.ts';
import { mediaKeys } from './keys.ts';
import { inPieces } from './pieces.ts';

export const CIPHER = 'aes-256-cbc';
const BLOCK_BYTES = 16;
export const MAC_BYTES = 10;

/** Bytes of the encrypted file, for one of `size` bytes: PKCS#7 adds 1 to 16. */
export function sealedSize(size: number): number {
  return size - (size % BLOCK_BYTES) + BLOCK_BYTES + MAC_BYTES;
}

/** Whether an encrypted file can have so many bytes. */
export function isSealedSize(bytes: number): boolean {
  return bytes >= sealedSize(0) && bytes % BLOCK_BYTES === MAC_BYTES;
}

/** See NetworkMedia.seal. */
export function seal(kind: MediaKind, mediaKey: Uint8Array, bytes: FileBytes): SealingFile {
  let sealed: SealedFile | undefined;
  async function* ciphertext(): FileBytes {
    const { iv, cipherKey, macKey } = mediaKeys(kind, mediaKey);
    const cipher = createCipheriv(CIPHER, cipherKey, iv);
    const mac = createHmac('sha256', macKey).update(iv);
    const sha256 = createHash('sha256');
    const encryptedSha256 = createHash('sha256');
    let size = 0;
    for await (const piece of inPieces(bytes)) {
      size += piece.length;
      sha256.update(piece);
      const encrypted = cipher.update(piece);
      mac.update(encrypted);
      encryptedSha256.update(encrypted);
      yield encrypted;
    }
    const last = cipher.final();
    const end = Buffer.concat([last, mac.update(last).digest().subarray(0, MAC_BYTES)]);
    sealed = { size, sha256: sha256.digest(), encryptedSha256: encryptedSha256.update(end).digest() };
    yield end;
  }
  return {
    ciphertext: ciphertext(),
    sealed: () => {
      if (sealed === undefined) throw new Error('a file was described before it was encrypted');
      return sealed;
    },
  };
}
