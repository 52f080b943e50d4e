// Files as WhatsApp's clients encrypt them: keys from the message's media key, AES-256-CBC, and a short MAC behind it all.
import { createCipheriv, createDecipheriv, createHash, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { BridgeError } from '../model/errors.ts';

/** What the derivation of a file's keys depends on. */
export type FileKind = 'image' | 'video' | 'audio' | 'document' | 'sticker';

export type FileBytes = AsyncIterable<Uint8Array> | Iterable<Uint8Array>;

/** What a message says of its encrypted file. Hashes are SHA-256, 32 bytes. */
export interface FileFacts {
  /** Of the file itself. */
  readonly sha256: Uint8Array;
  /** Of what is uploaded: ciphertext and MAC. */
  readonly encryptedSha256: Uint8Array;
  /** Bytes of the file itself. */
  readonly size: number;
}

/** In the order in which a file is checked. */
export type Flaw = 'truncated' | 'wrong_encrypted_hash' | 'wrong_mac' | 'wrong_padding' | 'wrong_hash' | 'wrong_size';

/** Code `media.flawed`: the file is not the one that its message describes. */
export class FlawError extends BridgeError {
  readonly flaw: Flaw;

  constructor(flaw: Flaw) {
    super('media.flawed', `the file does not fit its message: ${flaw}`);
    this.flaw = flaw;
  }
}

/** Of the MAC at a file's end: shorter than a block of the cipher. */
export const MAC_BYTES = 10;
const BLOCK_BYTES = 16;

const labels: Record<FileKind, string> = {
  image: 'WhatsApp Image Keys',
  sticker: 'WhatsApp Image Keys',
  video: 'WhatsApp Video Keys',
  audio: 'WhatsApp Audio Keys',
  document: 'WhatsApp Document Keys',
};

/** HKDF-SHA256 without salt, as for everything that comes from a media key. */
export function derived(mediaKey: Uint8Array, label: string, length: number): Buffer {
  return Buffer.from(hkdfSync('sha256', mediaKey, new Uint8Array(), label, length));
}

function keysOf(kind: FileKind, mediaKey: Uint8Array) {
  const keys = derived(mediaKey, labels[kind], 112);
  return { iv: keys.subarray(0, 16), cipherKey: keys.subarray(16, 48), macKey: keys.subarray(48, 80) };
}

/** Encrypts as it is read: the same key and the same bytes give the same file. `facts` may be called at the end. */
export function encrypting(
  kind: FileKind,
  mediaKey: Uint8Array,
  bytes: FileBytes,
): { readonly ciphertext: AsyncGenerator<Uint8Array>; readonly facts: () => FileFacts } {
  const { iv, cipherKey, macKey } = keysOf(kind, mediaKey);
  const cipher = createCipheriv('aes-256-cbc', cipherKey, iv);
  const mac = createHmac('sha256', macKey).update(iv);
  const [plain, encrypted] = [createHash('sha256'), createHash('sha256')];
  let size = 0;
  const authenticated = (part: Buffer): Buffer => {
    mac.update(part);
    encrypted.update(part);
    return part;
  };
  async function* encrypt(): AsyncGenerator<Uint8Array> {
    for await (const chunk of bytes) {
      size += chunk.length;
      plain.update(chunk);
      yield authenticated(cipher.update(chunk));
    }
    yield authenticated(cipher.final());
    const tag = mac.digest().subarray(0, MAC_BYTES);
    encrypted.update(tag);
    yield tag;
  }
  return {
    ciphertext: encrypt(),
    facts: () => ({ size, sha256: plain.digest(), encryptedSha256: encrypted.digest() }),
  };
}

/** What is to be decrypted: the size and the file's own hash are checked only where the message names them. */
export interface ExpectedFile {
  readonly kind: FileKind;
  readonly mediaKey: Uint8Array;
  readonly encryptedSha256: Uint8Array;
  readonly sha256: Uint8Array | undefined;
  readonly size: number | undefined;
}

/** Decrypts as it is read. Only at the end is it known to be right: throws FlawError otherwise. */
export async function* decrypting(expected: ExpectedFile, bytes: FileBytes): AsyncGenerator<Uint8Array> {
  const { iv, cipherKey, macKey } = keysOf(expected.kind, expected.mediaKey);
  const decipher = createDecipheriv('aes-256-cbc', cipherKey, iv);
  const mac = createHmac('sha256', macKey).update(iv);
  const [plain, encrypted] = [createHash('sha256'), createHash('sha256')];
  const sizes = { encrypted: 0, plain: 0 };
  const decrypted = (part: Buffer): Buffer => {
    plain.update(part);
    sizes.plain += part.length;
    return part;
  };
  // The last bytes are the MAC, and which are the last is known only at the end.
  let held = Buffer.alloc(0);
  for await (const chunk of bytes) {
    encrypted.update(chunk);
    const buffer =
      held.length === 0 ? Buffer.from(chunk.buffer, chunk.byteOffset, chunk.length) : Buffer.concat([held, chunk]);
    const end = Math.max(0, buffer.length - MAC_BYTES);
    const part = buffer.subarray(0, end);
    held = Buffer.from(buffer.subarray(end));
    sizes.encrypted += part.length;
    if (expected.size !== undefined && sizes.encrypted > expected.size + BLOCK_BYTES) throw new FlawError('wrong_size');
    mac.update(part);
    yield decrypted(decipher.update(part));
  }
  if (held.length < MAC_BYTES || sizes.encrypted % BLOCK_BYTES !== 0 || sizes.encrypted === 0)
    throw new FlawError('truncated');
  if (!same(encrypted.digest(), expected.encryptedSha256)) throw new FlawError('wrong_encrypted_hash');
  if (!same(mac.digest().subarray(0, MAC_BYTES), held)) throw new FlawError('wrong_mac');
  yield decrypted(finalOf(() => decipher.final()));
  if (expected.sha256 && !same(plain.digest(), expected.sha256)) throw new FlawError('wrong_hash');
  if (expected.size !== undefined && sizes.plain !== expected.size) throw new FlawError('wrong_size');
}

function finalOf(final: () => Buffer): Buffer {
  try {
    return final();
  } catch {
    throw new FlawError('wrong_padding');
  }
}

const same = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && timingSafeEqual(one, other);
