// What is held about a user: they get it as a file, the log names nobody, and after `erase` nothing of them is found.
import { readdir, readFile, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { SeenEvent } from '../../src/demo/matrix-timeline.ts';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { openFile } from '../support/matrix-files.ts';
import { runCommand } from '../support/program.ts';
import { World } from '../support/world.ts';

const number = '31687650042';
const names = { user: 'zaphira', contact: 'Trillianne Quux', given: 'Tricia of the Test' };
let world: World;
let zaphira: MatrixUser;
let phone: SandboxPhone;
let botRoom: string;
let portal: string;
const events: string[] = [];

beforeAll(async () => {
  world = await World.start();
  zaphira = await world.homeserver.login(names.user, { strict: true });
  phone = await world.phone(number, names.contact);
  botRoom = await world.optIn(zaphira);
  await phone.send(zaphira.userId, 'the first word');
  portal = await world.joinPortal(zaphira);
  events.push((await zaphira.waitForMessage(portal, ({ body }) => body === 'the first word')).eventId);
  events.push(await zaphira.sendText(portal, 'an answer'));
  await phone.received('an answer');
  await world.ask(zaphira, botRoom, `chat +${number} ${names.given}`, /written into it/);
});
afterAll(() => world?.stop());

async function installationFiles(): Promise<readonly { readonly name: string; readonly bytes: Buffer }[]> {
  const directory = dirname(world.installation.configPath);
  const entries = await readdir(directory, { withFileTypes: true, recursive: true });
  const paths = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
  return Promise.all([...paths, world.logPath].map(async (path) => ({ name: path, bytes: await readFile(path) })));
}

test('a whole conversation, errors included, leaves nobody in the log at the default level', async () => {
  await world.stopSandbox();
  await world.bridge.kill();
  await world.startBridge();
  await zaphira.sendText(portal, 'while the network is away');
  await world.startSandbox();
  await phone.received('while the network is away');
  const log = await readFile(world.logPath, 'utf8');
  expect(log).toContain('"ready"');
  const texts = ['the first word', 'an answer', 'while the network is away', ...Object.values(names), number];
  for (const text of [...texts, zaphira.userId, portal, botRoom, ...events]) expect(log).not.toContain(text);
  expect(log).not.toMatch(/[@!][\w.=-]+:localhost|%40|%21|\$[\w-]{40}/);
});

test('the user gets what is held as an encrypted file, the administrator the same from the command line', async () => {
  const data = await exportedByBot();
  expect(data).toMatchObject({
    format: 'matrix-appservice-whatsapp export',
    user: zaphira.userId,
    identity: 'pinned',
    accounts: [
      {
        network: 'whatsapp',
        chats: [{ room: portal, contactName: names.contact, givenName: names.given, devices: [{ key: 'pinned' }] }],
      },
    ],
  });
  expect(data.accounts[0].chats[0].contactAddresses).toContain(`${number}@s.whatsapp.net`);

  // What counts against limits is written down every few seconds: it may have been between the two.
  const both = async () => {
    const [{ exportedAt, ...fromBot }, fromCommand] = [await exportedByBot(), await exportedByCommand()];
    expect(fromCommand.exportedAt).toBeTypeOf('string');
    expect(fromCommand).toEqual({ ...fromBot, exportedAt: fromCommand.exportedAt });
  };
  await expect.poll(() => both().then(() => 'the same', String), { timeout: 30_000 }).toBe('the same');
});

async function exportedByBot() {
  const seen = new Set((await zaphira.messages(botRoom)).map(({ eventId }) => eventId));
  await world.ask(zaphira, botRoom, 'export', /everything that I hold/);
  const isNewFile = (event: SeenEvent) => !seen.has(event.eventId) && event.content.msgtype === 'm.file';
  const message = await zaphira.waitForMessage(botRoom, isNewFile);
  return JSON.parse((await openFile(zaphira, message.content.file)).toString());
}

async function exportedByCommand() {
  const out = join(world.homeserver.directory, 'export.json');
  await rm(out, { force: true });
  await run('export', '--user', zaphira.userId, '--out', out);
  return JSON.parse(await readFile(out, 'utf8'));
}

async function run(...args: readonly string[]): Promise<string> {
  return (await runCommand(world.installation.configPath, ...args)).stdout;
}

test('after opt-out and erase nothing of the user is found in database, log or directory', async () => {
  await world.ask(zaphira, botRoom, 'erase', /opt-out" first/);
  await world.ask(zaphira, botRoom, 'opt-out', /You have opted out/);
  await zaphira.waitForMessage(botRoom, ({ body }) => /opt-out from WhatsApp is complete/.test(body ?? ''));
  await world.ask(zaphira, botRoom, 'erase', /Answer "yes"/);
  await world.ask(zaphira, botRoom, 'yes', /is deleted here now/);
  await zaphira.waitForMembership(botRoom, world.installation.bot, ['leave']);
  await expect.poll(() => readFile(world.logPath, 'utf8'), { timeout: 30_000 }).toContain('a user has been erased');
  await world.bridge.stop();

  const user = zaphira.userId;
  expect((await installationFiles()).map(({ name }) => name.split('/').at(-1))).toEqual(
    expect.arrayContaining(['bridge.db', 'crypto.db', 'bridge.log']),
  );
  const traces = [user, encodeURIComponent(user), names.user, number, names.contact, names.given, portal, botRoom];
  const found = (await installationFiles()).flatMap(({ name, bytes }) =>
    [...traces, ...events].filter((trace) => bytes.includes(trace)).map((trace) => `${trace} in ${name}`),
  );
  expect(found).toEqual([]);
});

test('with the bridge stopped the administrator gets the same, and what was erased is in no file, nor is the rest once it runs', async () => {
  await world.startBridge();
  const user = await world.homeserver.login('slartibartfast', { strict: true });
  const other = await world.phone('31687650043', 'Magrathea Quux');
  const room = await world.optIn(user);
  await other.send(user.userId, 'before the end');
  const chat = await world.joinPortal(user);
  await user.waitForMessage(chat, ({ body }) => body === 'before the end');
  await world.bridge.stop();

  const out = join(world.homeserver.directory, 'stopped.json');
  await run('export', '--user', user.userId, '--out', out);
  const data = JSON.parse(await readFile(out, 'utf8'));
  expect(data).toMatchObject({ user: user.userId, accounts: [{ managementRoom: room, chats: [{ room: chat }] }] });
  expect(data.accounts[0].chats[0].contactAddresses).toContain(`${other.number}@s.whatsapp.net`);
  await run('erase', '--user', user.userId, '--yes');
  const found = async (traces: readonly string[]) =>
    (await installationFiles()).flatMap(({ name, bytes }) =>
      traces.filter((trace) => bytes.includes(trace)).map((trace) => `${trace} in ${name}`),
    );
  // Whom the network and the homeserver have still to be told of is known until they are.
  const words = ['before the end', other.number, 'Magrathea'];
  expect(await found(words)).toEqual([]);

  const erased = async (): Promise<number> =>
    (await readFile(world.logPath, 'utf8')).split('a user has been erased').length;
  const before = await erased();
  await world.startBridge();
  await expect.poll(erased, { timeout: 30_000 }).toBeGreaterThan(before);
  await world.bridge.stop();
  expect(await found([...words, user.userId, 'slartibartfast', chat, room])).toEqual([]);
});
