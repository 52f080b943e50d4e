// The doctor on a real installation: running, stopped, and with something wrong.
import { chmod, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import { askDoctor, type DoctorLine, found } from '../support/doctor.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;

beforeAll(async () => {
  world = await World.start();
  alice = await world.homeserver.login('alice', { strict: true });
  await world.optIn(alice);
});
afterAll(() => world?.stop());

const doctor = () => askDoctor(world.installation.configPath);
const wrong = (lines: readonly DoctorLine[]) =>
  lines.filter(({ outcome }) => outcome === 'problem').map(({ name }) => name);

test('finds a running installation well', async () => {
  const { status, lines } = await doctor();
  expect(wrong(lines)).toEqual([]);
  expect(status).toBe(0);
  expect(lines.map(({ name }) => name)).toEqual([
    'Node',
    'configuration',
    'file permissions',
    'media directory',
    'master key',
    'registration',
    'bridge',
    'database',
    'consent records',
    'parked messages',
    'waiting messages',
    'homeserver',
    'clock',
    'registration loaded',
    'reached by it',
    'key extensions',
    'provider',
    'whatsapp chat',
    'whatsapp enlistment',
  ]);
  expect(lines.every(({ outcome }) => outcome === 'ok')).toBe(true);
});

test('finds what is wrong with a stopped one, and says whose consent was tampered with', async () => {
  await world.bridge.stop();
  const healthy = await doctor();
  expect(wrong(healthy.lines)).toEqual([]);
  expect(found(healthy.lines, 'provider')?.outcome).toBe('unknown');

  const { configPath, registrationPath } = world.installation;
  const directory = dirname(configPath);
  const database = new Database(join(directory, 'bridge.db'));
  database.prepare('delete from consent_entry where position = (select max(position) from consent_entry)').run();
  database.close();
  await chmod(registrationPath, 0o644);
  const text = await readFile(configPath, 'utf8');
  const config = parseDocument(text);
  config.setIn(['homeserver', 'url'], 'http://127.0.0.1:1');
  await writeFile(configPath, config.toString());
  const { status, lines } = await doctor();
  expect(status).toBe(1);
  expect(wrong(lines)).toEqual(['file permissions', 'consent records', 'homeserver']);
  expect(found(lines, 'consent records')?.found).toContain(`${alice.userId} (cut)`);
  await writeFile(configPath, text);
});

test('whoever has a damaged record is paused at the start, readiness names it, and agreeing again settles it', async () => {
  await world.startBridge();
  const ready = await fetch(`${world.installation.publicUrl}/health/ready`);
  expect(ready.status).toBe(200);
  const [room] = (await alice.client.getJoinedRooms()).joined_rooms;
  await alice.waitForMessage(room ?? '', ({ body }) => /record is damaged/.test(body ?? ''));
  await expect
    .poll(async () => (await fetch(`${world.installation.publicUrl}/health/ready`)).json())
    .toEqual({
      ready: true,
      warnings: ['consent-records'],
    });
  await world.ask(alice, room ?? '', 'yes', /on record/);
  await alice.waitForMessage(room ?? '', ({ body }) => /WhatsApp goes on/.test(body ?? ''));
  await world.ask(alice, room ?? '', 'consent', /damaged, and was given up.*you agreed/s);
  const { lines } = await doctor();
  expect(found(lines, 'consent records')?.outcome).toBe('ok');
});
