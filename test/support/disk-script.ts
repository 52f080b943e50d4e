// A script of a test that runs on a small disk of its own, which it can fill.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { onTestFinished } from 'vitest';
import { onSmallDisk } from './small-disk.ts';

/** The name of a module of ours, as a script may import it. */
export const source = (file: string): string => JSON.stringify(new URL(`../../src/${file}`, import.meta.url).href);

/** What every script begins with. `fill` leaves no byte free, `free` gives all of that back. */
const prelude = `
  import { closeSync, openSync, rmSync, statSync, writeSync } from 'node:fs';
  const directory = process.argv[1];
  const fill = () => {
    const file = openSync(directory + '/ballast', 'a');
    for (const size of [65536, 4096, 512, 1]) for (;;) try { writeSync(file, Buffer.alloc(size)); } catch { break; }
    closeSync(file);
  };
  const free = () => rmSync(directory + '/ballast');
  const attempt = async (task) => { try { return await task(); } catch (error) { return error.code; } };
  const masterKey = new Uint8Array(32).fill(7);
  const settled = () => new Promise((resolve) => setImmediate(resolve));
  const report = {};
`;

/** Runs a module whose first argument is a directory on a small disk; answers what it has left in `report`. */
export async function onDisk(
  kibibytes: number,
  code: string,
  to: 'pipe' | 'disk' = 'pipe',
): Promise<Record<string, unknown>> {
  const directory = mkdtempSync(join(tmpdir(), 'small-disk-'));
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }));
  const script = `${prelude}\n${code}\nprocess.stderr.write(JSON.stringify(report) + '\\n');`;
  const node = [process.execPath, '--input-type=module', '--eval', script, directory];
  const command = to === 'pipe' ? node : ['sh', '-c', `exec "$@" >> ${directory}/log`, 'sh', ...node];
  const [program = '', ...args] = onSmallDisk(directory, kibibytes, command);
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  onTestFinished(() => void child.kill('SIGKILL'));
  const said = await text(child.stderr);
  const last = said.trimEnd().split('\n').at(-1) ?? '';
  if (!last.startsWith('{')) throw new Error(said);
  return JSON.parse(last);
}
