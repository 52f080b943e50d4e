// Globs, as in policy rooms: written by anybody, so matched without regular expressions, which some of them would hang.

/**
 * Whether `glob` describes the whole of `text`: `*` stands for any number of characters, `?` for one (Matrix spec, "Glob-style matching").
 * Looks at most `glob.length * text.length` times.
 */
export function globMatches(glob: string, text: string): boolean {
  let at = 0;
  let sign = 0;
  /** Behind the last `*`, and where the text goes on if that takes one character more. */
  let back: { readonly sign: number; readonly at: number } | undefined;
  while (at < text.length) {
    if (glob[sign] === '*') {
      sign += 1;
      back = { sign, at };
    } else if (glob[sign] === '?' || glob[sign] === text[at]) {
      sign += 1;
      at += 1;
    } else if (back !== undefined) {
      back = { sign: back.sign, at: back.at + 1 };
      ({ sign, at } = back);
    } else return false;
  }
  return /^\**$/.test(glob.slice(sign));
}

/** Whether a text with this ending may fit; wrong only in saying yes. */
export function mayFitEnding(glob: string, ending: string): boolean {
  for (let back = 1; back <= Math.min(glob.length, ending.length); back += 1) {
    const sign = glob.at(-back);
    if (sign === '*') return true;
    if (sign !== '?' && sign !== ending.at(-back)) return false;
  }
  return true;
}
