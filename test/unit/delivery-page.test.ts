// docs/delivery.md, the list of steps and the places where they are passed are the same set.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { deliverySteps } from '../../src/model/delivery-steps.ts';

const unique = (names: Iterable<string>): string[] => [...new Set(names)].sort();
const named = [...deliverySteps].sort();

test('the page describes every step, and no other', () => {
  const page = readFileSync('docs/delivery.md', 'utf8');
  expect(unique([...page.matchAll(/^\| `([A-Z]+\d+-[a-z-]+)` \|/gm)].flatMap(([, name]) => name ?? []))).toEqual(named);
});

test('the code passes every step, and no other', () => {
  const files = readdirSync('src', { recursive: true, encoding: 'utf8' }).filter((file) => file.endsWith('.ts'));
  const code = files.map((file) => readFileSync(join('src', file), 'utf8')).join('\n');
  const calls = [...code.matchAll(/\bpassed\(([^()]*)\)/g)].map(([, argument]) => argument ?? '');
  expect(
    unique(
      calls.flatMap((argument) => [...argument.matchAll(/'([A-Z]+\d+-[^']+)'/g)].flatMap(([, name]) => name ?? [])),
    ),
  ).toEqual(named);
});

test('steps are numbered without gaps, each group from one', () => {
  const seen = new Map<string, number>();
  for (const step of deliverySteps) {
    const [, group = '', number = ''] = /^([A-Z]+)(\d+)-/.exec(step) ?? [];
    expect(Number(number)).toBe((seen.get(group) ?? 0) + 1);
    seen.set(group, Number(number));
  }
});
