// Names that strangers chose for themselves, made safe to show.

const longestName = 64;

// Controls, bidirectional overrides, invisible characters: what could hide or reorder the external label behind the name.
const unsafe = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * Returns the name on one line, at most 64 characters, or undefined where nothing fit to show is left. A name that looks like a phone
 * number is none: names stand in unencrypted state, and a phone number must not.
 */
export function cleanName(text: string): string | undefined {
  const name = [...text.normalize('NFC').replace(unsafe, '').replace(/\s+/g, ' ').trim()]
    .slice(0, longestName)
    .join('')
    .trim();
  if (name === '' || looksLikePhoneNumber(name)) return undefined;
  return name;
}

function looksLikePhoneNumber(name: string): boolean {
  const digits = [...name].filter((character) => /\p{Nd}/u.test(character)).length;
  return digits >= 6;
}
