// Text in WhatsApp's markup that is too long for one event -> parts that are not, cut where a reader would pause. Pure.
import { fence, fenced, readMarkup } from './markup-reader.ts';

/** What the JSON around the texts takes, and fences that close and open torn code again; in bytes. */
const frame = 200;

/**
 * Returns parts that, with their formatting, take about `room` bytes of JSON each, and never more without it; `reserve` bytes of the first
 * stay free. Put together they are the text again, but for fences at the seams of code that was torn.
 */
export function splitText(text: string, room: number, reserve = 0): [string, ...string[]] {
  const formatted = readMarkup(text) !== undefined;
  const blocks = formatted ? fenced(text) : [];
  const parts: [string, ...string[]] = [''];
  let start = 0;
  let opening = '';
  for (;;) {
    const free = room - frame - (start === 0 ? reserve : 0);
    const far = farthest(text, start, free, formatted);
    const wanted = far === text.length ? far : pause(text, start, far);
    const block = blocks.find((candidate) => candidate.start < wanted && wanted < candidate.end);
    const { end, torn } = block === undefined ? { end: wanted, torn: false } : atBlock(block, start, wanted);
    const part = opening + text.slice(start, end) + (torn ? fence : '');
    if (start === 0) parts[0] = part;
    else parts.push(part);
    if (end >= text.length) return parts;
    start = end;
    opening = torn ? `${fence}\n` : '';
  }
}

/** Code goes into the next part as a whole, unless that would leave this one half empty. */
function atBlock(block: { start: number; end: number }, start: number, wanted: number): { end: number; torn: boolean } {
  const before = block.start - start;
  if (before > (wanted - start) / 2 || (before > 0 && wanted <= block.start + fence.length))
    return { end: block.start, torn: false };
  return wanted < block.end - fence.length ? { end: wanted, torn: true } : { end: block.end, torn: false };
}

/** How far a part may reach. */
function farthest(text: string, start: number, room: number, formatted: boolean): number {
  let left = room;
  let at = start;
  while (at < text.length) {
    const code = text.codePointAt(at) ?? 0;
    left -= bytesInBody(code) + (formatted ? bytesInHtml(code) : 0);
    if (left < 0 && at > start) return at;
    at += code > 0xffff ? 2 : 1;
  }
  return at;
}

/** Of one character in JSON. */
function bytesInBody(code: number): number {
  if (code < 0x20) return '\b\t\n\f\r'.includes(String.fromCodePoint(code)) ? 2 : 6;
  if (code === 0x22 || code === 0x5c) return 2;
  if (code < 0x80) return 1;
  if (code < 0x800) return 2;
  if (code >= 0xd800 && code < 0xe000) return 6;
  return code > 0xffff ? 4 : 3;
}

/** About what tags and escapes take, in JSON. */
const inHtml = new Map(
  Object.entries({ '\n': 14, '*': 9, _: 5, '~': 6, '`': 7, '&': 5, '<': 4, '>': 4, '"': 6, "'": 5 }).map(
    ([character, bytes]) => [character.codePointAt(0), bytes],
  ),
);

function bytesInHtml(code: number): number {
  return inHtml.get(code) ?? bytesInBody(code);
}

let segmenters: Readonly<Record<'sentences' | 'graphemes', Intl.Segmenter>> | undefined;

/** Made with the first long text: that takes longer than most of the program takes to load. */
function segmenting() {
  segmenters ??= {
    sentences: new Intl.Segmenter('en', { granularity: 'sentence' }),
    graphemes: new Intl.Segmenter('en', { granularity: 'grapheme' }),
  };
  return segmenters;
}

/** The last paragraph, line, sentence or word in the second half of what fits; otherwise as far as whole characters go. */
function pause(text: string, start: number, far: number): number {
  const fitting = text.slice(start, far);
  const half = fitting.length / 2;
  for (const separator of ['\n\n', '\n']) {
    const after = fitting.lastIndexOf(separator) + separator.length;
    if (after > half) return start + after;
  }
  const { sentences, graphemes } = segmenting();
  const sentence = sentences.segment(fitting).containing(fitting.length - 1)?.index ?? 0;
  if (sentence > half) return start + sentence;
  const characters = graphemes.segment(text.slice(start, far + 2));
  const isWhole = (at: number): boolean => characters.containing(at)?.index === at;
  for (let at = fitting.length; at > half; at -= 1) {
    if (/\s/.test(fitting.charAt(at - 1)) && isWhole(at)) return start + at;
  }
  return start + (characters.containing(fitting.length)?.index || fitting.length);
}
