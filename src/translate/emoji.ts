// One emoji: all that a reaction may be, for Matrix carries reactions in plain.

/** As Unicode recommends them; some clients leave out the last variation selector. Made when it is first needed: there are thousands. */
const oneEmoji = (): RegExp => /^\p{RGI_Emoji}$/v;
const variation = '\uFE0F';

/** Returns the emoji in its full form, or undefined where the text is anything else. */
export function emojiOf(text: string): string | undefined {
  return [text, text + variation].find((candidate) => oneEmoji().test(candidate));
}
