// Decrypting a file of WhatsApp's. Nothing of it is true before the end: there the MAC and both hashes are compared.
import { createDecipheriv, createHash, createHmac, timingSafeEqual } from 'node:crypto';
import type { FileBytes, NetworkFile } from '../../model/media.ts';
import { corrupt } from '../../model/media-errors.ts';
import { madeForPassing } from '../../model/passing-bytes.ts';
import { mediaKeys } from './keys.ts';
import { inPieces } from './pieces.ts';
import { CIPHER, MAC_BYTES } from './seal.ts';

/**
 * Decrypts as it is read. `size` is that of the file itself, where it was announced. Ends only if everything fits; throws BridgeError
 * `media.corrupt` otherwise, or what `sealed` throws.
 */
export async function* unseal(file: NetworkFile, size: number | undefined, sealed: FileBytes): FileBytes {
  const { iv, cipherKey, macKey } = mediaKeys(file.kind, file.mediaKey);
  const decipher = createDecipheriv(CIPHER, cipherKey, iv);
  const mac = createHmac('sha256', macKey).update(iv);
  const sha256 = createHash('sha256');
  const encryptedSha256 = createHash('sha256');
  let length = 0;
  const count = (decrypted: Buffer): Buffer => {
    sha256.update(decrypted);
    length += decrypted.length;
    return decrypted;
  };

  // One piece stays behind: at the end of the last one is the MAC.
  let held = Buffer.alloc(0) as Uint8Array;
  for await (const piece of inPieces(sealed)) {
    encryptedSha256.update(piece);
    // What came over TLS is made twice, and then what it is decrypted into.
    madeForPassing(3 * piece.length);
    if (held.length === 0 || piece.length < MAC_BYTES) {
      held = held.length === 0 ? piece : Buffer.concat([held, piece]);
      continue;
    }
    mac.update(held);
    yield count(decipher.update(held));
    held = piece;
  }

  const ciphertext = held.subarray(0, -MAC_BYTES);
  const sentMac = held.subarray(-MAC_BYTES);
  if (!same(encryptedSha256.digest(), file.encryptedSha256)) throw corrupt('the hash of the ciphertext does not fit');
  if (!same(mac.update(ciphertext).digest().subarray(0, MAC_BYTES), sentMac)) throw corrupt('the MAC does not fit');
  const last = [count(decipher.update(ciphertext)), count(finalOf(decipher))];
  if (file.sha256 !== undefined && !same(sha256.digest(), file.sha256)) throw corrupt('its hash does not fit');
  if (size !== undefined && size !== length) throw corrupt('its size does not fit');
  for (const decrypted of last) if (decrypted.length > 0) yield decrypted;
}

function same(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && timingSafeEqual(left, right);
}

function finalOf(decipher: ReturnType<typeof createDecipheriv>): Buffer {
  try {
    return decipher.final();
  } catch {
    throw corrupt('the padding does not fit');
  }
}
