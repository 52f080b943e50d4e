// The media host as a process: killed at its worst moments, without room on the disk, and how much memory a large file takes.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import type { UserId } from '../../src/model/ids.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createMediaHost } from '../../src/provider/media-host.ts';
import { chunked } from '../support/bytes.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { anAccount, openTestStore, temporaryDirectory } from '../support/store.ts';

const MiB = 1024 * 1024;
const script = fileURLToPath(new URL('../support/hosting-process.ts', import.meta.url));

/** Starts the process; its next line of output is what it has to say. `shell` runs before it. */
function start(task: string, directory: string, database: string, shell = 'true') {
  const command = `${shell} && exec "$0" "$@"`;
  const args = ['-c', command, process.execPath, script, task, directory, database];
  const child = spawn('sh', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines = createInterface(child.stdout);
  return {
    said: once(lines, 'line').then(([line]) => JSON.parse(line)),
    kill: async () => {
      const exited = once(child, 'exit');
      child.kill('SIGKILL');
      await exited;
    },
  };
}

it.each(['stop in the middle', 'stop before the record'])(
  'killed when it has to %s, it leaves rubbish that is swept, and the name is free',
  async (task) => {
    const parent = temporaryDirectory();
    const directory = join(parent, 'media');
    const database = join(parent, 'bridge.db');
    const { said, kill } = start(task, directory, database);
    const { name } = await said;
    await kill();
    expect(readdirSync(directory)).toHaveLength(1);

    const store = await openTestStore({ path: database });
    const host = await createMediaHost({
      directory,
      publicUrl: 'https://example.org',
      quotaBytes: 1000,
      keepMs: 60_000,
      files: store.hostedFiles,
      clock: new ManualClock(),
      logger: createLogger({ level: 'silent' }),
    });
    expect(await store.hostedFiles.total()).toBe(0);
    await host.sweep();
    expect(readdirSync(directory)).toEqual([]);
    const account = anAccount({ user: '@ben:example.org' as UserId });
    await store.commit([{ change: 'account.put', account }]);
    await host.put(account.id, name, 5, chunked(Buffer.from('again')));
    expect(readdirSync(directory)).toEqual([name]);
  },
);

it('without room on the disk it says so, and leaves nothing', async () => {
  const directory = join(temporaryDirectory(), 'media');
  // The limit of one file's size stands for the size of the disk: both stop a write in its middle.
  const { said } = start('store', directory, ':memory:', 'ulimit -f 2048');
  expect(await said).toEqual({
    code: 'media.host-full',
    retry: 'later',
    userText: "This server's storage for files on their way to WhatsApp is full; trying again later helps.",
  });
  expect(readdirSync(directory)).toEqual([]);
});

it('256 MiB in, and out several times at once, take a small part of that in memory', async () => {
  const { said, kill } = start('serve', join(temporaryDirectory(), 'media'), ':memory:');
  onTestFinished(kill);
  const { url, name } = await said;
  const read = async (): Promise<number> => {
    const { body } = await fetch(`${url}/media/${name}`);
    let length = 0;
    for await (const chunk of body ?? []) length += chunk.length;
    return length;
  };
  expect(await Promise.all([read(), read(), read()])).toEqual(Array(3).fill(256 * MiB));
  expect(await (await fetch(`${url}/growth`)).json()).toBeLessThan((64 * MiB) / 1024);
}, 60_000);
