// Long texts: in several events, nothing lost, nothing torn that a reader would miss.
import { create } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageSchema } from '../../src/proto/message_pb.ts';
import { capabilities, largestContent, longestText } from '../../src/translate/capabilities.ts';
import { readMarkup } from '../../src/translate/formatting/markup-reader.ts';
import { splitText } from '../../src/translate/formatting/split.ts';
import { editedContents } from '../../src/translate/text.ts';
import { toMatrix } from '../../src/translate/to-matrix.ts';

/** Fences that were added where code was torn. */
const seams = /```\n?```\n/g;

const contents = (text: string, context = {}) => {
  const result = toMatrix(create(MessageSchema, { extendedTextMessage: { text, ...context } }));
  if (result.kind !== 'message') throw new Error(result.kind);
  return [result.content, ...(result.more ?? [])];
};

const sizeOf = (content: unknown): number => Buffer.byteLength(JSON.stringify(content));

describe('a text of any length', () => {
  it('is whole again when its parts are put together', () => {
    const piece = fc.oneof(
      fc.string({ unit: 'grapheme', maxLength: 30 }),
      fc.constantFrom('\n', '\n\n', ' ', '. ', '```', '*', '- ', '> ', '😀', '🇪🇺', '👩🏽‍🚒', 'e\u0301', '\r\n'),
    );
    const text = fc.array(piece, { maxLength: 200 }).map((pieces) => pieces.join(''));
    fc.assert(
      fc.property(text, fc.integer({ min: 260, max: 600 }), (whole, room) => {
        const parts = splitText(whole, room);
        for (const part of parts) expect(sizeOf({ msgtype: 'm.text', body: part })).toBeLessThanOrEqual(room);
        expect(parts.every((part) => part.isWellFormed())).toBe(true);
        const joined = parts.join('');
        if (!whole.includes('```')) expect(joined).toBe(whole);
        expect(joined.replaceAll('```', '').replaceAll('\n', '')).toBe(
          whole.replaceAll('```', '').replaceAll('\n', ''),
        );
      }),
      { numRuns: 500 },
    );
  });

  it('is cut between characters as people see them', () => {
    const character = fc.constantFrom('a', '😀', '🇪🇺', '👩🏽‍🚒', 'e\u0301', '각', ' ', '\n');
    const graphemes = new Intl.Segmenter('en', { granularity: 'grapheme' });
    fc.assert(
      fc.property(fc.array(character, { minLength: 100, maxLength: 400 }), (characters) => {
        const whole = characters.join('');
        const boundaries = new Set(Array.from(graphemes.segment(whole), ({ index }) => index));
        let at = 0;
        for (const part of splitText(whole, 300)) {
          expect(boundaries.has(at)).toBe(true);
          at += part.length;
        }
      }),
    );
  });

  it('fits into events, formatted where it was', () => {
    for (const unit of [
      'x',
      '\u0001',
      'é',
      '😀',
      '"',
      '<',
      '&',
      '*b* ',
      '\n',
      '- i\n',
      '> q\n',
      '1. i\n2. i\n',
      '`c` ',
    ]) {
      const whole = unit.repeat(Math.floor(longestText / unit.length));
      const all = contents(whole);
      expect(all.map(({ body }) => body).join('')).toBe(whole);
      for (const content of all) expect(sizeOf(content)).toBeLessThanOrEqual(largestContent);
      expect(all.every((content) => content.formatted_body !== undefined)).toBe(
        readMarkup(unit.repeat(2)) !== undefined,
      );
    }
  });

  it('that is ordinary takes one event', () => {
    expect(contents('x'.repeat(40_000))).toEqual([{ msgtype: 'm.text', body: 'x'.repeat(40_000) }]);
  });

  it('beyond what WhatsApp takes is cut off, and says so', () => {
    const all = contents('x'.repeat(longestText + 1));
    expect(all.at(-1)?.body).toMatch(/x\n\n\[The bridge cut this message off here: .*\]$/);
    expect(contents('x'.repeat(1_000_000))).toHaveLength(all.length);
  });

  it('leaves room for what it answers', () => {
    const quotedMessage = { conversation: `"<&${'"'.repeat(300)}` };
    const text = '"'.repeat(30_000);
    const result = toMatrix(
      create(MessageSchema, { extendedTextMessage: { text, contextInfo: { stanzaId: 'A1', quotedMessage } } }),
    );
    if (result.kind !== 'message') throw new Error(result.kind);
    const { body } = result.answers?.quoting ?? {};
    expect(String(body).replace(/^> .*\n\n/, '')).toBe(result.content.body);
    expect([result.content, ...(result.more ?? [])].map((content) => content.body).join('')).toBe(text);
  });
});

describe('an edited text fills the events that its message has', () => {
  const edited = (text: string, count: number) =>
    editedContents(text, capabilities.whatsapp, count).map(({ body }) => String(body));
  const gone = expect.stringMatching(/^\[This part of the message is gone/);

  it('of which those that are left over say so', () => {
    expect(edited('short', 1)).toEqual(['short']);
    expect(edited('short', 3)).toEqual(['short', gone, gone]);
    const whole = 'word '.repeat(12_000).trim();
    const [first, second, third] = edited(whole, 3);
    expect([`${first}${second}`, third]).toEqual([whole, gone]);
  });

  it('and is cut off where they are too few', () => {
    for (const count of [1, 2]) {
      const all = edited('"'.repeat(longestText), count);
      expect(all).toHaveLength(count);
      expect(all.at(-1)?.slice(-200)).toMatch(/\n\n\[The bridge cut this message off here: .*\]$/);
      for (const body of all) expect(sizeOf({ msgtype: 'm.text', body })).toBeLessThanOrEqual(largestContent);
    }
  });
});

describe('cuts', () => {
  const line = (word: string, times: number) => `${`${word} `.repeat(times).trim()}.`;

  it('come between paragraphs, then lines, then sentences, then words', () => {
    const text = (separator: string) => `${line('one', 40)}${separator}${line('Two', 40)}`;
    expect(splitText(text('\n\n'), 420)).toEqual([`${line('one', 40)}\n\n`, line('Two', 40)]);
    expect(splitText(text('\n'), 420)).toEqual([`${line('one', 40)}\n`, line('Two', 40)]);
    expect(splitText(text(' '), 420)).toEqual([`${line('one', 40)} `, line('Two', 40)]);
    const [first] = splitText('word '.repeat(100), 420);
    expect(first).toMatch(/^(word )+$/);
  });

  it('leave code whole where they can, and close and open it again where they cannot', () => {
    const short = `${line('word', 30)}\n\`\`\`\n${'code\n'.repeat(20)}\`\`\``;
    expect(splitText(short, 760)).toEqual([`${line('word', 30)}\n`, short.slice(short.indexOf('```'))]);
    const long = `Look:\n\`\`\`\n${Array.from({ length: 100 }, (_, index) => `line ${index}\n`).join('')}\`\`\`\nDone.`;
    const parts = splitText(long, 600);
    expect(parts.length).toBeGreaterThan(2);
    expect(parts.join('').replaceAll(seams, '')).toBe(long);
    const code = parts.map((part) => /<pre><code>(.*)<\/code><\/pre>/s.exec(readMarkup(part) ?? '')?.[1]);
    expect(code.join('\n')).toBe(Array.from({ length: 100 }, (_, index) => `line ${index}`).join('\n'));
  });
});

it('a character without end is cut all the same', () => {
  const parts = splitText(`a${'\u0301'.repeat(5000)}`, 1000);
  expect(parts.join('')).toBe(`a${'\u0301'.repeat(5000)}`);
});
