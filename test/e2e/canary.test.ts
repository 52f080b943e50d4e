// What is said in a chat is found nowhere afterwards: not in a database, a log or a temporary file of the bridge, nor in Synapse's database.
// Nor could it be elsewhere: the program runs where Node itself lets it write into nothing but these, and their native code has nothing open.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { volatileRoot } from '../support/volatile.ts';
import { World } from '../support/world.ts';
import { filesBelow, filesWith, openForWriting } from '../support/written-files.ts';

const canary = 'canary-7f3a9c51e2';
const number = '31687654321';
let world: World;
/** Where the program finds its temporary files, its home and its caches. */
let elsewhere: string;

beforeAll(async () => {
  elsewhere = await mkdtemp(join(tmpdir(), 'canary-'));
  const writable = [join(volatileRoot, 'maw-homeserver-*'), elsewhere];
  world = await World.start({
    overrides: { 'logging.level': 'debug' },
    environment: {
      TMPDIR: elsewhere,
      SQLITE_TMPDIR: elsewhere,
      HOME: elsewhere,
      NODE_COMPILE_CACHE: '',
      NODE_OPTIONS: [
        '--permission --allow-addons --allow-fs-read=*',
        ...writable.map((path) => `--allow-fs-write=${path}`),
      ].join(' '),
    },
  });
});
afterAll(async () => {
  await world?.stop();
  await rm(elsewhere, { recursive: true, force: true });
});

test('a canary sent both ways leaves no trace', async () => {
  const alice = await world.homeserver.login('alice', { strict: true });
  const botRoom = await world.optIn(alice);
  const phone = await world.phone(number, 'Cora');
  await phone.send(alice.userId, `${canary} from WhatsApp`);
  const portal = await world.joinPortal(alice);
  await alice.waitForMessage(portal, ({ body }) => body === `${canary} from WhatsApp`);
  await alice.sendText(portal, `${canary} from Matrix`);
  await phone.received(`${canary} from Matrix`);
  await world.ask(alice, botRoom, `chat +${number}`, /written into it/);
  const waiting = await phone.send(alice.userId, `${canary} in flight`);
  await world.bridge.kill();
  await world.startBridge();
  await phone.hasStatus(waiting, 'delivered');

  const installation = dirname(world.installation.configPath);
  const open = await openForWriting(world.bridge.pid);
  expect(open.map((path) => relative(installation, path)).sort()).toEqual(
    expect.arrayContaining(['bridge.db', 'crypto.db']),
  );
  expect(open.filter((path) => !path.startsWith(installation))).toEqual([]);
  const bridgeFiles = [...(await filesBelow(installation)), ...(await filesBelow(elsewhere)), world.logPath];
  expect(bridgeFiles.map((file) => file.split('/').at(-1))).toEqual(
    expect.arrayContaining(['bridge.db', 'crypto.db', 'bridge.log']),
  );
  expect(await filesWith(bridgeFiles, [canary, number])).toEqual([]);

  const synapse = (await filesBelow(join(world.homeserver.directory, 'synapse'))).filter((file) =>
    /homeserver\.db/.test(file),
  );
  expect(synapse.length).toBeGreaterThan(0);
  expect(await filesWith(synapse, [canary, number])).toEqual([]);

  // The search itself works: the configuration is found by what is in it.
  expect(await filesWith(bridgeFiles, ['server_name'])).toEqual([world.installation.configPath]);
});
