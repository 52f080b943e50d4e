// Formatting of hostile size and shape: no hang, no exception.
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { readMarkup } from '../../src/translate/formatting/markup-reader.ts';
import { parseMessage } from '../../src/translate/to-matrix.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';

const sent = (content: Record<string, unknown>): string | undefined => {
  const result = toWhatsApp('m.room.message', content);
  return result.kind === 'message' ? parseMessage(result.payload).conversation : undefined;
};

const html = (formatted_body: string, body = 'the plain body') => ({
  msgtype: 'm.text',
  body,
  format: 'org.matrix.custom.html',
  formatted_body,
});

// Quadratic work on this much would take minutes; the bound is far from both, for busy machines.
describe('hostile input', { timeout: 60_000 }, () => {
  const quick = (work: () => unknown): void => {
    const start = performance.now();
    work();
    expect(performance.now() - start).toBeLessThan(10_000);
  };
  const megabyte = (unit: string): string => unit.repeat(Math.ceil(1_000_000 / unit.length));

  it.each([
    ...[
      '*',
      '_a',
      '*a ',
      ' *a',
      '*_~',
      '`',
      '` ',
      '```',
      '```a',
      '``` ',
      '```a```',
      '```\n',
      '> ',
      '> *',
      '- ',
      '1. ',
      '\n',
      '- a\n',
    ],
    ...['https://', 'https://*', 'https://_ ', '<', '&', '* a* ', '*a*_b_', '\n\n> a\n\n'],
  ])('a megabyte of %j from a contact does not hang', (unit) => {
    quick(() => readMarkup(megabyte(unit)));
    quick(() => readMarkup(`*${megabyte(unit)}x*`));
  });

  it.each([
    ...[
      '<b>',
      '<b><i>',
      '</b>',
      '<ul><li>',
      '<blockquote>',
      '<p>',
      '<a href="https://x">',
      '<pre>',
      '<code>a',
      '<table><tr><td>',
    ],
    ...[
      '<!--',
      '<![CDATA[',
      '<b a=',
      '<',
      '&',
      '&amp;',
      '&#x1F600;',
      '<br>',
      '<mx-reply>',
      '<li>',
      '<b>a</b>*',
      '<sup>',
      ' ',
      '<hr>',
    ],
    ...['<p>a</p>', '<b>a</b><i>b</i>', '<code>`</code>', '<svg><b>', '<ol start="99999999999999999"><li>x'],
  ])('nested and broken HTML (%j) does not hang', (unit) => {
    const largest = unit.repeat(Math.floor(65_000 / unit.length));
    quick(() => sent(html(largest)));
    quick(() => sent(html(`${largest.slice(0, 60_000)}</b></i></p>text`)));
    // Larger than any event: not read at all.
    expect(sent(html(megabyte(unit)))).toBe('the plain body');
  });

  it('any content gives a message or a refusal, never an exception', () => {
    fc.assert(
      fc.property(
        fc.dictionary(
          fc.constantFrom('msgtype', 'body', 'format', 'formatted_body', 'geo_uri', 'm.relates_to'),
          fc.oneof(
            fc.anything(),
            fc.constantFrom('m.text', 'm.emote', 'm.location', 'org.matrix.custom.html', '\ud800', '__proto__'),
          ),
        ),
        (content) => {
          expect(['message', 'refused']).toContain(toWhatsApp('m.room.message', content).kind);
        },
      ),
    );
  });
});
