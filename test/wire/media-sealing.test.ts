// Files encrypted for WhatsApp, judged by Baileys: it decrypts what we encrypt, we decrypt what it encrypts, and whatever is wrong is noticed.
import { createCipheriv, createHmac, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { readFile, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  downloadEncryptedContent,
  encryptedStream,
  getMediaKeys,
  type MediaType,
  toBuffer,
} from '@whiskeysockets/baileys';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { FileBytes, MediaKind, NetworkFile } from '../../src/model/media.ts';
import { mediaKeys } from '../../src/whatsapp/media/keys.ts';
import { seal, sealedSize } from '../../src/whatsapp/media/seal.ts';
import { unseal } from '../../src/whatsapp/media/unseal.ts';
import { chunked, collect, sha256 } from '../support/bytes.ts';

/** Our kinds, and the ones of Baileys' that mean the same file. */
const kinds: readonly [MediaKind, MediaType][] = [
  ['image', 'image'],
  ['video', 'video'],
  ['video', 'gif'],
  ['video', 'ptv'],
  ['audio', 'audio'],
  ['audio', 'ptt'],
  ['document', 'document'],
  ['sticker', 'sticker'],
];
const sizes = [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 5 * 1024 * 1024 + 3];

let served: Uint8Array = new Uint8Array();
const server = createServer((_request, response) => response.end(served));
let url = '';
beforeAll(async () => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.close();
  server.closeAllConnections();
});

async function sealWhole(kind: MediaKind, mediaKey: Uint8Array, bytes: FileBytes) {
  const { ciphertext, sealed } = seal(kind, mediaKey, bytes);
  const encrypted = await collect(ciphertext);
  return { encrypted, file: fileOf(kind, mediaKey, sealed()) };
}

function fileOf(
  kind: MediaKind,
  mediaKey: Uint8Array,
  hashes: Pick<NetworkFile, 'sha256' | 'encryptedSha256' | 'size'>,
) {
  return { kind, mediaKey, url: undefined, directPath: undefined, ...hashes };
}

describe.each(kinds)('a file of kind %s, to Baileys %s', (kind, baileysKind) => {
  it.each(sizes)('of %d bytes is encrypted so that Baileys decrypts it', async (size) => {
    const [original, mediaKey] = [randomBytes(size), randomBytes(32)];
    const { encrypted, file } = await sealWhole(kind, mediaKey, chunked(original));
    expect(encrypted.length).toBe(sealedSize(size));
    expect([file.size, file.sha256, file.encryptedSha256]).toEqual([size, sha256(original), sha256(encrypted)]);
    served = encrypted.subarray(0, -10);
    const decrypted = await toBuffer(await downloadEncryptedContent(url, await getMediaKeys(mediaKey, baileysKind)));
    expect(decrypted.equals(original)).toBe(true);
  });

  it.each(sizes)('of %d bytes is decrypted as Baileys encrypted it', async (size) => {
    const original = randomBytes(size);
    const made = await encryptedStream(original, baileysKind);
    const encrypted = await readFile(made.encFilePath);
    await rm(made.encFilePath);
    const { mediaKey, fileSha256, fileEncSha256, fileLength } = made;
    const file = fileOf(kind, mediaKey, { sha256: fileSha256, encryptedSha256: fileEncSha256, size: fileLength });
    expect((await collect(unseal(file, size, chunked(encrypted)))).equals(original)).toBe(true);
    const again = await sealWhole(kind, mediaKey, chunked(original));
    expect([again.encrypted.equals(encrypted), again.file]).toEqual([true, file]);
  });
});

