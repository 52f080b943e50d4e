// The architecture's arrows: every import goes down a floor (docs/architecture.md), and no folder or file is a drawer for leftovers.
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { describe, expect, it } from 'vitest';

interface Import {
  readonly from: string;
  readonly to: string;
  readonly typeOnly: boolean;
}

/** What each part of src/ may import besides itself. A part is a folder, or a file at the top. */
const ground = ['model', 'proto', 'observability', 'config'];
const allowed: Readonly<Record<string, readonly string[]>> = {
  admin: ground,
  model: [],
  proto: ['model'],
  observability: ['model'],
  config: ['model'],
  matrix: ground,
  whatsapp: ground,
  provider: ground,
  store: ground,
  translate: ground,
  bridge: ['model', 'observability', 'translate'],
  sandbox: [...ground, 'whatsapp/binary', 'whatsapp/noise'],
  demo: ground,
  'app.ts': [...ground, 'matrix', 'whatsapp', 'provider', 'store', 'translate', 'bridge', 'admin', 'app'],
  app: [...ground, 'whatsapp', 'bridge'],
  cli: [...ground, 'matrix', 'whatsapp', 'provider', 'store', 'admin', 'sandbox', 'demo', 'app.ts'],
};

function partOf(file: string): string {
  return file.split('/')[0] ?? file;
}

/** Source text without comments and without the insides of template literals, so that only real imports are found. */
function code(source: string): string {
  return source.replace(
    /("(?:\\.|[^"\\\n])*"|'(?:\\.|[^'\\\n])*')|\/\/[^\n]*|\/\*[\s\S]*?\*\/|`(?:\\.|[^`\\])*`/g,
    (_, quoted: string | undefined) => quoted ?? ' ',
  );
}

/** All imports of files of ours, static (also re-exports) and dynamic. `file` is relative to src/. */
function importsOf(file: string, source: string): Import[] {
  const text = code(source);
  const static_ = /\b(?:import|export)\s+(type\s)?(?:[\w*{][^;'"]*?\sfrom\s*)?['"]([^'"]+)['"]/g;
  const dynamic = /\bimport\s*\(\s*['"]([^'"]+)['"]/g;
  const found = [
    ...[...text.matchAll(static_)].map(([, type, to]) => ({ to, typeOnly: type !== undefined })),
    ...[...text.matchAll(dynamic)].map(([, to]) => ({ to, typeOnly: false })),
  ];
  return found.flatMap(({ to, typeOnly }) =>
    to?.startsWith('.') ? [{ from: file, to: posix.join(dirname(file), to), typeOnly }] : [],
  );
}

/** Returns why an import is not allowed, or undefined. */
function violation({ from, to, typeOnly }: Import): string | undefined {
  const part = partOf(from);
  const arrow = `${from} -> ${to}`;
  if (to.startsWith('..')) return to.startsWith('../package.json') ? undefined : `${arrow}: leaves src/`;
  if (partOf(to) === part) return undefined;
  if (part === 'model' && partOf(to) === 'proto' && typeOnly) return undefined;
  const targets = allowed[part];
  if (!targets) return `${from}: this part of src/ stands on no floor`;
  return targets.some((target) => to === target || to.startsWith(`${target}/`)) ? undefined : arrow;
}

function filesBelow(directory: string): string[] {
  return readdirSync(directory, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(directory, join(entry.parentPath, entry.name)).split(sep).join('/'));
}

const drawers = /^(?:utils?|helpers?|commons?|misc|shared|stuff)$/;
const isDrawer = (file: string): boolean => file.split('/').some((name) => drawers.test(name.replace(/\..*$/, '')));

const sources = filesBelow('src').filter((file) => file.endsWith('.ts'));
const imports = sources.flatMap((file) => importsOf(file, readFileSync(join('src', file), 'utf8')));

describe('floors', () => {
  it('every import goes down', () => {
    expect(imports.length).toBeGreaterThan(50);
    expect(imports.map(violation).filter((problem) => problem !== undefined)).toEqual([]);
  });

  it('no folder or file is named after nothing', () => {
    expect([...filesBelow('src'), ...filesBelow('test')].filter(isDrawer)).toEqual([]);
  });

  it('sees every kind of import', () => {
    const source = `
      import { a } from '../store/a.ts';
      import type { B } from "../store/b.ts";
      import {
        c,
        type D,
      } from '../store/c.ts';
      import * as d from '../store/d.ts';
      import e, { f } from '../store/e.ts';
      import '../store/f.ts';
      export { g } from '../store/g.ts';
      export * from '../store/h.ts';
      export type { I } from '../store/i.ts';
      export const x = 1; const later = await import('../store/j.ts');
      // import { no } from '../store/comment.ts';
      /* export * from '../store/comment.ts'; */
      const text = \`import { no } from '../store/template.ts'\`;
      import fs from 'node:fs';
    `;
    const found = importsOf('bridge/x.ts', source);
    expect(found.map(({ to }) => to).sort()).toEqual([...'abcdefghij'].map((name) => `store/${name}.ts`));
    expect(found.filter(({ typeOnly }) => typeOnly).map(({ to }) => to)).toEqual(['store/b.ts', 'store/i.ts']);
  });

  it.each([
    ['bridge/x.ts', `import { open } from '../store/sqlite.ts';`],
    ['bridge/policy/x.ts', `import type { Client } from '../../whatsapp/client.ts';`],
    ['matrix/crypto/x.ts', `export * from '../../store/sqlite.ts';`],
    ['whatsapp/x.ts', `const matrix = await import('../matrix/homeserver.ts');`],
    ['sandbox/x.ts', `import { session } from '../whatsapp/signal/session.ts';`],
    ['demo/x.ts', `import { start } from '../sandbox/sandbox.ts';`],
    ['model/x.ts', `import { create } from '../proto/message_pb.ts';`],
    ['model/x.ts', `import type { Logger } from '../observability/logger.ts';`],
    ['store/x.ts', `import { startApp } from '../app.ts';`],
    ['app.ts', `import { main } from './cli/main.ts';`],
    ['new-part/x.ts', `import { BridgeError } from '../model/errors.ts';`],
    ['cli/x.ts', `import { start } from '../../test/support/start.ts';`],
  ])('refuses %s: %s', (file, source) => {
    expect(importsOf(file, source).map(violation)).toEqual([expect.stringContaining(file)]);
  });

  it('allows what the design allows', () => {
    const good: [string, string][] = [
      ['model/x.ts', `import type { Message } from '../proto/message_pb.ts';`],
      ['sandbox/x.ts', `import { encode } from '../whatsapp/binary/encode.ts';`],
      ['bridge/policy/x.ts', `import { toMatrix } from '../../translate/to-matrix.ts';`],
      ['cli/x.ts', `const app = await import('../app.ts');`],
    ];
    expect(good.flatMap(([file, source]) => importsOf(file, source)).map(violation)).toEqual(good.map(() => undefined));
  });

  it('knows a drawer when it sees one', () => {
    expect(['bridge/utils.ts', 'helpers/x.ts', 'store/common/x.ts', 'misc.test.ts'].filter(isDrawer)).toHaveLength(4);
    expect(['bridge/commands.ts', 'store/sharing.ts'].filter(isDrawer)).toEqual([]);
  });
});
