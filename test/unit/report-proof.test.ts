// The proof of what a contact has written: it holds for exactly that, there, under that id and time, and for nothing else.
import fc from 'fast-check';
import { beforeEach, expect, test } from 'vitest';
import { verdictOf, withoutProof, withProof } from '../../src/bridge/reports/proof.ts';
import type { MessageId, RoomId, UserId } from '../../src/model/ids.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import type { TagKey } from '../../src/model/report.ts';
import { openTestStore } from '../support/store.ts';

const field = 'matrix-appservice-whatsapp.proof';
let key: TagKey;
beforeEach(async () => {
  key = (await openTestStore()).tagKey;
});

const name = fc.string({ minLength: 1, maxLength: 8 });
const origins = fc.record({ sender: name.map((text) => text as UserId), room: name.map((text) => text as RoomId) });
const messages = fc.record({
  id: name.map((text) => text as MessageId),
  sentAt: fc.nat(),
  payload: fc.uint8Array({ maxLength: 8 }),
});
const events = fc.record({
  type: fc.constantFrom('m.room.message' as const, 'm.sticker' as const),
  content: fc.dictionary(name, fc.jsonValue({ maxDepth: 2 })).map(withoutProof),
});
/** As content comes back from decryption: another object, its keys in another order. */
const again = (content: JsonObject): JsonObject =>
  JSON.parse(JSON.stringify(Object.fromEntries(Object.entries(content).reverse())));

test('holds for what was shown, in whatever order its keys come back', () => {
  fc.assert(
    fc.property(origins, messages, events, (origin, brought, event) => {
      const { type, content } = withProof(key, origin, brought, event);
      const { id, sentAt } = brought;
      const verdict = verdictOf(key, origin, { type, content: again(content) });
      expect(verdict).toEqual({ proof: 'valid', message: { id, sentAt } });
      expect(withoutProof(content)).toEqual(event.content);
    }),
  );
});

test('does not hold for another content, type, sender or chat', () => {
  fc.assert(
    fc.property(origins, origins, messages, events, events, (origin, other, brought, event, changed) => {
      fc.pre(JSON.stringify(again(event.content)) !== JSON.stringify(again(changed.content)));
      fc.pre(origin.sender !== other.sender && origin.room !== other.room);
      const { type, content } = withProof(key, origin, brought, event);
      const invalid = { proof: 'invalid' };
      const proof = { [field]: content[field] };
      expect(verdictOf(key, origin, { type, content: { ...changed.content, ...proof } })).toEqual(invalid);
      expect(verdictOf(key, origin, { type: `${type}.x`, content })).toEqual(invalid);
      expect(verdictOf(key, { ...origin, sender: other.sender }, { type, content })).toEqual(invalid);
      expect(verdictOf(key, { ...origin, room: other.room }, { type, content })).toEqual(invalid);
    }),
  );
});

test('does not hold with anything in it changed, added or missing', () => {
  const origin = { sender: '@wa_1:x' as UserId, room: '!r' as RoomId };
  const brought = { id: 'ID' as MessageId, sentAt: 5, payload: Uint8Array.of(1) };
  const event = { type: 'm.room.message', content: { body: 'x' } } as const;
  const { content } = withProof(key, origin, brought, event);
  const whole = content[field] as Readonly<Record<string, unknown>>;
  const verdict = (proof: unknown) =>
    verdictOf(key, origin, { ...event, content: { ...event.content, [field]: proof } });
  expect(verdict(whole)).toMatchObject({ proof: 'valid' });
  const wrong: readonly unknown[] = [
    { ...whole, id: 'IE' },
    { ...whole, sent_at: 6 },
    { ...whole, payload_sha256: Buffer.alloc(32).toString('base64') },
    { ...whole, tag: Buffer.alloc(32).toString('base64') },
    { ...whole, tag: '' },
    { ...whole, tag: `${whole.tag}AA==` },
    { ...whole, more: true },
    ...Object.keys(whole).map((name) => ({ ...whole, [name]: undefined })),
    'valid',
    null,
    [],
  ];
  for (const proof of wrong) expect(verdict(proof), JSON.stringify(proof)).toEqual({ proof: 'invalid' });
  expect(verdictOf(key, origin, event)).toEqual({ proof: 'absent' });
});

test('no two lists of fields have the same tag, and another installation makes other tags', async () => {
  expect(key.fits(['ab', 'c'], key.tag(['a', 'bc']))).toBe(false);
  expect(key.fits(['a', ''], key.tag(['a']))).toBe(false);
  const other = (await openTestStore()).tagKey;
  expect(other.fits(['a'], key.tag(['a']))).toBe(false);
  expect(key.fits(['a'], key.tag(['a']))).toBe(true);
});
