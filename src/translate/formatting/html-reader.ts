// Matrix HTML (client-server API, m.room.message, "HTML sanitisation") -> formatted text. Knows the tags that the specification
// allows; of any other tag only the text stays, and of those that carry no text for people nothing.
import { Parser } from 'htmlparser2';
import type { Block, Mark, Run } from './lines.ts';

const marksOfTag: Readonly<Record<string, Mark>> = {
  b: 'bold',
  strong: 'bold',
  h1: 'bold',
  h2: 'bold',
  h3: 'bold',
  h4: 'bold',
  h5: 'bold',
  h6: 'bold',
  i: 'italic',
  em: 'italic',
  s: 'strike',
  del: 'strike',
  strike: 'strike',
  code: 'code',
  tt: 'code',
};

/** Blocks, and how much room they take: 1 starts a line, 2 leaves a blank one. */
const room: Readonly<Record<string, 1 | 2>> = {
  p: 2,
  pre: 2,
  table: 2,
  h1: 2,
  h2: 2,
  h3: 2,
  h4: 2,
  h5: 2,
  h6: 2,
  blockquote: 1,
  caption: 1,
  details: 1,
  div: 1,
  hr: 1,
  li: 1,
  ol: 1,
  summary: 1,
  tr: 1,
  ul: 1,
};

/** `mx-reply` is the quotation that older clients put into a reply. */
const withoutText = new Set(
  'mx-reply head iframe math noscript object script style svg template textarea title'.split(' '),
);

const linkSchemes = /^(?:https?|ftp|mailto|magnet):/i;
const mention = /^https:\/\/matrix\.to\/#\//i;
/** What the bridge puts behind the name of a contact, which is nothing to the contact. */
const label = / \((?:WhatsApp|Messenger)(?: · [0-9a-f]{4})?\)$/;
const deepestIndent = 4;

/** Returns the text of the HTML. Never throws; linear in its length, apart from the parser's stack (bounded by the caller). */
export function readHtml(html: string): Block[] {
  const reader = new HtmlReader();
  const parser = new Parser({
    onopentag: (name, attributes) => reader.open(name, attributes),
    onclosetag: (name) => reader.close(name),
    ontext: (text) => reader.text(text),
  });
  parser.end(html);
  return reader.finish();
}

type Attributes = Readonly<Record<string, string>>;

