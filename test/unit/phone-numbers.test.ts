import { expect, test } from 'vitest';
import type { BridgeSettings } from '../../src/bridge/context.ts';
import { readPhoneNumber } from '../../src/bridge/phone-numbers.ts';

const read = (text: string, defaultCountry?: string) => {
  const settings: Partial<BridgeSettings> = { defaultCountry };
  return readPhoneNumber(settings as BridgeSettings, text);
};

test('a phone number is read as people write it, with its country or in the default one', () => {
  const number = { digits: '31612345678', international: '+31 6 12345678' };
  expect(read('+31 (0)6 1234-5678')).toEqual(number);
  expect(read('06 12345678', 'NL')).toEqual(number);
});

test.each(['Boris', '', '12', '06 12345678', '+31 6', '+999 123456789'])('%j is no number', (text) => {
  expect(read(text)).toBeUndefined();
});
