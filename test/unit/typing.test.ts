// What is shown to a contact of a user who types: begun, refreshed, ended, and never more than a packet a second.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { nextTyping, type TypingShown } from '../../src/bridge/user-typing.ts';

const state = (over: Partial<TypingShown>): TypingShown => ({
  typing: false,
  since: 100_000,
  shown: 'paused',
  sentAt: 0,
  ...over,
});

test('begins at once, is refreshed while it lasts, and ends with a word', () => {
  expect(nextTyping(state({ typing: true }), 100_000)).toEqual({ send: 'composing' });
  const shown = state({ typing: true, shown: 'composing', sentAt: 100_000 });
  expect(nextTyping(shown, 103_000)).toEqual({ waitMs: 5_000 });
  expect(nextTyping(shown, 108_000)).toEqual({ send: 'composing' });
  expect(nextTyping({ ...shown, typing: false }, 108_000)).toEqual({ send: 'paused' });
  expect(nextTyping(state({ sentAt: 108_000 }), 108_000)).toEqual({});
});

test('ends by itself when the homeserver has not said so for long', () => {
  const shown = state({ typing: true, shown: 'composing', sentAt: 395_000 });
  expect(nextTyping(shown, 399_999)).toEqual({ waitMs: 3_001 });
  expect(nextTyping(shown, 400_000)).toEqual({ send: 'paused' });
  expect(nextTyping({ ...shown, shown: 'paused', sentAt: 400_000 }, 400_000)).toEqual({});
});

test('whatever a client does, no more than a packet a second, and the last word is true', () => {
  const changes = fc.array(fc.record({ typing: fc.boolean(), afterMs: fc.nat(4_000) }), { maxLength: 40 });
  fc.assert(
    fc.property(changes, (said) => {
      let now = 1_000_000;
      let current = state({ sentAt: 0 });
      const sent: number[] = [];
      const runUntil = (end: number): void => {
        for (;;) {
          const { send, waitMs } = nextTyping(current, now);
          if (send !== undefined) {
            sent.push(now);
            current = { ...current, shown: send, sentAt: now };
          } else if (waitMs === undefined || now + waitMs > end) break;
          else now += waitMs;
        }
        now = end;
      };
      for (const { typing, afterMs } of said) {
        current = { ...current, typing, since: now };
        runUntil(now + afterMs);
      }
      current = { ...current, typing: false };
      runUntil(now + 2_000);
      expect(current.shown).toBe('paused');
      const gaps = sent.slice(1).map((at, index) => at - (sent[index] ?? 0));
      expect(Math.min(...gaps, 1_000)).toBe(1_000);
    }),
  );
});
