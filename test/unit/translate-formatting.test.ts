// Formatting between WhatsApp's markup and Matrix HTML.
import fc from 'fast-check';
import { Parser } from 'htmlparser2';
import { describe, expect, it } from 'vitest';
import { readHtml } from '../../src/translate/formatting/html-reader.ts';
import { readMarkup } from '../../src/translate/formatting/markup-reader.ts';
import { writeMarkup } from '../../src/translate/formatting/markup-writer.ts';
import { parseMessage } from '../../src/translate/to-matrix.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';

const toMarkup = (html: string): string => writeMarkup(readHtml(html));

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

interface Tag {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string>>;
}

/** What a browser-like parser finds in the HTML. */
function parsed(source: string): { text: string; tags: Tag[] } {
  let text = '';
  const tags: Tag[] = [];
  const parser = new Parser({
    ontext: (part) => {
      text += part;
    },
    onopentag: (name, attributes) => {
      tags.push({ name, attributes });
      text += ' ';
    },
    oncomment: () => tags.push({ name: 'comment', attributes: {} }),
    onprocessinginstruction: () => tags.push({ name: 'instruction', attributes: {} }),
  });
  parser.end(source);
  return { text, tags };
}

/** Everything but the characters that may be markup. */
const words = (text: string): string => text.replace(/[*_~`>\-.\d\s]/g, '');

const markup = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...[
          '*',
          '_',
          '~',
          '`',
          '```',
          '**',
          ' ',
          '\n',
          '> ',
          '- ',
          '* ',
          '1. ',
          '2. ',
          'a',
          'b c',
          'é',
          '7',
          '(',
          '.',
          '!',
        ],
        ...[
          '<',
          '&',
          '"',
          '<b>',
          '</b>',
          '<script>',
          '&lt;',
          '<!--',
          '<a href="javascript:x">',
          'https://x.org/_a_*b',
          '😀',
        ],
      ),
      fc.string({ unit: 'grapheme', maxLength: 5 }),
    ),
    { maxLength: 40 },
  )
  .map((parts) => parts.join(''));

