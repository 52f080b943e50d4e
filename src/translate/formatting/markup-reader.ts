// WhatsApp's markup -> Matrix HTML. Whatever the text is, the HTML is made of the tags written in this file and of escaped text.
// How WhatsApp reads its markers is assumed, from its help page and from what independent clients do (docs/features.md).
import { insideWord } from './lines.ts';

/** Text of one line, or code inside it. */
type Piece = string | { readonly code: string };
type Line = readonly Piece[] | { readonly block: string };

export const fence = '```';
const tags: Readonly<Record<string, string>> = { '*': 'strong', _: 'em', '~': 'del' };

/** Returns sanitised HTML, or undefined where the text has no formatting. Linear in its length. */
export function readMarkup(text: string): string | undefined {
  const html = blocks(lines(text));
  return /<(?!br>)/.test(html) ? html : undefined;
}

function lines(text: string): Line[] {
  const found: Line[] = [];
  let line: Piece[] = [];
  let afterBlock = false;
  const add = (plain: string): void => {
    for (const [index, part] of plain.split('\n').entries()) {
      // The line break right behind a block ends the block.
      if (index > 0 && !(afterBlock && line.length === 0)) found.push(line);
      if (index > 0) line = [];
      if (index > 0 || part !== '') afterBlock = false;
      if (part !== '') line.push(part);
    }
  };
  let position = 0;
  for (const { start, end } of fenced(text)) {
    add(text.slice(position, start));
    position = end;
    const code = text.slice(start + fence.length, end - fence.length);
    if (code.includes('\n')) {
      if (line.length > 0) found.push(line);
      found.push({ block: code.replace(/^\n/, '').replace(/\n$/, '') });
      line = [];
      afterBlock = true;
    } else line.push({ code });
  }
  add(text.slice(position));
  if (line.length > 0 || !afterBlock) found.push(line);
  return found;
}

/** Where code stands between fences, the fences included. What is blank between two of them is text. */
export function fenced(text: string): { readonly start: number; readonly end: number }[] {
  const found: { start: number; end: number }[] = [];
  let start = text.indexOf(fence);
  for (;;) {
    const close = start === -1 ? -1 : text.indexOf(fence, start + fence.length);
    if (close === -1) return found;
    if (text.slice(start + fence.length, close).trim() === '') start = close;
    else {
      const end = close + fence.length;
      found.push({ start, end });
      start = text.indexOf(fence, end);
    }
  }
}

type Kind = { readonly tag: 'p' | 'pre' | 'blockquote' | 'ul' } | { readonly tag: 'ol'; readonly number: number };

/** Consecutive lines of one kind become one element. */
function blocks(all: readonly Line[]): string {
  const html: string[] = [];
  let open: Kind = { tag: 'p' };
  let items: string[] = [];
  const close = (): void => {
    if (open.tag === 'p') html.push(items.join('<br>'));
    else if (open.tag === 'pre') html.push(`<pre><code>${items.join('')}</code></pre>`);
    else if (open.tag === 'blockquote') html.push(`<blockquote>${items.join('<br>')}</blockquote>`);
    else {
      const start =
        open.tag === 'ol' && open.number !== items.length ? ` start="${open.number - items.length + 1}"` : '';
      html.push(`<${open.tag}${start}>${items.map((item) => `<li>${item}</li>`).join('')}</${open.tag}>`);
    }
    items = [];
  };
  for (const line of all) {
    const { kind, content } = classify(line);
    if (!continues(open, kind)) {
      // A blank line around a block only makes room, which the block does by itself.
      if (open.tag === 'p' && items.at(-1) === '') items.pop();
      close();
    }
    open = kind;
    if (kind.tag === 'p' && content === '' && items.length === 0 && html.some((part) => part !== '')) continue;
    items.push(content);
  }
  close();
  return html.join('');
}

function continues(open: Kind, next: Kind): boolean {
  if (open.tag === 'ol') return next.tag === 'ol' && next.number === open.number + 1;
  return open.tag === next.tag && open.tag !== 'pre';
}

function classify(line: Line): { kind: Kind; content: string } {
  if ('block' in line) return { kind: { tag: 'pre' }, content: escaped(line.block) };
  const [first, ...rest] = line;
  const [prefix, sign] = (typeof first === 'string' && /^(>|[-*]|0\.|[1-9]\d{0,8}\.) /.exec(first)) || [];
  if (typeof first !== 'string' || prefix === undefined || (first === prefix && rest.length === 0))
    return { kind: { tag: 'p' }, content: inline(line) };
  const content = inline([first.slice(prefix.length), ...rest]);
  if (sign === '>') return { kind: { tag: 'blockquote' }, content };
  if (sign === '-' || sign === '*') return { kind: { tag: 'ul' }, content };
  return { kind: { tag: 'ol', number: Number.parseInt(prefix, 10) }, content };
}

/** Bold, italic, strike, code. One marker of a kind is open at a time, and what is opened inside is closed inside. */
function inline(pieces: readonly Piece[]): string {
  const html: string[] = [];
  const open: { readonly marker: string; readonly at: number }[] = [];
  for (const [index, piece] of pieces.entries()) {
    if (typeof piece !== 'string') {
      html.push(`<code>${escaped(piece.code)}</code>`);
      continue;
    }
    let plain = 0;
    const flush = (until: number): void => {
      if (until > plain) html.push(escaped(piece.slice(plain, until)));
    };
    // A link is text as a whole, whatever it contains; markers at its end are not part of it.
    for (const match of piece.matchAll(/https?:\/\/\S*[^\s*_~`]|`([^`]+)`|[*_~]/g)) {
      const [token, code] = match;
      const at = match.index;
      if (at < plain) continue;
      const marker = token.length === 1 ? token : undefined;
      if (code !== undefined) {
        if (code.trim() === '') continue;
        flush(at);
        html.push(`<code>${escaped(code)}</code>`);
        plain = at + token.length;
      } else if (marker !== undefined) {
        const before = piece[at - 1] ?? (index > 0 ? '`' : '');
        const after = piece[at + 1] ?? (index < pieces.length - 1 ? '`' : '');
        if (before === marker || after === marker) continue;
        const opener = open.findIndex((candidate) => candidate.marker === marker);
        const tag = tags[marker];
        const opened = open[opener];
        if (opened !== undefined && /\S/.test(before) && !insideWord(after)) {
          flush(at);
          html[opened.at] = `<${tag}>`;
          html.push(`</${tag}>`);
          open.length = opener;
        } else if (opened === undefined && /\S/.test(after) && !insideWord(before)) {
          flush(at);
          open.push({ marker, at: html.length });
          html.push(marker);
        } else continue;
        plain = at + 1;
      }
    }
    flush(piece.length);
  }
  return html.join('');
}

/** Returns text that HTML shows as it is, in elements and in attributes. */
function escaped(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll("'", '&#39;');
}
