// What the pages about delivery and threats name is there: every file, and every test that is said to show something.
import { existsSync, globSync, readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const pages = readdirSync('docs').filter((file) => file.endsWith('.md'));
const read = (page: string): string => readFileSync(`docs/${page}`, 'utf8').replaceAll('\n', ' ');

/** `e2e/pinned: all`, or parts of titles, several after semicolons; up to the end of the cell or the bracket. */
const naming = /\b(?:e2e|wire|unit|postgres|chaos)\/[a-z\d-]+:[^|)]*/g;

function named(page: string): readonly { readonly file: string; readonly part: string }[] {
  return [...read(page).matchAll(naming)].flatMap(([all]) => {
    let file = '';
    return all.split(';').map((piece) => {
      const [, place, rest = piece] = /^\s*([a-z\d]+\/[a-z\d-]+):(.*)$/.exec(piece) ?? [];
      file = place ?? file;
      return { file: `test/${file}.test.ts`, part: rest.trim() };
    });
  });
}

/** A title or part of one, `…` for what a table puts there; or several after commas. */
function isIn(text: string, part: string): boolean {
  const pieces = part.split(' … ');
  return (
    part === 'all' ||
    pieces.every((piece) => text.includes(piece)) ||
    part.split(', ').every((each) => text.includes(each))
  );
}

test.each(pages)('docs/%s names files that are there', (page) => {
  const paths = [...read(page).matchAll(/(?<![\w/-])(?:src|test|scripts|config|docs)\/[\w./*-]*[\w*-]/g)].map(
    ([path]) => path,
  );
  // Decisions go by their numbers.
  const decisions = readdirSync('docs/decisions').map((file) => `docs/decisions/${file.slice(0, 4)}`);
  expect(paths.filter((path) => globSync(path).length === 0 && !decisions.includes(path))).toEqual([]);
});

test.each(pages)('docs/%s names tests that are there', (page) => {
  const missing = named(page).filter(({ file, part }) => !existsSync(file) || !isIn(readFileSync(file, 'utf8'), part));
  expect(missing).toEqual([]);
});

test('what is said of each attacker, and each downgrade, names what shows it', () => {
  const page = readFileSync('docs/threat-model.md', 'utf8');
  expect(named('threat-model.md').length).toBeGreaterThan(50);
  const rows = page
    .split('\n')
    .filter((line) => /^\| .* \| .* \| /.test(line) && page.indexOf(line) > page.indexOf('Shown by'));
  expect(rows.filter((row) => row.match(naming) === null)).toEqual([]);
  const attackers = page.slice(page.indexOf('## What each party could do'), page.indexOf('## No silent downgrade'));
  const claims = attackers
    .replaceAll('\n  ', ' ')
    .split('\n')
    .filter((line) => line.startsWith('- '));
  expect(claims.filter((claim) => claim.match(naming) === null)).toEqual([]);
});
