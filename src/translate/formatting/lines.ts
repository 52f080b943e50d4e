// Formatted text between the two markups: lines of runs, and code blocks. What neither side can express is not in here.

export type Mark = 'bold' | 'italic' | 'strike' | 'code';

/** A stretch of text with the same marks. Code carries no other mark. */
export interface Run {
  readonly text: string;
  readonly marks: ReadonlySet<Mark>;
}

export type Block =
  /** `prefix`: what opens the line in WhatsApp's markup: quote, list item. */
  | { readonly kind: 'line'; readonly prefix: string; readonly runs: readonly Run[] }
  | { readonly kind: 'code'; readonly text: string };

export const markers = { bold: '*', italic: '_', strike: '~' } as const satisfies Partial<Record<Mark, string>>;

/** WhatsApp has no markers inside words: next to a letter or a digit, outside, a marker is text (docs/features.md). */
export function insideWord(neighbour: string): boolean {
  return /[\p{L}\p{N}]/u.test(neighbour);
}
