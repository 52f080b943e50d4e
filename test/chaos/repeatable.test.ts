// Every step that makes something on the homeserver or at the network may be killed after it happened and before it was noted: it is
// found again at the next start, never repeated. The bridge dies by SIGKILL the moment the other side has carried the request out.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import { KillingProxy } from '../support/killing-proxy.ts';
import { World } from '../support/world.ts';

let world: World;
let homeserver: KillingProxy;
let network: KillingProxy;
let alice: MatrixUser;
let number = 31_610_000_000;

beforeAll(async () => {
  world = await World.start({
    between: async (synapse, sandbox) => {
      homeserver = await KillingProxy.start(synapse);
      network = await KillingProxy.start(sandbox);
      return { homeserverUrl: homeserver.url, enlistmentUrl: `${network.url}/enlist` };
    },
  });
  alice = await world.homeserver.login('alice', { strict: true });
});
afterAll(async () => {
  await world?.stop();
  await homeserver?.stop();
  await network?.stop();
});

test('enlistment: the account is found again, the user is told once', async () => {
  const room = await world.talkToBot(alice);
  await world.ask(alice, room, 'opt-in', /Answer "yes"/);
  const killed = network.killAt('POST', /^\/enlist/, () => world.bridge.kill());
  await alice.sendText(room, 'yes');
  await killed;
  await world.startBridge();
  await alice.waitForMessage(room, ({ body }) => /You are connected/.test(body ?? ''), 60_000);
  const told = (await alice.messages(room)).filter(({ body }) => /You are connected/.test(body ?? ''));
  expect(told).toHaveLength(1);
});

const steps: [string, string, RegExp][] = [
  ['registering the ghost', 'POST', /\/register\b/],
  ['making its device', 'PUT', /\/devices\//],
  ['uploading its device keys', 'POST', /\/keys\/upload\b/],
  ['uploading its identity', 'POST', /\/keys\/device_signing\/upload/],
  ['signing its device', 'POST', /\/keys\/signatures\/upload/],
  ['naming it', 'PUT', /\/profile\/.*\/displayname/],
  ['creating the room', 'POST', /\/createRoom\b/],
  ['sharing the room key', 'PUT', /\/sendToDevice\/m.room.encrypted\//],
  ['sending the first notice', 'PUT', /\/send\/m\.room\.encrypted\//],
];

describe('killed after', () => {
  test.each(steps)('%s: one ghost, one room, every message once', async (_step, method, path) => {
    number += 1;
    const phone = await world.phone(String(number), `Step ${number % 100}`);
    const killed = homeserver.killAt(method, path, () => world.bridge.kill());
    const first = await phone.send(alice.userId, `first from ${number}`);
    const second = await phone.send(alice.userId, `second from ${number}`);
    await killed;
    await world.startBridge();
    const invite = await alice.waitForInvite(({ inviter }) => inviter?.startsWith('@wa_') ?? false);
    await alice.join(invite.roomId);
    await alice.waitForMessage(invite.roomId, ({ body }) => body === `second from ${number}`);
    // Somebody whom she does not know learns nothing before she has joined.
    await phone.hasStatus(second, 'delivered', 60_000);
    await phone.hasStatus(first, 'delivered');
    const messages = await alice.messages(invite.roomId);
    const texts = messages.filter(({ msgtype }) => msgtype === 'm.text').map(({ body }) => body);
    expect(texts).toEqual([`first from ${number}`, `second from ${number}`]);
    expect(messages.filter(({ msgtype }) => msgtype === 'm.notice')).toHaveLength(1);
    expect(messages.every(({ shield }) => shield.color === 'none')).toBe(true);
    const rooms = alice.client.getRooms().filter((room) => room.getMyMembership() === 'invite');
    expect(rooms.map(({ roomId }) => roomId)).toEqual([]);
    await alice.sendText(invite.roomId, `answer to ${number}`);
    await phone.received(`answer to ${number}`);
  });
});
