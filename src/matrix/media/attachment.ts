// Encrypted attachments (Matrix spec, "Sending encrypted attachments", version v2), chunk by chunk: AES-256-CTR, SHA-256 of the ciphertext.
import { createCipheriv, createDecipheriv, createHash, randomBytes } from 'node:crypto';
import type { FileBytes, MatrixFile } from '../../model/media.ts';
import { corrupt } from '../../model/media-errors.ts';
import { madeForPassing } from '../../model/passing-bytes.ts';

const algorithm = 'aes-256-ctr';
const keyBytes = 32;
const ivBytes = 16;
const hashBytes = 32;

/** What a message has to say of its attachment, besides where it is. */
export type AttachmentSecrets = Omit<MatrixFile, 'url'>;

export interface EncryptingAttachment {
  /** As long as the file itself. Can be read once. */
  readonly ciphertext: FileBytes;
  /** Once `ciphertext` has been read to its end; throws before. */
  secrets(): AttachmentSecrets;
}

/** Encrypts as it is read, with fresh keys. The counter, the last 8 bytes of the iv, starts at zero, so that it cannot overflow. */
export function encryptAttachment(bytes: FileBytes): EncryptingAttachment {
  const key = randomBytes(keyBytes);
  const iv = Buffer.concat([randomBytes(8)], ivBytes);
  const hash = createHash('sha256');
  let encryptedSha256: Buffer | undefined;
  async function* ciphertext(): FileBytes {
    const cipher = createCipheriv(algorithm, key, iv);
    for await (const chunk of bytes) {
      const encrypted = cipher.update(chunk);
      hash.update(encrypted);
      madeForPassing(encrypted.length);
      yield encrypted;
    }
    encryptedSha256 = hash.digest();
  }
  return {
    ciphertext: ciphertext(),
    secrets: () => {
      if (encryptedSha256 === undefined) throw new Error('an attachment was described before it was encrypted');
      return { key, iv, encryptedSha256 };
    },
  };
}

/** Decrypts as it is read. Ends only if the hash fits; throws BridgeError `media.corrupt` otherwise. */
export async function* decryptAttachment(secrets: AttachmentSecrets, ciphertext: FileBytes): FileBytes {
  const { key, iv, encryptedSha256 } = secrets;
  if (key.length !== keyBytes || iv.length !== ivBytes || encryptedSha256.length !== hashBytes) {
    throw corrupt('its key, iv or hash has the wrong length');
  }
  const decipher = createDecipheriv(algorithm, key, iv);
  const hash = createHash('sha256');
  for await (const chunk of ciphertext) {
    hash.update(chunk);
    const decrypted = decipher.update(chunk);
    madeForPassing(decrypted.length);
    yield decrypted;
  }
  if (!hash.digest().equals(encryptedSha256)) throw corrupt('its hash does not fit');
}