describe('sealing', () => {
  it('gives the same bytes and hashes however the file is cut', async () => {
    const [original, mediaKey] = [randomBytes(150_000), randomBytes(32)];
    const whole = await sealWhole('video', mediaKey, chunked(original));
    const cuts = fc.array(fc.nat(original.length), { maxLength: 40 });
    await fc.assert(
      fc.asyncProperty(cuts, async (at) => {
        const { encrypted, file } = await sealWhole('video', mediaKey, chunked(original, at));
        expect([encrypted.equals(whole.encrypted), file]).toEqual([true, whole.file]);
      }),
    );
    const tiny = original.subarray(0, 40_000);
    const [one, many] = await Promise.all([
      sealWhole('image', mediaKey, chunked(tiny)),
      sealWhole('image', mediaKey, chunked(tiny, Array.from(tiny.keys()))),
    ]);
    expect(many).toEqual(one);
  });

  it('says what it made only at the end, and passes on what the source throws', async () => {
    const { ciphertext, sealed } = seal('image', randomBytes(32), chunked(randomBytes(100)));
    expect(sealed).toThrow();
    await collect(ciphertext);
    expect(sealed().size).toBe(100);
    const broken = new Error('the source broke');
    async function* source(): FileBytes {
      yield randomBytes(50_000);
      throw broken;
    }
    const half = seal('image', randomBytes(32), source());
    await expect(collect(half.ciphertext)).rejects.toBe(broken);
    expect(half.sealed).toThrow();
  });

  it('reads no further ahead than it is read', async () => {
    let read = 0;
    async function* source(): FileBytes {
      for (;;) {
        read += 10_000;
        yield new Uint8Array(10_000);
      }
    }
    let taken = 0;
    for await (const chunk of seal('video', randomBytes(32), source()).ciphertext) {
      taken += chunk.length;
      expect(read - taken).toBeLessThanOrEqual(64 * 1024);
      if (taken > 2_000_000) break;
    }
  });
});

