// Name and telephone numbers of a contact card (RFC 6350, and version 3 as phones write it). Everything else is ignored.
import { oneLine } from './names.ts';

export interface Card {
  /** May be empty. */
  readonly name: string;
  readonly numbers: readonly string[];
}

/** Photos make cards long; what is longer than this is cut off, in UTF-16 units. */
const longestCard = 65_536;
const longestName = 100;
const longestNumber = 40;
const mostNumbers = 10;

/** Returns what can be read; nothing where the text is no card. */
export function readCard(text: string): Card {
  const lines = text
    .slice(0, longestCard)
    .replace(/\r?\n[ \t]/g, '')
    .split(/\r?\n/);
  if (lines[0]?.trim().toUpperCase() !== 'BEGIN:VCARD') return { name: '', numbers: [] };
  const end = lines.findIndex((line) => line.trim().toUpperCase() === 'END:VCARD');
  const properties = lines.slice(1, end === -1 ? undefined : end).flatMap((line) => property(line) ?? []);
  const name = properties.find((candidate) => candidate.name === 'FN')?.value ?? '';
  const numbers = properties.filter((candidate) => candidate.name === 'TEL').map(numberOf);
  return {
    name: oneLine(unescaped(name), longestName),
    numbers: [...new Set(numbers)].filter((number) => number !== '').slice(0, mostNumbers),
  };
}

interface Property {
  readonly name: string;
  readonly parameters: string;
  readonly value: string;
}

/** `item1.TEL;type=CELL;waid=31612345678:+31 6 12345678`; a parameter in quotes may contain a colon. */
function property(line: string): Property | undefined {
  const match = /^(?:[\w-]+\.)?([\w-]+)((?:;(?:[^":]|"[^"]*")*)?):(.*)$/.exec(line);
  if (match === null) return undefined;
  const [, name = '', parameters = '', value = ''] = match;
  return { name: name.toUpperCase(), parameters, value };
}

/** The number as written where it looks like one, else WhatsApp's own parameter. */
function numberOf({ parameters, value }: Property): string {
  const written = oneLine(value.replace(/^tel:/i, ''), longestNumber);
  if (/^\+?[\d\s()./#*,;x-]+$/.test(written) && /\d{2}/.test(written)) return written;
  const id = /;waid=(\d{5,15})(?:;|$)/i.exec(parameters)?.[1];
  return id === undefined ? '' : `+${id}`;
}

function unescaped(text: string): string {
  return text.replace(/\\([\\,;n])/gi, (_, character: string) => (character.toLowerCase() === 'n' ? ' ' : character));
}