class HtmlReader {
  readonly #blocks: Block[] = [];
  #line: { readonly prefix: string; readonly runs: Run[] } | undefined;
  readonly #depth: Record<Mark | 'hidden' | 'pre' | 'quote' | 'item', number> = {
    bold: 0,
    italic: 0,
    strike: 0,
    code: 0,
    hidden: 0,
    pre: 0,
    quote: 0,
    item: 0,
  };
  readonly #lists: { next: number | undefined }[] = [];
  #bullet = '';
  /** Room wanted before the next text, and the smallest quote depth since the last one. */
  #gap = { size: 0, quote: 0 };
  #link: { readonly href: string; text: string } | undefined;
  #code: string | undefined;

  open(name: string, attributes: Attributes): void {
    if (withoutText.has(name)) this.#depth.hidden += 1;
    if (this.#depth.hidden > 0) return;
    this.#space(name);
    const mark = marksOfTag[name];
    if (mark !== undefined) this.#depth[mark] += 1;
    switch (name) {
      case 'a':
        this.#link ??= { href: attributes.href ?? '', text: '' };
        break;
      case 'blockquote':
        this.#depth.quote += 1;
        break;
      case 'br':
        this.#newLine();
        break;
      case 'hr':
        this.#write('———');
        break;
      case 'img':
        this.text(attributes.alt || attributes.title || '');
        break;
      case 'li':
        this.#depth.item += 1;
        this.#bullet = this.#nextBullet();
        break;
      case 'ol':
      case 'ul':
        this.#lists.push({ next: name === 'ol' ? startOf(attributes) : undefined });
        break;
      case 'pre':
        this.#depth.pre += 1;
        if (this.#depth.quote + this.#depth.item === 0) this.#code ??= '';
        break;
      case 'span': {
        const spoiler = attributes['data-mx-spoiler'];
        if (spoiler !== undefined) this.text(spoiler === '' ? '[spoiler] ' : `[spoiler: ${spoiler}] `);
        break;
      }
      case 'sup':
        this.#write('^');
        break;
      case 'td':
      case 'th':
        if (this.#line !== undefined) this.#write(' | ');
        break;
    }
  }

  close(name: string): void {
    if (this.#depth.hidden > 0) {
      if (withoutText.has(name)) this.#depth.hidden -= 1;
      return;
    }
    const mark = marksOfTag[name];
    if (mark !== undefined) this.#depth[mark] -= 1;
    if (name === 'a') this.#closeLink();
    if (name === 'blockquote') this.#depth.quote -= 1;
    if (name === 'ol' || name === 'ul') this.#lists.pop();
    if (name === 'li') {
      this.#depth.item -= 1;
      this.#bullet = '';
    }
    if (name === 'pre') this.#closePre();
    this.#space(name);
  }

  text(text: string): void {
    if (this.#depth.hidden > 0) return;
    if (this.#code !== undefined) {
      this.#code += text;
      return;
    }
    if (this.#depth.pre > 0) {
      for (const [index, line] of text.split('\n').entries()) {
        if (index > 0) this.#newLine();
        if (line !== '') this.#write(line);
      }
      return;
    }
    const named = this.#link !== undefined && mention.test(this.#link.href) ? text.replace(label, '') : text;
    const collapsed = named.replace(/[ \t\n\f\r]+/g, ' ');
    const last = this.#line?.runs.at(-1)?.text;
    const words = last === undefined || last.endsWith(' ') ? collapsed.replace(/^ /, '') : collapsed;
    if (words !== '') this.#write(words);
  }

  finish(): Block[] {
    this.#endLine();
    const isBlank = (block: Block | undefined): boolean => block?.kind === 'line' && block.runs.length === 0;
    const first = this.#blocks.findIndex((block) => !isBlank(block));
    const last = this.#blocks.findLastIndex((block) => !isBlank(block));
    return first === -1 ? [] : this.#blocks.slice(first, last + 1);
  }

  #write(text: string): void {
    if (this.#code !== undefined) return;
    this.#line ??= this.#openLine();
    if (this.#link !== undefined) this.#link.text += text;
    const { bold, italic, strike, code, pre } = this.#depth;
    const marks = new Set<Mark>();
    if (code + pre > 0) marks.add('code');
    else {
      if (bold > 0) marks.add('bold');
      if (italic > 0) marks.add('italic');
      if (strike > 0) marks.add('strike');
    }
    const last = this.#line.runs.at(-1);
    if (last !== undefined && last.marks.size === marks.size && [...marks].every((mark) => last.marks.has(mark)))
      this.#line.runs[this.#line.runs.length - 1] = { text: last.text + text, marks };
    else this.#line.runs.push({ text, marks });
  }

  #openLine(): { prefix: string; runs: Run[] } {
    if (this.#gap.size === 2 && this.#blocks.length > 0) this.#blank(this.#gap.quote);
    const prefix = (this.#depth.quote > 0 ? '> ' : '') + this.#bullet;
    this.#bullet = '';
    this.#gap = { size: 0, quote: this.#depth.quote };
    return { prefix, runs: [] };
  }

  #endLine(): void {
    if (this.#line !== undefined) this.#blocks.push({ kind: 'line', ...this.#line });
    this.#line = undefined;
  }

  #newLine(): void {
    if (this.#code !== undefined) this.#code += '\n';
    else if (this.#line !== undefined) this.#endLine();
    else this.#blank(this.#depth.quote);
  }

  #blank(quote: number): void {
    this.#blocks.push({ kind: 'line', prefix: quote > 0 ? '> ' : '', runs: [] });
  }

  #space(name: string): void {
    const size = room[name];
    if (size === undefined || this.#code !== undefined) return;
    this.#endLine();
    this.#gap = {
      size: Math.max(this.#gap.size, this.#depth.item > 0 ? 1 : size),
      quote: Math.min(this.#gap.quote, this.#depth.quote),
    };
  }

  #nextBullet(): string {
    const list = this.#lists.at(-1);
    const indent = '  '.repeat(Math.min(Math.max(this.#lists.length - 1, 0), deepestIndent));
    if (list?.next === undefined) return `${indent}- `;
    list.next += 1;
    return `${indent}${list.next - 1}. `;
  }

  /** A link is written out behind its text, unless that is the link, or the link is a mention. */
  #closeLink(): void {
    const link = this.#link;
    this.#link = undefined;
    if (link === undefined || !linkSchemes.test(link.href) || mention.test(link.href)) return;
    const href = link.href.replace(/\s/g, '');
    const text = link.text.trim();
    if (text === href || `mailto:${text}` === href) return;
    this.#write(text === '' ? href : ` (${href})`);
  }

  #closePre(): void {
    this.#depth.pre -= 1;
    if (this.#code === undefined || this.#depth.pre > 0) return;
    const text = this.#code.replace(/^\n/, '').replace(/\n$/, '');
    this.#code = undefined;
    if (text.trim() === '') return;
    this.#openLine();
    this.#blocks.push({ kind: 'code', text });
  }
}

function startOf(attributes: Attributes): number {
  const { start } = attributes;
  return start !== undefined && /^\d{1,9}$/.test(start) ? Number(start) : 1;
}
