// A media host in a process of its own, for tests that kill it, take its disk away or measure it.
// node hosting-process.ts TASK DIRECTORY DATABASE; says on standard output, in one line of JSON, how far it has come.
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import express from 'express';
import type { Account } from '../../src/model/account.ts';
import { newAccountId, type RoomId, type UserId } from '../../src/model/ids.ts';
import type { FileBytes, HostedFiles } from '../../src/model/media.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { createMediaHost } from '../../src/provider/media-host.ts';
import { openStore } from '../../src/store/open-store.ts';
import { endless } from './bytes.ts';

const [task, directory = '', database = ':memory:'] = process.argv.slice(2);
const MiB = 1024 * 1024;
const clock = { now: () => Date.now(), elapsed: () => performance.now(), sleep: async () => undefined };
const say = (what: object): void => void process.stdout.write(`${JSON.stringify(what)}\n`);
const forever = (): Promise<never> => new Promise(() => setInterval(() => undefined, 1000));

const store = await openStore({ path: database, masterKey: new Uint8Array(32).fill(7), clock });
const account: Account = {
  id: newAccountId(),
  network: 'whatsapp',
  user: '@anna:example.org' as UserId,
  managementRoom: '!management' as RoomId,
  state: { at: 'enlisting' },
  createdAt: 0,
};
await store.commit([{ change: 'account.put', account }]);
const files: HostedFiles = {
  ...store.hostedFiles,
  put: async (file) => {
    if (task === 'stop before the record') {
      say({ name: file.name });
      await forever();
    }
    await store.hostedFiles.put(file);
  },
};
const host = await createMediaHost({
  directory,
  publicUrl: 'https://example.org',
  quotaBytes: 4096 * MiB,
  keepMs: 1000 * 60,
  files,
  clock,
  logger: createLogger({ level: 'silent' }),
});
const name = host.newName();

async function* stopping(): FileBytes {
  yield* endless(3 * MiB);
  say({ name });
  await forever();
}

/** Stores a file, then serves it, and says under `/growth` by how many KiB the process has grown in all. */
async function serve(bytes: number): Promise<void> {
  const before = process.resourceUsage().maxRSS;
  await host.put(account.id, name, bytes, endless(bytes));
  const app = express().use(host.router);
  app.get('/growth', (_request, response) => void response.json(process.resourceUsage().maxRSS - before));
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  say({ url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, name });
  await forever();
}

switch (task) {
  case 'stop in the middle':
    await host.put(account.id, name, 100 * MiB, stopping());
    break;
  case 'stop before the record':
    await host.put(account.id, name, MiB, endless(MiB));
    break;
  case 'serve':
    await serve(256 * MiB);
    break;
  default:
    say(
      await host.put(account.id, name, 8 * MiB, endless(8 * MiB)).then(
        () => ({ stored: true }),
        ({ code, retry, userText }) => ({ code, retry, userText }),
      ),
    );
}
await store.close();
