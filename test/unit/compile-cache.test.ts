import { execFile } from 'node:child_process';
import { chmod, mkdir, mkdtemp, readdir, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { program } from '../support/program.ts';

let home: string;
const compiled = () => join(home, 'matrix-appservice-whatsapp', 'compiled');

beforeEach(async () => {
  home = await mkdtemp(join(tmpdir(), 'compile-cache-'));
});
afterEach(() => rm(home, { recursive: true }));

async function version(cacheHome: string): Promise<string> {
  const { NODE_COMPILE_CACHE: _, ...environment } = process.env;
  const env = { ...environment, XDG_CACHE_HOME: cacheHome };
  return (await promisify(execFile)(process.execPath, [program, '--version'], { env })).stdout;
}

test('what was compiled is kept where only its user can write', async () => {
  await version(home);
  expect((await stat(compiled())).mode & 0o777).toBe(0o700);
  const [made = 'nothing'] = await readdir(compiled());
  expect(await readdir(join(compiled(), made))).not.toEqual([]);
});

test('compiled code is neither read nor written where others could have put it', async () => {
  await mkdir(compiled(), { recursive: true });
  await chmod(compiled(), 0o777);
  await version(home);
  expect(await readdir(compiled())).toEqual([]);
});

test('the program runs where nothing can be kept', async () => {
  expect(await version('/dev/null')).toMatch(/^\d+\.\d+\.\d+\n$/);
});
