// Writes the stanza token dictionaries (version 3) as data, taken from the npm package @whiskeysockets/baileys (MIT).
import { writeFileSync } from 'node:fs';
import { DOUBLE_BYTE_TOKENS, SINGLE_BYTE_TOKENS } from '@whiskeysockets/baileys/lib/WABinary/constants.js';

const table = (tokens: readonly (string | null)[]) => JSON.stringify(tokens).replaceAll(/(.{1,110}),"/g, '$1,\n  "');

writeFileSync(
  new URL('../src/whatsapp/binary/tokens.data.ts', import.meta.url),
  `// WhatsApp's token dictionaries, version 3. Data from npm @whiskeysockets/baileys (MIT, Copyright (c) 2025
// Rajeh Taher/WhiskeySockets); written by scripts/extract-tokens.ts, not by hand.

/** Indexed by the token byte; index 0 is unused. */
export const SINGLE_BYTE_TOKENS: readonly string[] = ${table(SINGLE_BYTE_TOKENS)};

/** Four dictionaries, each indexed by the byte after DICTIONARY_0..3. */
export const DOUBLE_BYTE_TOKENS: readonly (readonly string[])[] = [
${DOUBLE_BYTE_TOKENS.map(table).join(',\n')},
];
`,
);
