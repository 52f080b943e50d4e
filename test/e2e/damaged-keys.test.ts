// The keys of ghosts are damaged or lost on the disk: they get new ones, their user is told, and other ghosts keep theirs.
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let managementRoom: string;

beforeAll(async () => {
  world = await World.start({ overrides: { 'delivery.missing_key_wait_s': 5 } });
  alice = await world.homeserver.login('alice', { strict: true });
  managementRoom = await world.optIn(alice);
});
afterAll(() => world?.stop());

async function chat(number: string, name: string): Promise<{ phone: SandboxPhone; portal: string; ghost: string }> {
  const { phone, portal } = await world.chat(alice, number, name);
  const ghost = (await alice.members(portal)).find(({ userId }) => userId.startsWith('@wa_'))?.userId ?? '';
  return { phone, portal, ghost };
}

test('one ghost gets new keys, with a notice and nothing lost; the other one keeps its own', async () => {
  const anna = await chat('31612345678', 'Anna');
  const ben = await chat('31612345679', 'Ben');
  const before = { anna: await alice.userTrust(anna.ghost), ben: await alice.userTrust(ben.ghost) };
  await world.bridge.stop();
  const crypto = new Database(join(world.installation.configPath, '..', 'crypto.db'));
  const actor = anna.ghost.replace(/^@wa_(.*):localhost$/, 'ghost-$1');
  const { changes } = crypto.prepare("update journal_row set value = x'00ff' where actor = ?").run(actor);
  crypto.close();
  expect(changes).toBeGreaterThan(0);
  await anna.phone.send(alice.userId, 'with new keys');
  await ben.phone.send(alice.userId, 'with the old ones');
  await world.startBridge();

  const message = await alice.waitForMessage(anna.portal, ({ body }) => body === 'with new keys', 60_000);
  expect(message).toMatchObject({ encrypted: true, shield: { color: 'none' } });
  const notice = await alice.waitForMessage(anna.portal, ({ body }) => /had to be made anew/.test(body ?? ''), 60_000);
  expect(notice).toMatchObject({ msgtype: 'm.notice', encrypted: true });
  await alice.waitForMessage(ben.portal, ({ body }) => body === 'with the old ones', 60_000);
  await alice.sendText(anna.portal, 'and back');
  await anna.phone.received('and back', 60_000);
  const after = { anna: await alice.userTrust(anna.ghost), ben: await alice.userTrust(ben.ghost) };
  expect(after.anna.masterKey).not.toBe(before.anna.masterKey);
  expect(after.ben.masterKey).toBe(before.ben.masterKey);
  const notices = (await alice.messages(ben.portal)).filter(({ body }) => /made anew/.test(body ?? ''));
  expect(notices).toHaveLength(0);
}, 240_000);

/** Removes the rows of one user from Synapse's database while that is down. */
async function forgetIn(tables: readonly (readonly [table: string, column: string])[], user: string): Promise<void> {
  await world.homeserver.synapse.stop();
  const database = new Database(world.homeserver.synapse.databasePath);
  for (const [table, column] of tables) database.prepare(`delete from ${table} where ${column} = ?`).run(user);
  database.close();
  await world.homeserver.startAgain();
}

test.each([
  ['device', '31612345691', [['devices', 'user_id']]],
  [
    'user',
    '31612345692',
    [
      ['devices', 'user_id'],
      ['users', 'name'],
      ['profiles', 'full_user_id'],
    ],
  ],
] as const)(
  'a ghost whose %s the homeserver does not know is made anew, and the message comes',
  async (_what, number, tables) => {
    const { phone, portal, ghost } = await chat(number, 'Dora');
    const before = await alice.userTrust(ghost);
    await forgetIn(tables, ghost);
    await phone.send(alice.userId, 'can you see this?');
    const message = await alice.waitForMessage(portal, ({ body }) => body === 'can you see this?', 60_000);
    expect(message).toMatchObject({ encrypted: true, shield: { color: 'none' } });
    await alice.waitForMessage(portal, ({ body }) => /had to be made anew/.test(body ?? ''), 60_000);
    await alice.sendText(portal, 'I can');
    await phone.received('I can', 60_000);
    expect((await alice.userTrust(ghost)).masterKey).not.toBe(before.masterKey);
  },
  240_000,
);

test('without the file the bridge starts, the bot listens and every ghost gets new keys; messages go both ways, each chat with its notice', async () => {
  const numbers = ['31612345681', '31612345682', '31612345683', '31612345684'];
  const chats = [];
  for (const number of numbers) chats.push(await chat(number, `Carl ${number.slice(-1)}`));
  const before = await Promise.all(chats.map(({ ghost }) => alice.userTrust(ghost)));
  await world.bridge.stop();
  const file = join(world.installation.configPath, '..', 'crypto.db');
  for (const suffix of ['', '-wal', '-shm']) await rm(file + suffix, { force: true });
  await world.startBridge();

  // In the first one the user writes first.
  const [first, ...others] = chats;
  if (first === undefined) throw new Error('no chats');
  await alice.sendText(first.portal, 'is anybody there?');
  for (const { phone } of others) await phone.send(alice.userId, 'after the loss');
  for (const { portal } of others) {
    const message = await alice.waitForMessage(portal, ({ body }) => body === 'after the loss', 60_000);
    expect(message).toMatchObject({ encrypted: true, shield: { color: 'none' } });
  }
  for (const { phone, portal } of chats) {
    await alice.waitForMessage(portal, ({ body }) => /had to be made anew/.test(body ?? ''), 60_000);
    await alice.sendText(portal, 'and back');
    await phone.received('and back', 60_000);
  }
  const after = await Promise.all(chats.map(({ ghost }) => alice.userTrust(ghost)));
  for (const [index, { masterKey }] of after.entries()) expect(masterKey).not.toBe(before[index]?.masterKey);
  await world.ask(alice, managementRoom, 'status', /./);
}, 240_000);
