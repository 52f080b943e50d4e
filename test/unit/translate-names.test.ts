// Names that strangers chose: no trick gets through, and no name of anybody is damaged.
import fc from 'fast-check';
import { describe, expect, it, test } from 'vitest';
import { looksOf, resembles } from '../../src/translate/look-alikes.ts';
import { cleanName, oneLine } from '../../src/translate/names.ts';

const taken = { bot: 'WhatsApp bridge', server: 'matrix.example' };
const clean = (text: string): string | undefined => cleanName(text, taken);
const alike = (one: string, other: string): boolean => looksOf(one).some((look) => looksOf(other).includes(look));

test.each([
  ...['Anna', 'José María', 'Łukasz', 'Björk Guðmundsdóttir', 'Nguyễn Thị Hương', 'Ọlá Ṣẹ́gun', 'Anne-Marie', 'O’Brien'],
  ...['’t Hooft', "'s-Gravenhage", 'J.R.R. Tolkien', 'Sammy Davis Jr.', 'Ma.Teresa', 'Müller & Sons', 'Anna + Bob'],
  ...['Иван Петров', 'Ґанна', 'Ο Νίκος', 'Ծովինար', 'ქეთევან', 'ᠮᠣᠩᠭᠣᠯ', 'አበበ', 'ꪜꪱ', 'Ꮳꮃꭹ'],
  ...['محمد عبد الله', 'دِيمَا', 'علی‌رضا', 'پریسا قاسم‌زاده', 'שָׁלוֹם', 'ג׳', 'ܐܒܪܗܡ'],
  ...['李明', '渡󠄁邊', '山田 太郎', '이영희', 'สมชาย ใจดี', 'བསྟན་འཛིན', 'ကြွေး', 'ញ៉ុក'],
  ...['राम कुमार', 'क्‍ष', 'শ্রী র‍্যাব', 'ശ്രീ', 'ന്‍', 'ක්‍රිෂ්', 'தமிழ்', 'ਗੁਰਪ੍ਰੀਤ'],
  ...['🌻', '👨‍👩‍👧 Anna', 'Anna ❤️', '🏴󠁧󠁢󠁥󠁮󠁧󠁿 Tom', 'Anna 👋🏽', '🇺🇦 Оля', 'Anna 1️⃣', '𝓐𝓷𝓷𝓪'],
  ...['Ben Bot', 'Frank Bridge', 'John Messenger', 'Matrix'],
])('%s stays as it is', (name) => {
  expect(clean(name)).toBe(name.normalize('NFC'));
});

test.each([
  // The label, in what looks like brackets and letters.
  ...[
    'Anna (WhatsApp)',
    'Anna （ＷｈａｔｓＡｐｐ）',
    'Anna (WhatsАpp)',
    'Anna ﴾WhatsApp﴿',
    'Anna ⟮WhatsApp⟯',
    'Anna [WhatsApp',
  ],
  ...[
    'Anna (W h a t s A p p)',
    'Anna (VVhatsApp)',
    'Anna (ᴡʜᴀᴛꜱᴀᴘᴘ)',
    'Anna (𝗪𝗵𝗮𝘁𝘀𝗔𝗽𝗽)',
    'Anna ⁽ᵂʰᵃᵗˢᴬᵖᵖ⁾',
    'Anna (🅆🄷🄰🅃🅂🄰🄿🄿)',
  ],
  ...['Anna (Wh\u200bats\u202eApp)', 'Anna (ẄhätsÀpp)', 'Anna (WhatsApp · 3f9c)', 'Anna WhatsApp', 'Anna - WhatsApp -'],
  // Another network's, and claims of the bridge's.
  ...[
    'Anna (Matrix)',
    'Anna (Mаtrіх)',
    'Anna [verified]',
    'Anna {vеrіfіеd}',
    'Anna 【official】',
    'Anna (Bridge bot)',
    'Anna (you)',
  ],
  ...['Anna ✓', 'Anna ✔️', 'Anna ☑️', 'Anna ✅', 'Anna 🗸', 'Anna √', 'Anna 🛡️', 'Anna 🔒', '✅ Anna', 'Anna ꪜ'],
  // Addresses.
  ...[
    'Anna @anna:example.org',
    'Anna ＠ａｎｎａ：ｅｘａｍｐｌｅ．ｏｒｇ',
    'Anna #room:example.org',
    'Anna https://example.org',
  ],
  // What separates a name from what stands around it.
  ...[
    '- Anna -',
    'Anna:',
    '/Anna',
    '… Anna',
    '"Anna"',
    'Anna,',
    'Anna |',
    '\u0301Anna',
    ' Anna \n ',
    'An\u202ena\u0000',
    'Anna ㅤ',
  ],
])('%s is Anna', (name) => {
  expect(clean(name)).toBe('Anna');
});

test.each([
  ...['WhatsApp', 'Whats App', 'WhatsАpp', 'WhatsApp bridge', 'WhatsАpp Brіdge', 'whatsapp-BRIDGE.', '(verified)', '✓'],
  ...['@anna:example.org', 'anna:example.org', 'matrix.example', 'Support at matrix.example', 'mаtrіx。example'],
  ...['', ' ', '\u200b', 'ㅤ', '\u2800', '\u0301', '...', '()', '+31 6 1234 5678', 'Anna 316-123-456-78', '③①⑥①②③④⑤⑥'],
])('%s is no name', (name) => {
  expect(clean(name)).toBeUndefined();
});

test.each([
  ['@room', 'room'],
  ['Anna @ work', 'Anna work'],
  ['Anna (née Smith)', 'Anna née Smith'],
  ['王小明（Tom）', '王小明 Tom'],
  ['Anna 🉀', 'Anna 本'],
  ['Anna 🄪', 'Anna S'],
  ['Wh(x)atsApp Anna', 'Wh x atsApp Anna'],
])('%s becomes %s', (name, cleaned) => {
  expect(clean(name)).toBe(cleaned);
});

