// A user who takes no invitations: the room is made all the same (Synapse sends the invitation last), and its chat goes on once they take them.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;

beforeAll(async () => {
  world = await World.start();
  alice = await world.homeserver.login('alice', { strict: true });
});
afterAll(() => world?.stop());

/** What she says of it in the settings of her client (Matrix spec, `m.invite_permission_config`). */
async function invitations(action: 'allow' | 'block'): Promise<void> {
  const url = `${world.homeserver.synapse.url}/_matrix/client/v3/user/${alice.userId}/account_data/m.invite_permission_config`;
  const headers = { authorization: `Bearer ${alice.client.getAccessToken()}` };
  const response = await fetch(url, { method: 'PUT', headers, body: JSON.stringify({ default_action: action }) });
  expect(response.status).toBe(200);
}

test('is told so by the bot, and gets chat and messages when they are taken', async () => {
  const botRoom = await world.optIn(alice);
  await invitations('block');
  const phone = await world.phone('31610000001', 'Anna');
  await phone.send(alice.userId, 'are you there?');
  await alice.waitForMessage(botRoom, ({ body }) => body?.includes('you cannot be invited to the chat') ?? false);
  await invitations('allow');
  await phone.send(alice.userId, 'hello?');
  const portal = await world.joinPortal(alice);
  await alice.waitForMessage(portal, ({ body }) => body === 'hello?');
  const bodies = (await alice.messages(portal)).map(({ body }) => body);
  expect(bodies.filter((body) => body === 'are you there?')).toHaveLength(1);
  const told = (await alice.messages(botRoom)).filter(({ body }) => body?.includes('cannot be invited'));
  expect(told).toHaveLength(1);
});
