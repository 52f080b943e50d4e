/** How much of a stanza we take in. Decoded objects are far bigger than their bytes, so they are counted too. */

export interface StanzaLimits {
  /** Bytes of the encoded stanza after decompression. */
  readonly maxBytes: number;
  /** Stanzas and attributes together. */
  readonly maxItems: number;
}

/** Nesting of stanzas, in both directions. Real ones stay below ten. */
export const MAX_DEPTH = 32;

/** A frame cannot be longer than 2^24 bytes anyway; the largest groups stay far below this number of items. */
export const DEFAULT_LIMITS: StanzaLimits = { maxBytes: 1 << 24, maxItems: 250_000 };
