// What of a text can be seen. Everything else could hide, reorder or imitate what stands beside it.

/** Scripts in which the invisible joiners change how letters are drawn: Arabic and its kin, India and its neighbours. */
const joiningScripts = 'Arab Syrc Nkoo Deva Beng Guru Gujr Orya Taml Telu Knda Mlym Sinh Khmr Mymr Tibt Mong'.split(
  ' ',
);
const joining = `[[${joiningScripts.map((script) => `\\p{scx=${script}}`).join('')}]&&[\\p{L}\\p{M}]]`;

const legitimate = [
  // Emoji as Unicode recommends them, with the joiners, selectors and tags inside.
  String.raw`\p{RGI_Emoji}`,
  `(?<=${joining})[\\u200c\\u200d](?=${joining})`,
  `(?<=[${joining}&&\\p{M}])\\u200d`,
  // Variants of Chinese characters and Mongolian letters.
  String.raw`(?<=\p{sc=Han})[\ufe00-\ufe02\u{e0100}-\u{e01ef}]`,
  String.raw`(?<=\p{sc=Mong})[\u180b-\u180f]`,
].join('|');

/** Marks that any letter may carry, and as many as a letter needs in any language; more of them is a heap that covers its surroundings. */
const generalMark = String.raw`[\p{sc=Inherited}&&\p{M}]`;
const [mostGeneralMarks, mostMarks] = [3, 8];

const unsafe = [
  // Controls, formats, bidirectional marks and overrides, private use, unassigned; separators; what is drawn as nothing.
  String.raw`[\p{C}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\u2800\ufffc\ufffd\u{1d159}]`,
  // Marks that enclose, and those that have nothing to stand on.
  String.raw`\p{Me}|(?<![\p{L}\p{M}\p{N}\p{S}\u200c\u200d])\p{M}`,
  `(?<=${generalMark}{${mostGeneralMarks}})${generalMark}|(?<=\\p{M}{${mostMarks}})\\p{M}`,
].join('|');

let made: RegExp | undefined;

/** Made when it is first needed: that takes longer than most of the program takes to load. */
function filter(): RegExp {
  made ??= new RegExp(`(${legitimate})|${unsafe}`, 'gv');
  return made;
}

/**
 * Returns the text in NFC and on one line, without anything that cannot be seen, and with few marks on each letter. Joiners stay where
 * a script or an emoji needs them.
 */
export function visible(text: string): string {
  return text.normalize('NFC').replace(/\s+/gu, ' ').replace(filter(), '$1').replace(/ +/g, ' ').trim();
}
