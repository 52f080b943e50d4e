// An installation moves from SQLite to PostgreSQL: the same ghosts, rooms and ratchets, and a kill loses nothing there either.
import { readFile, stat, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { CuttingProxy } from '../support/cutting-proxy.ts';
import { askDoctor } from '../support/doctor.ts';
import { createSchema, type PostgresServer, startPostgres } from '../support/postgres-server.ts';
import { runCommand } from '../support/program.ts';
import { World } from '../support/world.ts';

const noShield = { color: 'none', reason: undefined };
let server: PostgresServer;
let proxy: CuttingProxy;
let world: World;
let alice: MatrixUser;
let anna: SandboxPhone;
let portal: string;
let ghost: string;

beforeAll(async () => {
  server = await startPostgres();
  proxy = await CuttingProxy.start(await createSchema(server.url));
  world = await World.start();
  alice = await world.homeserver.login('alice', { strict: true });
  anna = await world.phone('31612345678', 'Anna');
  await world.optIn(alice);
  await anna.send(alice.userId, 'first on SQLite');
  portal = await world.joinPortal(alice);
  ghost = (await alice.members(portal)).find(({ userId }) => userId.startsWith('@wa_'))?.userId ?? '';
  await both('on SQLite');
});
afterAll(async () => {
  await world?.stop();
  await proxy?.stop();
  await server?.stop();
});

/** One message each way. */
async function both(place: string): Promise<void> {
  const id = await anna.send(alice.userId, `from Anna ${place}`);
  const seen = await alice.waitForMessage(portal, ({ body }) => body === `from Anna ${place}`, 60_000);
  expect(seen).toMatchObject({ sender: ghost, encrypted: true, shield: noShield });
  await anna.hasStatus(id, 'delivered');
  await alice.sendText(portal, `from Alice ${place}`);
  await anna.received(`from Alice ${place}`, 60_000);
}

test('db copy moves it while the bridge is stopped, and the conversation goes on with the same keys', async () => {
  const { configPath } = world.installation;
  const { masterKey } = await alice.userTrust(ghost);
  const { url } = proxy;
  const copy = () => runCommand(configPath, 'db', 'copy', '--to', url);
  await expect(copy()).rejects.toMatchObject({ stderr: expect.stringContaining('another process is using') });
  await world.bridge.stop();
  await anna.send(alice.userId, 'sent during the move');
  const { stdout, stderr } = await copy();
  expect(stderr).toBe('');
  expect(stdout).toMatch(/^inbox +\d+$/m);
  expect(stdout).toMatch(/^journal_row +\d\d+$/m);
  expect(stdout).not.toContain(new URL(url).password);

  await expect(world.startBridge()).rejects.toThrow(/was copied to postgres:/);
  const config = parseDocument(await readFile(configPath, 'utf8'));
  config.setIn(['database', 'postgres'], url);
  await writeFile(configPath, config.toString());
  const files = ['bridge.db', 'crypto.db'].map((name) => join(dirname(configPath), name));
  const before = await Promise.all(files.map((file) => stat(file)));
  await world.startBridge();
  await alice.waitForMessage(portal, ({ body }) => body === 'sent during the move', 60_000);
  await both('on PostgreSQL');
  expect(await alice.userTrust(ghost)).toMatchObject({ masterKey, needsUserApproval: false });
  const after = await Promise.all(files.map((file) => stat(file)));
  expect(after.map(({ mtimeMs }) => mtimeMs)).toEqual(before.map(({ mtimeMs }) => mtimeMs));
  expect(await readFile(world.logPath, 'utf8')).not.toContain(new URL(url).password);
});

test('the doctor finds it well there, running and stopped', async () => {
  const { configPath } = world.installation;
  const database = async () => {
    const { status, lines } = await askDoctor(configPath);
    expect(lines.filter(({ outcome }) => outcome === 'problem')).toEqual([]);
    expect(status).toBe(0);
    return lines.find(({ name }) => name === 'database')?.found;
  };
  expect(await database()).toBe('open in the running bridge, sound');
  await world.bridge.stop();
  expect(await database()).toBe('opens with this master key, schema up to date, sound');
  await world.startBridge();
});

test('killed on PostgreSQL in the middle of it, every message arrives once and in order', async () => {
  const sent: string[] = [];
  for (const n of [1, 2, 3]) {
    for (const kind of ['before', 'after'] as const) {
      if (kind === 'after') await world.bridge.kill();
      await anna.send(alice.userId, `Anna ${n} ${kind}`);
      await alice.sendText(portal, `Alice ${n} ${kind}`);
      sent.push(`${n} ${kind}`);
    }
    await world.startBridge();
  }
  const last = sent.at(-1);
  await alice.waitForMessage(portal, ({ body }) => body === `Anna ${last}`, 60_000);
  await anna.received(`Alice ${last}`, 60_000);
  const shown = (await alice.messages(portal)).filter(
    ({ sender, body }) => sender === ghost && /^Anna \d/.test(body ?? ''),
  );
  expect(shown.map(({ body }) => body)).toEqual(sent.map((text) => `Anna ${text}`));
  expect(shown.every(({ shield }) => shield.color === 'none')).toBe(true);
  const received = (await anna.messages()).filter(({ text }) => /^Alice \d/.test(text ?? ''));
  expect(received.map(({ text }) => text)).toEqual(sent.map((text) => `Alice ${text}`));
});

test('the server goes away in the middle of it and comes back: nothing is lost, and the bridge lives', async () => {
  const log = async () => (await readFile(world.logPath, 'utf8')).split('store.unavailable').length;
  const before = await log();
  proxy.setAway(true);
  await alice.sendText(portal, 'Alice while it was away');
  while ((await log()) === before) await new Promise((done) => setTimeout(done, 100));
  proxy.setAway(false);
  // Synapse waits longer each time that it is answered with 503.
  await anna.received('Alice while it was away', 150_000);
  await both('afterwards');
  expect(await world.bridge.stop()).toBe(0);
}, 300_000);
