// Which numbers a block is about.
import { expect, it } from 'vitest';
import { isBlockedNumber, patternsOf } from '../../src/bridge/policy/blocks.ts';
import { lidJid, phoneJid } from '../../src/model/jid.ts';

it('a number is blocked by itself and by every start of it, and by no other', () => {
  expect(isBlockedNumber(['+99*', '+4915112345678'], '9912345')).toBe(true);
  expect(isBlockedNumber(['+99*', '+4915112345678'], '4915112345678')).toBe(true);
  expect(isBlockedNumber(['+99*', '+4915112345678'], '49151123456789')).toBe(false);
  expect(isBlockedNumber(['+99*', '+4915112345678'], '199')).toBe(false);
  expect(isBlockedNumber([], '99')).toBe(false);
});

it('an address is looked for under its patterns; a hidden id has no start', () => {
  expect(patternsOf(phoneJid('4915'))).toEqual(['phone:4915', 'prefix:4', 'prefix:49', 'prefix:491', 'prefix:4915']);
  expect(patternsOf(lidJid('4915', 3))).toEqual(['address:4915@lid']);
});
