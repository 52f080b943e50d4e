// Reactions and deletions of a contact, carried out by the homeserver and not noted by the bridge, which dies in between: done once.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { KillingProxy } from '../support/killing-proxy.ts';
import { World } from '../support/world.ts';

let world: World;
let homeserver: KillingProxy;
let alice: MatrixUser;
let anna: SandboxPhone;
let portal: string;

beforeAll(async () => {
  world = await World.start({
    between: async (synapse, sandbox) => {
      homeserver = await KillingProxy.start(synapse);
      return { homeserverUrl: homeserver.url, enlistmentUrl: `${sandbox}/enlist` };
    },
  });
  alice = await world.homeserver.login('alice', { strict: true });
  anna = await world.phone('31612345678', 'Anna');
  await world.optIn(alice);
  await anna.send(alice.userId, 'hello');
  portal = await world.joinPortal(alice);
});
afterAll(async () => {
  await world?.stop();
  await homeserver?.stop();
});

const reactions = async () =>
  (await alice.messages(portal)).filter(({ type }) => type === 'm.reaction').map(({ redacted }) => redacted);

test.each([
  ['taking the earlier reaction back', /\/redact\//],
  ['sending the new reaction', /\/send\/m\.reaction\//],
])('killed after %s: one reaction is left', async (_step, path) => {
  const event = await alice.sendText(portal, `about ${path}`);
  const { id } = await anna.received(`about ${path}`);
  const before = await reactions();
  const first = await anna.refer(alice.userId, { type: 'reaction', id, emoji: '👍' });
  await anna.hasStatus(first, 'delivered');
  const killed = homeserver.killAt('PUT', path, () => world.bridge.kill());
  const second = await anna.refer(alice.userId, { type: 'reaction', id, emoji: '🎉' });
  await killed;
  await world.startBridge();
  await anna.hasStatus(second, 'delivered', 60_000);
  const shown = await alice.waitForMessage(portal, ({ type, redacted, content }) => {
    const relation = JSON.stringify(content['m.relates_to'] ?? null);
    return type === 'm.reaction' && !redacted && relation.includes(event) && relation.includes('🎉');
  });
  expect(shown.redacted).toBe(false);
  expect((await reactions()).slice(before.length)).toEqual([true, false]);
});

test('killed after a deletion: the message is deleted, and nothing is said of it twice', async () => {
  const id = await anna.send(alice.userId, 'a slip');
  const { eventId } = await alice.waitForMessage(portal, ({ body }) => body === 'a slip');
  const killed = homeserver.killAt('PUT', /\/redact\//, () => world.bridge.kill());
  const deletion = await anna.refer(alice.userId, { type: 'delete', id });
  await killed;
  await world.startBridge();
  await anna.hasStatus(deletion, 'delivered', 60_000);
  await alice.waitForMessage(portal, (one) => one.eventId === eventId && one.redacted);
  const redactions = (await alice.messages(portal)).filter(({ type }) => type === 'm.room.redaction');
  expect(redactions).toHaveLength(3);
  expect((await alice.messages(portal)).filter(({ body }) => /not known/.test(body ?? ''))).toEqual([]);
});