describe('from WhatsApp', () => {
  it.each([
    ['*bold* _italic_ ~strike~ `code`', '<strong>bold</strong> <em>italic</em> <del>strike</del> <code>code</code>'],
    ['*all _of ~them~ here_*', '<strong>all <em>of <del>them</del> here</em></strong>'],
    ['(*bold*), "_it_".', '(<strong>bold</strong>), &quot;<em>it</em>&quot;.'],
    ['*a\n*b*', '*a<br><strong>b</strong>'],
    ['*crossing _over* here_', '<strong>crossing _over</strong> here_'],
    ['`*not bold*`', '<code>*not bold*</code>'],
    ['see ```x * y``` there', 'see <code>x * y</code> there'],
    ['Code:\n```one\n  two```\nEnd', 'Code:<pre><code>one\n  two</code></pre>End'],
    ['List:\n- one\n- *two*\nEnd', 'List:<ul><li>one</li><li><strong>two</strong></li></ul>End'],
    ['* one\n* two', '<ul><li>one</li><li>two</li></ul>'],
    ['1. one\n2. two', '<ol><li>one</li><li>two</li></ol>'],
    [
      '7. seven\n8. eight\n3. three',
      '<ol start="7"><li>seven</li><li>eight</li></ol><ol start="3"><li>three</li></ol>',
    ],
    ['> quoted\n> _more_\n\nanswer', '<blockquote>quoted<br><em>more</em></blockquote>answer'],
    ['*https://x.org/a_b_c*', '<strong>https://x.org/a_b_c</strong>'],
    ['*<b>&*', '<strong>&lt;b&gt;&amp;</strong>'],
  ])('reads %j', (text, expected) => {
    expect(readMarkup(text)).toBe(expected);
  });

  it.each([
    'plain text\nin two lines',
    '2*3*4 = 24 and a * b * c',
    'snake_case_name and __init__ and **kwargs**',
    '* \n- \n> \n1. ',
    '*never closed',
    'not* this*',
    '* not this *\u00a0'.slice(1),
    '~/bin and ~/lib',
    'https://x.org/_a_b_/c*d*',
    '<b>tags</b> & &amp; entities',
    '``````',
    '5 > 3, -1 and 2.5',
  ])('finds no formatting in %j', (text) => {
    expect(readMarkup(text)).toBeUndefined();
  });

  it('makes only tags of its own, without attributes, and loses no text', () => {
    fc.assert(
      fc.property(markup, (text) => {
        const found = readMarkup(text);
        if (found === undefined) return;
        const { text: shown, tags } = parsed(found);
        expect(words(shown)).toBe(words(text));
        for (const { name, attributes } of tags) {
          expect('strong em del code pre ul ol li blockquote br'.split(' ')).toContain(name);
          expect(Object.entries(attributes).filter(([key, value]) => key !== 'start' || !/^\d+$/.test(value))).toEqual(
            [],
          );
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('to WhatsApp', () => {
  it.each([
    ['<b>bold</b> <strong>b</strong> <i>i</i> <em>i</em> <del>d</del> <s>s</s>', '*bold* *b* _i_ _i_ ~d~ ~s~'],
    ['<b>all <i>of <del>them</del></i></b>', '*all _of ~them~_*'],
    ['<b> spaces </b>around<b> </b>', ' *spaces* around'.trim()],
    ['<b>two<br>lines</b>', '*two*\n*lines*'],
    ['<code>a * b</code> <code>a`b</code> <code>```</code>', '`a * b` ```a`b``` ```'],
    ['<b>see <code>x</code></b>', '*see* `x`'],
    ['<p>One</p><p>Two</p>', 'One\n\nTwo'],
    ['<p>A</p>\n<ul>\n<li>one</li>\n<li><p>two</p></li>\n</ul>\n<p>B</p>', 'A\n\n- one\n- two\n\nB'],
    ['<ol start="3"><li>c</li><li>d<ul><li>deep</li></ul></li></ol>', '3. c\n4. d\n  - deep'],
    ['<blockquote><p>q</p><p>r</p></blockquote>answer', '> q\n>\n> r\n\nanswer'],
    ['<pre><code class="language-x">one\n  two &lt;3\n</code></pre>', '```one\n  two <3```'],
    ['<blockquote><pre>one\ntwo</pre></blockquote>', '> `one`\n> `two`'],
    ['<h1>Title</h1>text', '*Title*\n\ntext'],
    ['<table><tr><th>a</th><th>b</th></tr><tr><td>1</td><td>2</td></tr></table>', 'a | b\n1 | 2'],
    ['x<sup>2</sup> H<sub>2</sub>O', 'x^2 H2O'],
    ['<span data-mx-spoiler="end">he dies</span>', '[spoiler: end] he dies'],
    ['<img src="mxc://x/y" alt=":wave:"> hi', ':wave: hi'],
    ['<a href="https://matrix.to/#/@anna:example.org">Anna</a>: hi', 'Anna: hi'],
    ['<a href="https://matrix.to/#/@wa_1:example.org">A&amp;B (WhatsApp)</a>: hi (WhatsApp)', 'A&B: hi (WhatsApp)'],
    ['<a href="https://matrix.to/#/@wa_1:example.org">Anna (WhatsApp · 3f9c)</a>', 'Anna'],
    ['<a href="https://x.org/a_b_c">https://x.org/a_b_c</a>', 'https://x.org/a_b_c'],
    ['<a href="https://x.org">https://bank.example</a>', 'https://bank.example (https://x.org)'],
    ['<a href="mailto:a@x.org">a@x.org</a>', 'a@x.org'],
    ['<a href="javascript:alert(1)">click</a>', 'click'],
    ['<unknown onclick="x">kept</unknown><script>no</script><style>no</style>', 'kept'],
  ])('writes %s', (source, expected) => {
    expect(sent(html(source))).toBe(expected);
  });

  it.each([
    ['inside words', '<b>un</b>believable', 'unbelievable'],
    ['beside the same sign', '5 * <b>x</b>', '5 * x'],
    ['around the same sign', '<i>snake_case</i>', 'snake_case'],
    ['next to each other in a word', '<b>a</b><i>b</i>', 'ab'],
  ])('text comes before formatting %s', (_, source, expected) => {
    expect(sent(html(source))).toBe(expected);
  });

  it('leaves text without formatting as it is, sign for sign', () => {
    fc.assert(
      fc.property(markup, (body) => {
        fc.pre(body.trim() !== '');
        expect(sent({ msgtype: 'm.text', body })).toBe(body);
        expect(sent({ msgtype: 'm.text', body, format: 'something.else', formatted_body: '<b>x</b>' })).toBe(body);
      }),
    );
  });

  it('leaves out the quotation that older clients put into a reply', () => {
    const reply = html('<mx-reply><blockquote>old <b>text</b></blockquote></mx-reply>answer', '> old text\n\nanswer');
    expect(sent({ ...reply, 'm.relates_to': { 'm.in_reply_to': { event_id: '$e' } } })).toBe('answer');
  });

  it('falls back to the plain body where the HTML shows nothing', () => {
    for (const source of ['', '<mx-reply>all of it', '<script>x</script>', '<p> </p><br>', '<ul><li></li></ul>'])
      expect(sent(html(source))).toBe('the plain body');
  });

  it('shows actions in italics: an asterisk in front would make a list', () => {
    expect(sent({ msgtype: 'm.emote', body: 'waves' })).toBe('_waves_');
    expect(sent({ ...html('waves <b>hard</b>'), msgtype: 'm.emote' })).toBe('_waves *hard*_');
    expect(sent({ msgtype: 'm.emote', body: 'reads my_file' })).toBe('reads my_file');
  });
});

describe('there and back', () => {
  const tag = fc.constantFrom(
    'b',
    'i',
    'del',
    'code',
    'p',
    'u',
    'span',
    'div',
    'h2',
    'blockquote',
    'strong',
    'ul',
    'li',
    'x-y',
  );
  const element = fc.letrec<{ tree: string }>((tie) => ({
    tree: fc.oneof(
      { depthSize: 'small', withCrossShrink: true },
      fc.constantFrom('word', 'two words', ' space ', '(', '!', 'é', 'x'),
      fc
        .tuple(tag, fc.array(tie('tree'), { maxLength: 4 }))
        .map(([name, inner]) => `<${name}>${inner.join('')}</${name}>`),
    ),
  })).tree;

  it('no formatting loses, adds or reorders text, and no marker is left as text', () => {
    fc.assert(
      fc.property(fc.array(element, { maxLength: 6 }), (trees) => {
        const source = trees.join('');
        const text = toMarkup(source);
        const back = parsed(readMarkup(text) ?? text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')).text;
        const shown = (value: string): string => value.replace(/\s/g, '');
        expect(shown(back).replace(/[->]/g, '')).toBe(shown(parsed(source).text));
      }),
      { numRuns: 1000 },
    );
  });

  it('text with markup characters in formatted messages keeps all its other characters', () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(tag, markup), { maxLength: 5 }), (parts) => {
        const source = parts
          .map(([name, text]) => `<${name}>${text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')}</${name}>`)
          .join(' ');
        expect(words(toMarkup(source))).toBe(words(parts.map(([, text]) => text).join('')));
      }),
      { numRuns: 500 },
    );
  });
});