describe('unsealing', () => {
  const mediaKey = randomBytes(32);
  const corrupt = expect.objectContaining({ code: 'media.corrupt', retry: 'never', userText: expect.any(String) });

  /** What comes out before the end, and how it ends. */
  async function read(file: NetworkFile, encrypted: Uint8Array, cuts: readonly number[] = [], size?: number) {
    const chunks: Uint8Array[] = [];
    try {
      for await (const chunk of unseal(file, size, chunked(encrypted, cuts))) chunks.push(chunk);
      return { ended: true as const, bytes: Buffer.concat(chunks) };
    } catch (error) {
      return { ended: false as const, bytes: Buffer.concat(chunks), error };
    }
  }

  it('gives the same bytes however the ciphertext is cut', async () => {
    const original = randomBytes(150_000);
    const { encrypted, file } = await sealWhole('audio', mediaKey, chunked(original));
    const near = fc.nat(40).map((back) => encrypted.length - back);
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.nat(encrypted.length), near), { maxLength: 40 }), async (cuts) => {
        const result = await read(file, encrypted, cuts, original.length);
        expect(result.ended && result.bytes.equals(original)).toBe(true);
      }),
    );
    const small = await sealWhole('audio', mediaKey, chunked(original.subarray(0, 20_000)));
    const singly = await read(small.file, small.encrypted, Array.from(small.encrypted.keys()));
    expect(singly).toEqual({ ended: true, bytes: original.subarray(0, 20_000) });
  });

  it.each([0, 1, 16, 33])('notices every flipped bit of a file of %d bytes, and gives nothing of it', async (size) => {
    const { encrypted, file } = await sealWhole('image', mediaKey, chunked(randomBytes(size)));
    for (let bit = 0; bit < encrypted.length * 8; bit++) {
      const flipped = Buffer.from(encrypted);
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
      expect(await read(file, flipped)).toEqual({ ended: false, bytes: Buffer.alloc(0), error: corrupt });
      // The hash of the ciphertext may have been made to fit, by who does not know the key.
      expect(await read({ ...file, encryptedSha256: sha256(flipped) }, flipped)).toMatchObject({ error: corrupt });
    }
  });

  it('notices any flipped bit of a large file, wherever it is cut', async () => {
    const original = randomBytes(200_000);
    const { encrypted, file } = await sealWhole('image', mediaKey, chunked(original));
    const bit = fc.nat(encrypted.length * 8 - 1);
    await fc.assert(
      fc.asyncProperty(
        bit,
        fc.array(fc.nat(encrypted.length), { maxLength: 5 }),
        fc.boolean(),
        async (at, cuts, hashed) => {
          const flipped = Buffer.from(encrypted);
          flipped[at >> 3] = (flipped[at >> 3] ?? 0) ^ (1 << (at & 7));
          const described = hashed ? { ...file, encryptedSha256: sha256(flipped) } : file;
          expect(await read(described, flipped, cuts)).toMatchObject({ ended: false, error: corrupt });
        },
      ),
    );
  });

  it('notices a file that was cut short, or made longer', async () => {
    const { encrypted, file } = await sealWhole('document', mediaKey, chunked(randomBytes(70_000)));
    for (const length of [0, 1, 9, 10, 11, 16, 26, 65_536, encrypted.length - 16, encrypted.length - 1]) {
      const short = encrypted.subarray(0, length);
      expect(await read(file, short)).toMatchObject({ ended: false, error: corrupt });
      expect(await read({ ...file, encryptedSha256: sha256(short) }, short)).toMatchObject({ error: corrupt });
    }
    const long = Buffer.concat([encrypted, randomBytes(16)]);
    expect(await read(file, long)).toMatchObject({ ended: false, error: corrupt });
    expect(await read({ ...file, encryptedSha256: sha256(long) }, long)).toMatchObject({ error: corrupt });
  });

  it('notices another key, another kind, another hash, another size', async () => {
    const original = randomBytes(1000);
    const { encrypted, file } = await sealWhole('image', mediaKey, chunked(original));
    for (const wrong of [
      { mediaKey: randomBytes(32) },
      { kind: 'video' as const },
      { sha256: sha256(randomBytes(1)) },
      { encryptedSha256: sha256(randomBytes(1)) },
      { sha256: new Uint8Array() },
      { encryptedSha256: new Uint8Array() },
    ]) {
      expect(await read({ ...file, ...wrong }, encrypted)).toMatchObject({ ended: false, error: corrupt });
    }
    expect(await read(file, encrypted, [], 999)).toMatchObject({ ended: false, error: corrupt });
    expect(await read({ ...file, sha256: undefined }, encrypted)).toEqual({ ended: true, bytes: original });
  });

  it('notices a padding that cannot be, although its MAC fits', async () => {
    const { iv, cipherKey, macKey } = mediaKeys('image', mediaKey);
    for (const plaintext of [Buffer.alloc(32), Buffer.alloc(32, 17)]) {
      const ciphertext = createCipheriv('aes-256-cbc', cipherKey, iv).setAutoPadding(false).update(plaintext);
      const mac = createHmac('sha256', macKey).update(iv).update(ciphertext).digest().subarray(0, 10);
      const encrypted = Buffer.concat([ciphertext, mac]);
      const file = fileOf('image', mediaKey, { sha256: undefined, encryptedSha256: sha256(encrypted), size: 31 });
      expect(await read(file, encrypted)).toMatchObject({ ended: false, error: corrupt });
    }
  });

  it('holds back no more than the end until it has been verified', async () => {
    const { encrypted, file } = await sealWhole('video', mediaKey, chunked(randomBytes(1_000_000)));
    let given = 0;
    async function* source(): FileBytes {
      for (let at = 0; at < encrypted.length; at += 20_000) {
        expect(at - given).toBeLessThanOrEqual(80_000);
        yield encrypted.subarray(at, at + 20_000);
      }
    }
    for await (const chunk of unseal(file, undefined, source())) given += chunk.length;
    expect(given).toBe(1_000_000);
  });

  it('lets everything else have its turn', async () => {
    async function* source(): FileBytes {
      yield Buffer.alloc(20_000_000);
    }
    let turns = 0;
    let over = false;
    const turn = (): void => {
      turns += 1;
      if (!over) setImmediate(turn);
    };
    turn();
    await collect(seal('video', mediaKey, source()).ciphertext);
    over = true;
    expect(turns).toBeGreaterThan(300);
  });
});
