// What the homeserver pushes once: public receipts and typing are read, each once, private receipts and nonsense never.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { readEphemeral, withoutEphemeral } from '../../src/matrix/ephemeral.ts';

const receipt = (content: unknown) => ({ type: 'm.receipt', room_id: '!r:x', content });
const by = (user: string, more: object = {}) => ({ [user]: { ts: 1, ...more } });
const typing = { type: 'm.typing', room_id: '!r:x', content: { user_ids: ['@u:x', '@wa_1:x', 'nobody'] } };

test('receipts of everybody, and who types', () => {
  const ephemeral = [
    receipt({
      $a: { 'm.read': { ...by('@u:x'), ...by('@v:x', { thread_id: 'main' }) } },
      $b: { 'm.read': by('@w:x') },
    }),
    typing,
    { type: 'm.presence', sender: '@u:x', content: {} },
  ];
  expect(readEphemeral({ ephemeral })).toEqual({
    receipts: [
      { room: '!r:x', user: '@u:x', event: '$a' },
      { room: '!r:x', user: '@v:x', event: '$a' },
      { room: '!r:x', user: '@w:x', event: '$b' },
    ],
    typing: [{ room: '!r:x', users: ['@u:x', '@wa_1:x'] }],
  });
});

test('once, where the homeserver pushes the same under both names', () => {
  const list = [typing];
  const body = { ephemeral: list, 'de.sorunome.msc2409.ephemeral': list, to_device: [] };
  expect(readEphemeral(body).typing).toHaveLength(1);
  expect(readEphemeral({ 'de.sorunome.msc2409.ephemeral': list }).typing).toHaveLength(1);
  expect(withoutEphemeral(body)).toEqual({ to_device: [] });
});

test('what is private, or of a thread, says nothing', () => {
  const ephemeral = [
    receipt({ $a: { 'm.read.private': by('@u:x') } }),
    receipt({ $a: { 'm.read': by('@u:x', { thread_id: '$thread' }) } }),
  ];
  expect(readEphemeral({ ephemeral }).receipts).toEqual([]);
});

test('nonsense is left out, and what stands beside it is not', () => {
  fc.assert(
    fc.property(fc.array(fc.anything()), fc.anything(), (noise, content) => {
      const ephemeral = [...noise, receipt(content), { ...typing, content }, typing];
      expect(readEphemeral({ ephemeral }).typing.at(-1)?.users).toEqual(['@u:x', '@wa_1:x']);
    }),
  );
  expect(readEphemeral({ ephemeral: 'none' })).toEqual({ receipts: [], typing: [] });
});
