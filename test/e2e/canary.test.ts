// What is said in a chat is found nowhere afterwards: not in a database, a log or a temporary file of the bridge, nor in Synapse's database.
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { World } from '../support/world.ts';
import { filesBelow, filesWith } from '../support/written-files.ts';

const canary = 'canary-7f3a9c51e2';
const number = '31687654321';
let world: World;

beforeAll(async () => {
  world = await World.start({ overrides: { 'logging.level': 'debug' } });
});
afterAll(() => world?.stop());

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
  const bridgeFiles = [...(await filesBelow(installation)), world.logPath];
  expect(bridgeFiles.map((file) => file.split('/').at(-1))).toEqual(
    expect.arrayContaining(['bridge.db', 'crypto.db', 'bridge.log']),
  );
  expect(await filesWith(bridgeFiles, [canary, number])).toEqual([]);

  const synapse = (await filesBelow(join(world.homeserver.directory, 'synapse'))).filter((file) =>
    /homeserver\.db/.test(file),
  );
  expect(synapse.length).toBeGreaterThan(0);
  expect(await filesWith(synapse, [canary, number])).toEqual([]);

  const temporary = (await readdir(tmpdir(), { withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map(({ name }) => join(tmpdir(), name));
  expect(await filesWith(temporary, [canary])).toEqual([]);
  // The search itself works: the configuration is found by what is in it.
  expect(await filesWith(bridgeFiles, ['server_name'])).toEqual([world.installation.configPath]);
});
