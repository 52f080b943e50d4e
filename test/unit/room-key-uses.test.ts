import fc from 'fast-check';
import { expect, it } from 'vitest';
import { roomKeyUse } from '../../src/matrix/crypto/megolm-index.ts';

const varint = (n: number): number[] => (n < 0x80 ? [n] : [(n % 0x80) | 0x80, ...varint(Math.floor(n / 0x80))]);
const message = (index: number) => Buffer.from([3, 8, ...varint(index), 0x12, 1, 0, ...new Array(72).fill(7)]);
const content = (bytes: Buffer) => ({ session_id: 'a', ciphertext: bytes.toString('base64').replaceAll('=', '') });

it('knows a message by its place under its key', () => {
  const index = fc.integer({ min: 0, max: 2 ** 32 - 1 });
  const known = (n: number) => {
    expect(roomKeyUse(content(message(n)))).toEqual({ session: 'a', index: n });
  };
  fc.assert(fc.property(index, known), { examples: [[0], [127], [128], [2 ** 32 - 1]] });
});

it('takes anything else for no message of a room key', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const use = roomKeyUse(content(Buffer.from(bytes)));
      expect(use === undefined || (bytes[0] === 3 && bytes[1] === 8)).toBe(true);
    }),
  );
  expect(roomKeyUse(content(Buffer.from([3, 8, 0xff, 0xff, 0xff, 0xff, 0xff, 1])))).toBeUndefined();
  expect(roomKeyUse({ session_id: 'a', ciphertext: {} })).toBeUndefined();
  expect(roomKeyUse({ ciphertext: 'AwgA' })).toBeUndefined();
});
