// Which names look alike, in the sense of Unicode Technical Standard 39, "Confusable Detection".
import unhomoglyph from 'unhomoglyph';

/** What fancy text and addresses are written in and Unicode's table leaves alone. */
const furtherLookAlikes: ReadonlyMap<string, string> = new Map([
  ['。', '.'],
  ...alphabet('ᴀʙᴄᴅᴇꜰɢʜɪᴊᴋʟᴍɴᴏᴘʀꜱᴛᴜᴠᴡʏᴢ', 'abcdefghijklmnoprstuvwyz'),
  // White on black, in circles and in squares, and the letters that flags are made of.
  ...[0x1f150, 0x1f170, 0x1f1e6].flatMap((first) => alphabet(range(first), range(0x61))),
]);

/** Every pass folds towards plain letters, so few are needed; the bound is for mappings that would chase each other. */
const mostPasses = 6;

/** What does not tell names apart: marks above and below letters, punctuation, spaces, signs, what cannot be seen. */
const indistinct = /\p{Script=Inherited}|[^\p{L}\p{M}\p{N}\p{So}\p{Sc}]/gu;

/**
 * Returns what stands for the text's looks: texts that share one of these look alike. One respects the shapes of capitals (Cyrillic
 * В is like B), the other is of the text in small letters, so that capitals make no difference. Never empty; at most two.
 */
export function looksOf(text: string): readonly string[] {
  return [...new Set([looks(text), looks(text.toLowerCase())])];
}

/** Whether the text, or a part of it, looks like `other`. */
export function resembles(text: string, other: string): boolean {
  const others = looksOf(other);
  return looksOf(text).some((look) => others.some((part) => look.includes(part)));
}

/** The text in the plain letters that its own look like, with its punctuation. */
export function plainly(text: string): string {
  let plain = text;
  for (let pass = 0; pass < mostPasses; pass += 1) {
    const next = fold(plain);
    if (next === plain) break;
    plain = next;
  }
  return plain;
}

function looks(text: string): string {
  const plain = plainly(text);
  return plain.replace(indistinct, '') || plain;
}

function fold(text: string): string {
  const letters = [...text.normalize('NFKD')].map((letter) => furtherLookAlikes.get(letter) ?? letter).join('');
  // Two narrow ones make a wide one; the other pair of this kind, r and n, is in the table.
  return unhomoglyph(letters).toLowerCase().replaceAll('vv', 'w');
}

function alphabet(from: string, to: string): [string, string][] {
  const plain = [...to];
  return [...from].map((letter, at) => [letter, plain[at] ?? letter]);
}

/** 26 characters. */
function range(first: number): string {
  return String.fromCodePoint(...Array.from({ length: 26 }, (_, at) => first + at));
}
