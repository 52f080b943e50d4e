// docs/delivery.md, the list of steps and the places where they are passed are the same set; the functions that it names are there.
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

/** Below each diagram stands which function decides each of its arrows. */
const pipelines = readFileSync('docs/delivery.md', 'utf8')
  .split(/^## /m)
  .filter((section) => section.includes('stateDiagram'));

test.each(['WhatsApp to Matrix', 'Matrix to WhatsApp'])('%s: each arrow of the diagram has a function', (name) => {
  const section = pipelines.find((each) => each.startsWith(name)) ?? '';
  const arrows = [...section.matchAll(/^ {2}(\S+) --> (\S+?):? /gm)].map(([, from, to]) => `${from} ${to}`);
  const [, table = ''] = /\| from \| to \| decided by \|\n.*\n((?:\|.*\n)+)/.exec(section) ?? [];
  const rows = [...table.matchAll(/^\| (\S+) \| (\S+) \| (.*) \|$/gm)];
  expect(arrows.length).toBeGreaterThan(10);
  expect(rows.map(([, from, to]) => `${from} ${to}`).sort()).toEqual(arrows.sort());
  const usual = name === 'WhatsApp to Matrix' ? ['inbox-steps.ts'] : ['event-steps.ts', 'outbox-steps.ts'];
  for (const [, , , decided = ''] of rows) {
    const quoted = [...decided.matchAll(/`([^`]+)`/g)].flatMap(([, text]) => text ?? []);
    const modules = [...usual, ...quoted.filter((text) => text.endsWith('.ts'))];
    const code = modules.map((module) => readFileSync(join('src/bridge', module), 'utf8')).join('\n');
    for (const each of quoted.filter((text) => !text.endsWith('.ts'))) {
      expect(code).toMatch(new RegExp(`^export (async )?(function|const) ${each}\\b`, 'm'));
    }
  }
});

test('steps are numbered without gaps, each group from one', () => {
  const seen = new Map<string, number>();
  for (const step of deliverySteps) {
    const [, group = '', number = ''] = /^([A-Z]+)(\d+)-/.exec(step) ?? [];
    expect(Number(number)).toBe((seen.get(group) ?? 0) + 1);
    seen.set(group, Number(number));
  }
});
