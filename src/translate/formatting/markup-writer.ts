// Formatted text -> WhatsApp's markup. WhatsApp has no escape character, so text comes before formatting: a marker is written only
// where WhatsApp reads it as one, and where it cannot be, the text goes without. Text itself is never changed (docs/features.md).
import { type Block, insideWord, type Mark, markers, type Run } from './lines.ts';

const fence = '```';

/** Returns the text in WhatsApp's markup. Linear in the length of the blocks. */
export function writeMarkup(blocks: readonly Block[]): string {
  return blocks.map(writeBlock).join('\n');
}

/** Returns an action ("waves") in italics, line by line: `* waves` would be a list item on WhatsApp. */
export function writeEmote(text: string): string {
  const italic = new Set<Mark>(['italic']);
  const lines = text.split('\n').map((line) => writeLine([{ text: line, marks: italic }]));
  return lines.join('\n');
}

function writeBlock(block: Block): string {
  if (block.kind === 'line') return (block.prefix + writeLine(block.runs)).trimEnd();
  const unfit = block.text.includes(fence) || /^\s*$|^`|`$/.test(block.text);
  return unfit ? block.text : fence + block.text + fence;
}

function writeLine(runs: readonly Run[]): string {
  const plain = runs.map((run) => (run.marks.has('code') ? '' : run.text)).join('');
  const written = runs.map((run) => (run.marks.has('code') && !plain.includes('`') ? writeCode(run.text) : undefined));
  // A marker that also stands in the text of this line could pair with ours: then the line goes without it.
  const literal = runs.map((run, index) => (written[index] === undefined ? run.text : '')).join('');
  const pieces = runs.map((run, index) => ({ ...run, written: written[index] ?? run.text }));
  const usable = (['bold', 'italic', 'strike'] as const).filter((mark) => !literal.includes(markers[mark]));
  return writeMarks(pieces, usable, '', '');
}

/** Returns undefined where the markup cannot express it. */
function writeCode(text: string): string | undefined {
  if (text.trim() === '') return undefined;
  if (!text.includes('`')) return `\`${text}\``;
  return text.includes(fence) || text.startsWith('`') || text.endsWith('`') ? undefined : fence + text + fence;
}

interface Piece extends Run {
  readonly written: string;
}

/** `before`, `after`: the neighbouring characters in the visible text, empty at the ends of the line. */
function writeMarks(
  pieces: readonly Piece[],
  [mark, ...inner]: readonly (keyof typeof markers)[],
  before: string,
  after: string,
): string {
  if (mark === undefined) return pieces.map((piece) => piece.written).join('');
  const groups = grouped(pieces, mark);
  return groups
    .map((group, index) => {
      const previous = groups[index - 1]?.at(-1)?.text.at(-1) ?? before;
      const next = groups[index + 1]?.[0]?.text.at(0) ?? after;
      const text = writeMarks(group, inner, previous, next);
      return group[0]?.marks.has(mark) ? wrap(text, markers[mark], previous, next) : text;
    })
    .join('');
}

function wrap(text: string, marker: string, before: string, after: string): string {
  const core = text.trim();
  if (core === '') return text;
  const lead = text.slice(0, text.length - text.trimStart().length);
  const trail = text.slice(text.trimEnd().length);
  if ((lead === '' && insideWord(before)) || (trail === '' && insideWord(after))) return text;
  return lead + marker + core + marker + trail;
}

function grouped(pieces: readonly Piece[], mark: Mark): Piece[][] {
  const groups: Piece[][] = [];
  for (const piece of pieces.filter(({ text }) => text !== '')) {
    const group = groups.at(-1);
    if (group?.[0]?.marks.has(mark) === piece.marks.has(mark)) group?.push(piece);
    else groups.push([piece]);
  }
  return groups;
}
