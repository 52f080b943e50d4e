/** The tag bytes, packed alphabets and token lookups that the encoder and the decoder share. */

import { DOUBLE_BYTE_TOKENS, SINGLE_BYTE_TOKENS } from './tokens.data.ts';

export const TAG = {
  LIST_EMPTY: 0,
  /** 236..239 select one of four dictionaries; one index byte follows. */
  DICTIONARY_0: 236,
  DICTIONARY_3: 239,
  INTEROP_JID: 245,
  FB_JID: 246,
  AD_JID: 247,
  LIST_8: 248,
  LIST_16: 249,
  JID_PAIR: 250,
  HEX_8: 251,
  BINARY_8: 252,
  BINARY_20: 253,
  BINARY_32: 254,
  NIBBLE_8: 255,
} as const;

/** First byte of a frame's plaintext: this bit says that zlib-compressed data follows. */
export const FLAG_COMPRESSED = 2;

/** Characters by their four-bit value. 15 fills up an odd length. */
export const NIBBLES = '0123456789-.';
export const HEX_DIGITS = '0123456789ABCDEF';
export const FILLER = 15;
export const PACKED_MAX_LENGTH = 127;

/** The domain byte of AD_JID. */
export const DOMAIN = { phone: 0, lid: 1, hosted: 128, 'hosted-lid': 129 } as const;

const TOKEN_BYTES = new Map<string, readonly number[]>([
  ...DOUBLE_BYTE_TOKENS.flatMap((tokens, dictionary) =>
    tokens.map((token, index) => [token, [TAG.DICTIONARY_0 + dictionary, index]] as const),
  ),
  ...SINGLE_BYTE_TOKENS.slice(1).map((token, index) => [token, [index + 1]] as const),
]);

/** The one or two bytes that stand for the text, if it is in a dictionary. */
export function tokenBytes(text: string): readonly number[] | undefined {
  return TOKEN_BYTES.get(text);
}

export function singleToken(byte: number): string | undefined {
  return byte === 0 ? undefined : SINGLE_BYTE_TOKENS[byte];
}

export function doubleToken(dictionary: number, index: number): string | undefined {
  return DOUBLE_BYTE_TOKENS[dictionary]?.[index];
}
