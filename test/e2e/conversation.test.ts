// The main job: a Matrix user and people on WhatsApp write to each other, encrypted on both sides.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { World } from '../support/world.ts';

const noShield = { color: 'none', reason: undefined };
let world: World;

beforeAll(async () => {
  world = await World.start();
});
afterAll(() => world?.stop());

describe('a user who has opted in', () => {
  let alice: MatrixUser;
  let botRoom: string;
  let anna: SandboxPhone;
  let portal: string;

  beforeAll(async () => {
    alice = await world.homeserver.login('alice', { strict: true });
    anna = await world.phone('31612345678', 'Anna');
    botRoom = await world.optIn(alice);
  });

  test('is reached by a stranger on WhatsApp: an invitation, a label, a message without a shield', async () => {
    const id = await anna.send(alice.userId, 'hello from WhatsApp');
    const invite = await alice.waitForInvite(({ inviter }) => inviter?.startsWith('@wa_') ?? false);
    expect(invite.isDirect).toBe(true);
    portal = invite.roomId;
    await alice.join(portal);
    const label = await alice.waitForMessage(portal, ({ body }) => /external chat/.test(body ?? ''));
    const hello = await alice.waitForMessage(portal, ({ body }) => body === 'hello from WhatsApp');
    expect(label).toMatchObject({ msgtype: 'm.notice', encrypted: true, shield: noShield });
    expect(hello).toMatchObject({ msgtype: 'm.text', encrypted: true, shield: noShield, sender: invite.inviter });
    await anna.hasStatus(id, 'delivered');
  });

  test('sees that the chat is external, and no phone number in anything unencrypted', async () => {
    const members = await alice.members(portal);
    expect(members).toHaveLength(2);
    expect(members.find(({ userId }) => userId.startsWith('@wa_'))?.displayName).toBe('Anna (WhatsApp)');
    expect(await alice.roomState(portal, 'm.room.topic')).toMatchObject({
      topic: expect.stringContaining('External chat'),
    });
    expect(await alice.roomState(portal, 'm.room.create')).toMatchObject({ 'm.federate': false });
    const state = JSON.stringify(await alice.client.roomState(portal));
    expect(state).toContain('m.bridge');
    expect(state).not.toContain('612345678');
    expect(state).not.toContain('hello from WhatsApp');
    const levels = (await alice.roomState(portal, 'm.room.power_levels')) as { users: object; invite: number };
    expect(levels.users).not.toHaveProperty(alice.userId);
    expect(levels.invite).toBe(100);
  });

  test('answers, and both go on in order', async () => {
    await alice.sendText(portal, 'hello Anna');
    await anna.received('hello Anna');
    for (const text of ['one', 'two', 'three']) await alice.sendText(portal, text);
    for (const text of ['four', 'five', 'six']) await anna.send(alice.userId, text);
    await anna.received('three');
    await alice.waitForMessage(portal, ({ body }) => body === 'six');
    const received = (await anna.messages()).filter(({ direction }) => direction === 'in').map(({ text }) => text);
    expect(received).toEqual(['hello Anna', 'one', 'two', 'three']);
    const fromAnna = (await alice.messages(portal)).filter(
      ({ sender, msgtype }) => sender !== alice.userId && msgtype === 'm.text',
    );
    expect(fromAnna.map(({ body }) => body)).toEqual(['hello from WhatsApp', 'four', 'five', 'six']);
    expect(fromAnna.every(({ shield }) => shield.color === 'none')).toBe(true);
  });

  test('writes first to somebody by phone number', async () => {
    const ben = await world.phone('491701234567', 'Ben');
    await world.ask(alice, botRoom, 'chat +49 170 1234567 Benjamin', /invited you/);
    const room = await world.joinPortal(alice);
    const started = await alice.waitForMessage(room, ({ body }) => /You opened this chat/.test(body ?? ''));
    expect(started).toMatchObject({ msgtype: 'm.notice', encrypted: true });
    await alice.sendText(room, 'hello Ben');
    await ben.received('hello Ben');
    // What Alice calls him is the chat's name; the ghost, which others may meet too, has what he calls himself.
    const ghostName = async () =>
      (await alice.members(room)).find(({ userId }) => userId.startsWith('@wa_'))?.displayName;
    expect(await alice.roomState(room, 'm.room.name')).toEqual({ name: 'Benjamin (WhatsApp)' });
    expect(await ghostName()).toMatch(/^WhatsApp contact \([0-9a-f]{4}\)$/);
    await ben.send(alice.userId, 'hello Alice');
    await alice.waitForMessage(room, ({ body }) => body === 'hello Alice');
    await expect.poll(ghostName).toBe('Ben (WhatsApp)');
    expect(JSON.stringify(await alice.client.roomState(room))).not.toContain('1701234567');
  });

  test('is told that a phone number is not taken in an unencrypted room', async () => {
    const plain = await world.talkToBot(alice, { encrypted: false });
    await world.ask(alice, plain, 'chat +491701234567', /unencrypted room/);
  });

  test('goes on with the same keys after the bridge was killed', async () => {
    const ghost = (await alice.members(portal)).find(({ userId }) => userId.startsWith('@wa_'))?.userId ?? '';
    const before = await alice.userTrust(ghost);
    await world.bridge.kill();
    await alice.sendText(portal, 'written while the bridge was down');
    await anna.send(alice.userId, 'sent while the bridge was down');
    await world.startBridge();
    await anna.received('written while the bridge was down', 60_000);
    const late = await alice.waitForMessage(portal, ({ body }) => body === 'sent while the bridge was down', 60_000);
    expect(late.shield).toEqual(noShield);
    expect(await alice.userTrust(ghost)).toMatchObject({ masterKey: before.masterKey, needsUserApproval: false });
  });

  test('logs in on a second device and reads on', async () => {
    await alice.keysBackedUp();
    const second = await world.homeserver.login('alice', {
      strict: true,
      ...(alice.recoveryKey ? { recoveryKey: alice.recoveryKey } : {}),
    });
    expect((await second.messages(portal)).map(({ body }) => body)).toContain('hello from WhatsApp');
    await anna.send(alice.userId, 'for both devices');
    const seen = await second.waitForMessage(portal, ({ body }) => body === 'for both devices');
    expect(seen).toMatchObject({ encrypted: true, shield: noShield });
    await second.sendText(portal, 'from the second device');
    await anna.received('from the second device');
  });

  test('is refused aloud when a message is not encrypted', async () => {
    const event = await alice.sendUnencrypted(portal, { msgtype: 'm.text', body: 'in plain sight' });
    const notice = await alice.waitForMessage(portal, ({ content }) => JSON.stringify(content).includes(event));
    expect(notice).toMatchObject({ msgtype: 'm.notice', body: expect.stringContaining('unencrypted') });
    await alice.sendText(portal, 'after the refusal');
    await anna.received('after the refusal');
    expect((await anna.messages()).map(({ text }) => text)).not.toContain('in plain sight');
  });

  test('opts out, and nothing passes any more', async () => {
    await world.ask(alice, botRoom, 'opt-out', /You have opted out/);
    await alice.waitForMessage(botRoom, ({ body }) => /opt-out .* is complete/.test(body ?? ''));
    await expect(anna.send(alice.userId, 'too late')).rejects.toThrow('not_reachable');
    await world.ask(alice, botRoom, 'status', /not opted in/);
  });
});

test('a user who has not opted in is reached by nobody and reaches nobody', async () => {
  const carol = await world.homeserver.login('carol', { strict: true });
  const phone = await world.phone('31699999999', 'Dirk');
  await expect(phone.send(carol.userId, 'anybody there?')).rejects.toThrow('not_reachable');
  const room = await world.talkToBot(carol);
  await world.ask(carol, room, 'chat +31699999999', /not connected/);
});
