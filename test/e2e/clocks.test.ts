// The network's clock and ours are hours apart, and jump: tokens are made by the network's, and the conversation goes on.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { systemClock } from '../../src/model/clock.ts';
import { World } from '../support/world.ts';

const hour = 3_600_000;
let ahead = 5 * hour;
let world: World;
let alice: MatrixUser;
let anna: SandboxPhone;
let portal: string;

beforeAll(async () => {
  world = await World.start({ networkClock: { ...systemClock, now: () => Date.now() + ahead } });
  alice = await world.homeserver.login('alice', { strict: true });
});
afterAll(() => world?.stop());

test('a user opts in and writes where the network is five hours ahead', async () => {
  await world.optIn(alice);
  anna = await world.phone('31612345678', 'Anna');
  await anna.send(alice.userId, 'from the future');
  portal = await world.joinPortal(alice);
  await alice.waitForMessage(portal, ({ body }) => body === 'from the future');
  await alice.sendText(portal, 'from the past');
  await anna.received('from the past');
});

test.each([
  ['back', -3 * hour],
  ['forward', 9 * hour],
])('its clock jumps %s, all connections break, and everybody is there again', async (name, to) => {
  ahead = to;
  await anna.call('POST', '/network', { disconnect: true });
  await anna.send(alice.userId, `in ${name}`);
  await alice.waitForMessage(portal, ({ body }) => body === `in ${name}`, 60_000);
  await alice.sendText(portal, `out ${name}`);
  expect((await anna.received(`out ${name}`, 60_000)).text).toBe(`out ${name}`);
});
