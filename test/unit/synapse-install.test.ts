// Installing Synapse on machines of every kind: the interpreter and pip are small scripts that stand in for the real ones.
import { spawnSync } from 'node:child_process';
import { chmod, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { installSynapse, synapseVersion } from '../../src/demo/synapse-install.ts';

const installed = `synapse-${synapseVersion}-py3.12`;
const absent = '/nonexistent/program';
let directory: string;
let cacheDir: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'maw-install-'));
  cacheDir = join(directory, 'cache');
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await rm(directory, { recursive: true, force: true });
});

async function script(name: string, body: string): Promise<string> {
  const path = join(directory, name);
  await writeFile(path, `#!/bin/sh\n${body}\n`);
  await chmod(path, 0o755);
  return path;
}

/** Answers the version probe; "-m pip" is `pip --version` and otherwise the given commands, with the target in $target. */
const interpreter = (name: string, { version = '3.12', pip = 'pip 25.0 from x', install = '' }) =>
  script(
    name,
    `case "$*" in
      *ensurepip*) exit 1 ;;
      -c*) echo ${version} ;;
      *--version*) ${pip ? `echo "${pip}"` : 'exit 1'} ;;
      *) echo "$*" >> "${directory}/calls"
         while [ "$1" != --target ]; do shift; done; target=$2
         mkdir -p "$target"; touch "$target/synapse"
         ${install} ;;
    esac`,
  );
const calls = async () => (await readFile(join(directory, 'calls'), 'utf8')).trimEnd().split('\n');

test('without Python and Docker one sentence says what to install', async () => {
  const old = await interpreter('old', { version: '3.9' });
  const result = installSynapse({ cacheDir, pythons: [absent, old], docker: absent });
  await expect(result).rejects.toMatchObject({
    code: 'synapse-no-runtime',
    message: expect.stringMatching(/^[^.]*Python 3\.10 [^\n]* install Python 3\.10\+[^\n]*\.$/),
  });
});

test('where only Docker answers, the image of the same version is used', async () => {
  const docker = await script('docker', 'exit 0');
  const runtime = await installSynapse({ cacheDir, pythons: [absent], docker });
  expect(runtime).toEqual({ kind: 'docker', image: `matrixdotorg/synapse:v${synapseVersion}` });
});

test('an interpreter that is too old is passed over, and the second call finds what the first installed', async () => {
  const old = await interpreter('old', { version: '3.9' });
  const python = await interpreter('good', {});
  const first = await installSynapse({ cacheDir, pythons: [old, python], docker: absent });
  const second = await installSynapse({ cacheDir, pythons: [old, python], docker: absent });
  expect(first).toEqual({ kind: 'python', python, packages: join(cacheDir, installed) });
  expect(second).toEqual(first);
  expect(await calls()).toHaveLength(1);
  expect(await readdir(cacheDir)).toEqual([installed]);
});

test('several at once install once', async () => {
  const python = await interpreter('slow', { install: 'sleep 0.3' });
  const all = await Promise.all([1, 2, 3].map(() => installSynapse({ cacheDir, pythons: [python] })));
  expect(new Set(all.map((runtime) => JSON.stringify(runtime)))).toHaveLength(1);
  expect(await calls()).toHaveLength(1);
  expect(await readdir(cacheDir)).toEqual([installed]);
});

test('the lock of a process that died is taken over', async () => {
  const python = await interpreter('good', {});
  await installSynapse({ cacheDir, pythons: [python] });
  await rm(join(cacheDir, installed), { recursive: true });
  const { pid } = spawnSync('true');
  await writeFile(join(cacheDir, `${installed}.lock`), String(pid));
  await installSynapse({ cacheDir, pythons: [python] });
  expect(await readdir(cacheDir)).toEqual([installed]);
});

test('a pinned set without wheels for this interpreter is given up for one that has them', async () => {
  const refuse =
    'case "$(tail -n 1 "$0.dir/calls")" in *--constraint*) echo "No matching distribution"; exit 1 ;; esac';
  const python = await interpreter('new', { install: refuse.replace('$0.dir', directory) });
  await installSynapse({ cacheDir, pythons: [python] });
  expect(await calls()).toEqual([expect.stringContaining('--constraint'), expect.not.stringContaining('--constraint')]);
});

test('a failing pip is quoted and leaves nothing behind', async () => {
  const python = await interpreter('bad', { install: 'echo "Retrying: no route to the index" >&2; exit 1' });
  await expect(installSynapse({ cacheDir, pythons: [python] })).rejects.toMatchObject({
    code: 'synapse-install',
    message: expect.stringContaining('no route to the index'),
  });
  expect(await calls()).toHaveLength(1);
  expect(await readdir(cacheDir)).toEqual([]);
});

test('where pip is missing its wheel comes from the configured index, and a forged one is refused', async () => {
  const requests: string[] = [];
  const index = createServer((request, response) => {
    requests.push(`${request.headers.authorization} ${request.url}`);
    const file = { filename: 'pip-26.3-py3-none-any.whl', url: '../../files/pip.whl', hashes: {} };
    response.end(request.url === '/simple/pip/' ? JSON.stringify({ files: [file] }) : 'forged');
  });
  await new Promise<void>((listening) => index.listen(0, '127.0.0.1', listening));
  const address = index.address();
  const port = address && typeof address === 'object' ? address.port : 0;
  vi.stubEnv('PIP_INDEX_URL', `http://user:secret@127.0.0.1:${port}/simple`);
  const python = await interpreter('nopip', { pip: '' });
  await expect(installSynapse({ cacheDir, pythons: [python] })).rejects.toMatchObject({
    code: 'synapse-install',
    message: expect.stringContaining('has the checksum'),
  });
  index.close();
  const credentials = `Basic ${Buffer.from('user:secret').toString('base64')}`;
  expect(requests).toEqual([`${credentials} /simple/pip/`, `${credentials} /files/pip.whl`]);
  expect(await readdir(cacheDir)).toEqual([]);
});
