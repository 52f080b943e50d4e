// The description of an encrypted attachment (Matrix spec, "Sending encrypted attachments", EncryptedFile version v2) as JSON.
import { z } from 'zod';
import type { JsonObject } from '../../model/journal.ts';
import type { MatrixFile, MediaUri } from '../../model/media.ts';

/** Base64 or base64url, padded or not; canonical, so that it is one way of writing these bytes. */
function bytes(length: number) {
  return z
    .string()
    .max(64)
    .regex(/^[A-Za-z0-9+/_-]*={0,2}$/)
    .transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
    .refine((value) => value.length === length);
}

const mediaUri = z
  .string()
  .max(500)
  .refine((text): text is MediaUri => /^mxc:\/\/[A-Za-z0-9.:[\]-]{1,255}\/[A-Za-z0-9_-]{1,255}$/.test(text));

const encryptedFile = z.object({
  v: z.literal('v2'),
  url: mediaUri,
  key: z.object({ kty: z.literal('oct'), alg: z.literal('A256CTR'), k: bytes(32) }),
  iv: bytes(16),
  hashes: z.object({ sha256: bytes(32) }),
});

/** Returns undefined where that is no description of an encrypted file. */
export function readMatrixFile(value: unknown): MatrixFile | undefined {
  const { success, data } = encryptedFile.safeParse(value);
  if (!success) return undefined;
  return { url: data.url, key: data.key.k, iv: data.iv, encryptedSha256: data.hashes.sha256 };
}

/** Returns the address of an unencrypted file, or undefined where it is none. */
export function readMediaUri(value: unknown): MediaUri | undefined {
  return mediaUri.safeParse(value).data;
}

export function writeMatrixFile({ url, key, iv, encryptedSha256 }: MatrixFile): JsonObject {
  return {
    v: 'v2',
    url,
    key: { kty: 'oct', alg: 'A256CTR', ext: true, key_ops: ['encrypt', 'decrypt'], k: base64url(key) },
    iv: unpadded(iv),
    hashes: { sha256: unpadded(encryptedSha256) },
  };
}

const base64url = (value: Uint8Array): string => Buffer.from(value).toString('base64url');
const unpadded = (value: Uint8Array): string => Buffer.from(value).toString('base64').replace(/=+$/, '');