test('heaps of marks are bounded, and so is the length', () => {
  expect(clean(`A${'\u0335'.repeat(20)}nna`)).toBe('A\u0335\u0335\u0335nna');
  expect([...(clean(`ก${'\u0e34'.repeat(30)}`) ?? '')]).toHaveLength(9);
  expect(clean('A\u20ddnna')).toBe('Anna');
  expect([...(clean('é'.repeat(500)) ?? '')]).toHaveLength(64);
  expect([...(clean('👨‍👩‍👧'.repeat(500)) ?? '')].length).toBeLessThanOrEqual(64);
});

describe('whatever somebody calls themselves', () => {
  const pieces = fc.constantFrom(
    ...[
      'Anna',
      'А',
      'WhatsApp',
      'Whats',
      'App',
      'Matrix',
      'verified',
      '@',
      ':',
      '.',
      '@room',
      'example.org',
      ' ',
      '\n',
      '-',
      '|',
    ],
    ...[
      '(',
      ')',
      '（',
      '）',
      '[',
      ']',
      '﴾',
      '﴿',
      '⁽',
      '⁾',
      '✓',
      '✅',
      '🛡️',
      '🔒',
      '👨‍👩‍👧',
      '🏴󠁧󠁢󠁥󠁮󠁧󠁿',
      '❤️',
      '\u0335',
      '\u0301',
      '\u20dd',
    ],
    ...[
      '\u200b',
      '\u200c',
      '\u200d',
      '\u200e',
      '\u202e',
      '\u2066',
      '\u00ad',
      '\ufe0f',
      '\u{e0041}',
      'ㅤ',
      '\u2800',
      'م',
      'क',
      '्',
    ],
  );
  const names = fc.oneof(
    fc.array(pieces, { maxLength: 40 }).map((parts) => parts.join('')),
    fc.string({ unit: 'binary', maxLength: 100 }),
    fc
      .array(fc.oneof(pieces, fc.string({ unit: 'binary', maxLength: 3 })), { maxLength: 40 })
      .map((all) => all.join('')),
  );
  const forEvery = (check: (name: string) => void) =>
    fc.assert(
      fc.property(names, (text) => {
        const name = clean(text);
        if (name !== undefined) check(name);
      }),
      { numRuns: 2_000 },
    );

  it('nothing in it is invisible, reorders, or covers what stands beside it', () => {
    forEvery((name) => {
      const shown = name.replace(/\p{RGI_Emoji}/gv, '🌻');
      expect(shown).not.toMatch(/[\p{Cc}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Bidi_Control}\p{Me}\u2800]/v);
      // Joiners stand only where letters are joined.
      expect(shown).not.toMatch(
        /(?<![\p{L}\p{M}])[\u200c\u200d]|[\u200c\u200d](?=[\u200c\u200d])|[[\p{Cf}]--[\u200c\u200d]]/v,
      );
      expect(shown).not.toMatch(/[\u0300-\u036f]{4}|\p{M}{9}|^\p{M}/u);
      expect([...name].length).toBeLessThanOrEqual(64);
      expect(name.trim()).toBe(name);
      expect(name).not.toBe('');
    });
  });

  it('nothing in it reads like a label, a tick, an address or a mention', () => {
    forEvery((name) => {
      expect(name.normalize('NFKC')).not.toMatch(/[\p{Ps}\p{Pe}@✓✔☑✅🛡🔒]|:\S*\.\S/u);
      expect(resembles(name, 'WhatsApp')).toBe(false);
    });
  });

  it('cleaning it again changes nothing', () => {
    forEvery((name) => expect(clean(name)).toBe(name));
  });
});

describe('names that look alike', () => {
  test.each([
    ...['Аnna', 'ANNA', 'anna', 'Αnna', '𝐀𝐧𝐧𝐚', '𝒜𝓃𝓃𝒶', 'Ａｎｎａ', 'ᴀɴɴᴀ', 'Ⓐⓝⓝⓐ', '🅐🅝🅝🅐', '🄰🄽🄽🄰'],
    ...['Ánna', 'Ạnna', 'A\u0335nna', 'An\u200bna', 'An na', 'Anna.', 'Anna’', 'А𝐧ｎ𝖆'],
  ])('%s and Anna', (name) => {
    expect(alike(name, 'Anna')).toBe(true);
  });
  test.each([
    ['lngrid', 'Ingrid'],
    ['INGRID', 'Ingrid'],
    ['Ernrna', 'Emma'],
    ['VVilliam', 'William'],
    ['0liver', 'Oliver'],
    ['вася', 'Вася'],
    ['Bacя', 'Вася'],
    ['Rоbеrt', 'Robert'],
    ['Νίκος', 'Nίκος'],
    ['Łukasz', 'Lukasz'],
    ['علی‌رضا', 'علیرضا'],
  ])('%s and %s', (one, other) => {
    expect(alike(one, other)).toBe(true);
  });
  test.each([
    ['Anna', 'Anne'],
    ['Anna', 'Hanna'],
    ['राम', 'रमा'],
    ['李明', '李朋'],
    ['محمد', 'محمود'],
    ['🌻', '🌹'],
    ['Anna ❤️', 'Anna'],
  ])('but not %s and %s', (one, other) => {
    expect(alike(one, other)).toBe(false);
  });
});

test('one line of other text keeps its brackets, and nothing that cannot be seen', () => {
  expect(oneLine('Acme (Europe)\u202e\n  B.V.', 64)).toBe('Acme (Europe) B.V.');
});
