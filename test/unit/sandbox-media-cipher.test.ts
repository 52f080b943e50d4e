import { randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decrypting, encrypting, FlawError, MAC_BYTES } from '../../src/sandbox/media-cipher.ts';

const mediaKey = randomBytes(32);
const bytes = fc.uint8Array({ maxLength: 200 });

async function sealed(file: Uint8Array) {
  const { ciphertext, facts } = encrypting('video', mediaKey, [file]);
  const encrypted = await buffer(ciphertext);
  return { encrypted, expected: { kind: 'video', mediaKey, ...facts() } as const };
}

/** The same bytes as they may arrive. */
function cut(file: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const [size = file.length, ...rest] = sizes;
  return file.length === 0 ? [] : [file.subarray(0, size), ...cut(file.subarray(size), rest)];
}

describe('an encrypted file', () => {
  it('is the file again, in whatever pieces it comes', async () => {
    await fc.assert(
      fc.asyncProperty(bytes, fc.array(fc.integer({ min: 1, max: 40 })), async (file, sizes) => {
        const { encrypted, expected } = await sealed(file);
        const opened = await buffer(decrypting(expected, cut(encrypted, sizes)));
        expect(opened.equals(file)).toBe(true);
      }),
    );
  });

  it('is refused with a reason wherever it was changed, and whatever it is', async () => {
    const { encrypted, expected } = await sealed(randomBytes(100));
    const refused = (candidate: Uint8Array, claims = expected) =>
      expect(buffer(decrypting(claims, [candidate]))).rejects.toBeInstanceOf(FlawError);
    await fc.assert(
      fc.asyncProperty(bytes, fc.nat(encrypted.length - 1), async (junk, at) => {
        await refused(junk);
        await refused(encrypted.map((byte, index) => (index === at ? byte ^ 1 : byte)));
        await refused(encrypted.subarray(0, at));
        await refused(Buffer.concat([encrypted, junk, Buffer.of(0)]));
      }),
    );
    await refused(encrypted, { ...expected, size: 99 });
    await refused(encrypted, { ...expected, sha256: randomBytes(32) });
    await refused(encrypted, { ...expected, mediaKey: randomBytes(32) });
    expect(encrypted.length).toBe(112 + MAC_BYTES);
  });
});
