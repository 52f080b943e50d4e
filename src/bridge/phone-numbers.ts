// Phone numbers, as people write and read them.
import { createRequire } from 'node:module';
import type { CountryCode } from 'libphonenumber-js';
import type { Contact } from '../model/contact.ts';
import type { BridgeSettings } from './context.ts';

/** Loaded with the first number: it is a hundred modules, and starting does without. */
const library = (): typeof import('libphonenumber-js') => createRequire(import.meta.url)('libphonenumber-js');

export interface PhoneNumber {
  /** Country code and number, digits only: the form of addresses. */
  readonly digits: string;
  /** For people. */
  readonly international: string;
}

/** Undefined where `text` is no number, or one without a country code that cannot be told. */
export function readPhoneNumber({ defaultCountry }: BridgeSettings, text: string): PhoneNumber | undefined {
  const number = library().parsePhoneNumberFromString(text, defaultCountry as CountryCode | undefined);
  if (!number?.isPossible()) return undefined;
  return { digits: number.number.slice(1), international: number.formatInternational() };
}

/** The contact's number for people; undefined where the network has not told it. */
export function phoneNumberOf({ addresses }: Contact): string | undefined {
  const phone = addresses.find(({ kind }) => kind === 'phone');
  if (phone === undefined) return undefined;
  const international = `+${phone.user}`;
  return library().parsePhoneNumberFromString(international)?.formatInternational() ?? international;
}
