// Words that strangers chose for themselves, made safe to show on one line.

const longestName = 64;

// Controls, bidirectional overrides, invisible characters: what could hide or reorder the external label behind the name.
const unsafe = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/** Returns the text on one line, without invisible characters, cut at `longest` characters. */
export function oneLine(text: string, longest: number): string {
  const shown = text
    .slice(0, longest * 8)
    .normalize('NFC')
    .replace(/\s+/g, ' ')
    .replace(unsafe, '')
    .trim();
  return [...shown].slice(0, longest).join('').trim();
}

/**
 * Returns the name on one line, at most 64 characters, or undefined where nothing fit to show is left. A name that looks like a phone
 * number is none: names stand in unencrypted state, and a phone number must not.
 */
export function cleanName(text: string): string | undefined {
  const name = oneLine(text, longestName);
  return name === '' || looksLikePhoneNumber(name) ? undefined : name;
}

function looksLikePhoneNumber(name: string): boolean {
  const digits = [...name].filter((character) => /\p{Nd}/u.test(character)).length;
  return digits >= 6;
}
