// The disk under both databases is full, and has room again later: nothing is taken that cannot be kept, and nothing is lost.
import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { hasSmallDisks } from '../support/small-disk.ts';
import { World } from '../support/world.ts';

let world: World;
const noShield = { color: 'none', reason: undefined };

/** Leaves no byte free. */
function fillDisk(): void {
  const file = openSync(`${world.disk}/ballast`, 'a');
  for (const size of [65_536, 4_096, 512, 1]) {
    try {
      for (;;) writeSync(file, Buffer.alloc(size));
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    }
  }
  closeSync(file);
}

const freeDisk = (): void => rmSync(`${world.disk}/ballast`);

const readiness = async () => {
  const response = await fetch(`${world.installation.publicUrl}/health/ready`);
  return (await response.json()) as { missing?: string[] };
};

const logged = async (text: string) => (await readFile(world.logPath, 'utf8')).split(text).length - 1;

describe.skipIf(!hasSmallDisks)('a full disk', () => {
  let alice: MatrixUser;
  let anna: SandboxPhone;
  let ben: SandboxPhone;
  let portal: string;

  beforeAll(async () => {
    world = await World.start({ diskKibibytes: 32 * 1024 });
    alice = await world.homeserver.login('alice', { strict: true });
    await world.optIn(alice);
    anna = await world.phone('31612345678', 'Anna');
    ben = await world.phone('31612345679', 'Ben');
    await anna.send(alice.userId, 'hello');
    portal = await world.joinPortal(alice);
    await alice.waitForMessage(portal, ({ body }) => body === 'hello');
    await alice.sendText(portal, 'hello Anna');
    await anna.received('hello Anna');
  });
  afterAll(() => world?.stop());

  test('takes nothing, says so once and in readiness, and goes on by itself when there is room', async () => {
    const ghost = (await alice.members(portal)).find(({ userId }) => userId.startsWith('@wa_'))?.userId ?? '';
    const before = await alice.userTrust(ghost);
    fillDisk();
    const ids = [await anna.send(alice.userId, 'one'), await anna.send(alice.userId, 'two')];
    const stranger = await ben.send(alice.userId, 'somebody new');
    await alice.sendText(portal, 'three');
    await alice.sendText(portal, 'four');
    await expect.poll(readiness, { timeout: 30_000 }).toMatchObject({ missing: ['database'] });
    for (let more = 0; more < 20; more += 1) await anna.send(alice.userId, `more ${more}`);
    for (const id of [...ids, stranger])
      expect((await anna.message(id, 'sent', 0).catch(() => undefined))?.status).not.toBe('delivered');
    expect((await alice.messages(portal)).map(({ body }) => body)).not.toContain('one');
    expect(await logged('the database cannot be written')).toBe(1);
    expect(world.bridge.alive).toBe(true);

    freeDisk();
    await alice.waitForMessage(portal, ({ body }) => body === 'more 19', 60_000);
    await anna.received('four', 60_000);
    const invited = await world.joinPortal(alice);
    await alice.waitForMessage(invited, ({ body }) => body === 'somebody new');
    expect(await readiness()).toEqual({ ready: true });
    expect(await logged('the database can be written again')).toBe(1);
    const more = Array.from({ length: 20 }, (_, index) => `more ${index}`);
    const fromAnna = (await alice.messages(portal)).filter(
      ({ sender, msgtype }) => sender === ghost && msgtype === 'm.text',
    );
    expect(fromAnna.map(({ body }) => body)).toEqual(['hello', 'one', 'two', ...more]);
    expect(fromAnna.every(({ shield }) => shield.color === noShield.color)).toBe(true);
    const toAnna = (await anna.messages()).filter(({ direction }) => direction === 'in');
    expect(toAnna.map(({ text }) => text)).toEqual(['hello Anna', 'three', 'four']);
    expect(await alice.userTrust(ghost)).toMatchObject({ masterKey: before.masterKey, needsUserApproval: false });
  }, 240_000);
});
