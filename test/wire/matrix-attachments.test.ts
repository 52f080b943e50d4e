// Encrypted attachments against two implementations that are not ours: the one that Element uses, and that of matrix-js-sdk's crypto.
import { randomBytes } from 'node:crypto';
import { Attachment, EncryptedAttachment, initAsync } from '@matrix-org/matrix-sdk-crypto-wasm';
import fc from 'fast-check';
import { decryptAttachment as elementDecrypts, encryptAttachment as elementEncrypts } from 'matrix-encrypt-attachment';
import { beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type AttachmentSecrets, decryptAttachment, encryptAttachment } from '../../src/matrix/media/attachment.ts';
import { chunked, collect } from '../support/bytes.ts';

const sizes = [0, 1, 15, 16, 17, 65_535, 65_536, 65_537, 5 * 1024 * 1024 + 3];

const fileInfo = z.object({
  key: z.object({ k: z.string() }),
  iv: z.string(),
  hashes: z.object({ sha256: z.string() }),
});

const unpadded = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64').replaceAll('=', '');

/** As the `file` of an event has it. */
const toInfo = ({ key, iv, encryptedSha256 }: AttachmentSecrets) => ({
  v: 'v2',
  key: {
    kty: 'oct',
    key_ops: ['encrypt', 'decrypt'],
    alg: 'A256CTR',
    k: Buffer.from(key).toString('base64url'),
    ext: true,
  },
  iv: unpadded(iv),
  hashes: { sha256: unpadded(encryptedSha256) },
});

function fromInfo(info: unknown): AttachmentSecrets {
  const { key, iv, hashes } = fileInfo.parse(info);
  const bytes = (text: string) => Buffer.from(text, 'base64');
  return { key: bytes(key.k), iv: bytes(iv), encryptedSha256: bytes(hashes.sha256) };
}

async function encrypted(bytes: Uint8Array, cuts: readonly number[] = []) {
  const { ciphertext, secrets } = encryptAttachment(chunked(bytes, cuts));
  return { data: await collect(ciphertext), secrets: secrets() };
}

/** A copy, for libraries that want an ArrayBuffer of nothing else. */
const alone = (bytes: Uint8Array): ArrayBuffer => new Uint8Array(bytes).buffer;

beforeAll(() => initAsync());

describe('attachments', () => {
  it.each(sizes)('of %i bytes made by us open elsewhere', async (size) => {
    const bytes = randomBytes(size);
    const { data, secrets } = await encrypted(bytes, [1, 4096, 70_000]);
    expect(data.length).toBe(size);
    const info = toInfo(secrets);
    expect(Buffer.from(await elementDecrypts(alone(data), info)).equals(bytes)).toBe(true);
    const opened = Attachment.decrypt(new EncryptedAttachment(data, JSON.stringify(info)));
    expect(Buffer.from(opened).equals(bytes)).toBe(true);
  });

  it.each(sizes)('of %i bytes made elsewhere open here', async (size) => {
    const bytes = randomBytes(size);
    const element = await elementEncrypts(alone(bytes));
    const rust = Attachment.encrypt(bytes);
    for (const { data, info } of [
      { data: Buffer.from(element.data), info: element.info },
      { data: Buffer.from(rust.encryptedData), info: JSON.parse(rust.mediaEncryptionInfo ?? '') },
    ]) {
      const opened = await collect(decryptAttachment(fromInfo(info), chunked(data, [17, 65_536])));
      expect(opened.equals(bytes)).toBe(true);
    }
  });

  it('are the same however the bytes come', async () => {
    const cuts = fc.array(fc.nat(300), { maxLength: 12 });
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 300 }), cuts, cuts, async (bytes, writing, reading) => {
        const { data, secrets } = await encrypted(bytes, writing);
        const theirs = Attachment.decrypt(new EncryptedAttachment(data, JSON.stringify(toInfo(secrets))));
        expect([...theirs]).toEqual([...bytes]);
        expect([...(await collect(decryptAttachment(secrets, chunked(data, reading))))]).toEqual([...bytes]);
      }),
    );
  });

  it('have a key and a counter block of their own, whose counter begins at zero', async () => {
    const [one, other] = [await encrypted(randomBytes(10)), await encrypted(randomBytes(10))];
    expect(Buffer.from(one.secrets.key).equals(other.secrets.key)).toBe(false);
    expect(Buffer.from(one.secrets.iv).equals(other.secrets.iv)).toBe(false);
    for (const { secrets } of [one, other]) {
      expect(secrets.key.length).toBe(32);
      expect([...secrets.iv.subarray(8)]).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
    }
  });

  it('are not described before they are whole', async () => {
    const { ciphertext, secrets } = encryptAttachment(chunked(randomBytes(100), [50]));
    for await (const _ of ciphertext) expect(secrets).toThrow('before it was encrypted');
    expect(secrets().encryptedSha256.length).toBe(32);
  });

  it('that were changed, cut off or lengthened anywhere do not end', async () => {
    const damage = fc.oneof(
      fc.record({ kind: fc.constant('flipped' as const), at: fc.nat(199), by: fc.integer({ min: 1, max: 255 }) }),
      fc.record({ kind: fc.constant('cut' as const), to: fc.nat(199) }),
      fc.record({ kind: fc.constant('longer' as const), more: fc.uint8Array({ minLength: 1, maxLength: 20 }) }),
    );
    const { data, secrets } = await encrypted(randomBytes(200));
    await fc.assert(
      fc.asyncProperty(damage, fc.array(fc.nat(220), { maxLength: 5 }), async (change, cuts) => {
        const damaged = change.kind === 'longer' ? Buffer.concat([data, change.more]) : Buffer.from(data);
        if (change.kind === 'flipped') damaged[change.at] = (damaged[change.at] ?? 0) ^ change.by;
        const bytes = change.kind === 'cut' ? damaged.subarray(0, change.to) : damaged;
        await expect(collect(decryptAttachment(secrets, chunked(bytes, cuts)))).rejects.toMatchObject({
          code: 'media.corrupt',
          retry: 'never',
        });
      }),
    );
  });

  it.each(['key', 'iv', 'encryptedSha256'] as const)('with a %s of the wrong length are refused', async (part) => {
    const { data, secrets } = await encrypted(randomBytes(20));
    for (const wrong of [new Uint8Array(0), secrets[part].subarray(1), Buffer.concat([secrets[part], Buffer.of(0)])]) {
      await expect(collect(decryptAttachment({ ...secrets, [part]: wrong }, chunked(data)))).rejects.toMatchObject({
        code: 'media.corrupt',
      });
    }
  });
});
