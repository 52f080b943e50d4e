// A room key that does not come holds its chat for a while; then the chat goes on, and the message follows when the key comes, marked as late.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { MoodyProxy } from '../support/moody-proxy.ts';
import { World } from '../support/world.ts';

let world: World;
let proxy: MoodyProxy;
let alice: MatrixUser;
let anna: SandboxPhone;
let portal: string;

beforeAll(async () => {
  world = await World.start({
    overrides: { 'delivery.missing_key_wait_s': 3 },
    between: async (synapseUrl, sandboxUrl) => {
      proxy = await MoodyProxy.start(synapseUrl);
      return { homeserverUrl: proxy.url, enlistmentUrl: `${sandboxUrl}/enlist` };
    },
  });
  alice = await world.homeserver.login('alice', { strict: true });
  await world.optIn(alice);
  anna = await world.phone('31612345678', 'Anna');
  await anna.send(alice.userId, 'hello');
  portal = await world.joinPortal(alice);
  await alice.waitForMessage(portal, ({ body }) => body === 'hello');
  await alice.sendText(portal, 'hello Anna');
  await anna.received('hello Anna');
});
afterAll(async () => {
  await world?.stop();
  await proxy?.stop();
});

const notice = (code: string) =>
  alice.waitForMessage(
    portal,
    ({ content }) => (content['matrix-appservice-whatsapp.notice'] as { code?: string } | undefined)?.code === code,
    60_000,
  );

/** The next message comes under a new room key. */
const newRoomKey = () => alice.client.getCrypto()?.forceDiscardSession(portal);

test('the chat goes on without a message whose key was lost, and that follows late', async () => {
  proxy.mood = 'keyless';
  // The homeserver drops what it cannot push, and only /sync has it then.
  await world.bridge.kill();
  await newRoomKey();
  const lost = await alice.sendText(portal, 'the key to this is lost');
  await world.startBridge();
  const waiting = await notice('waiting-for-key');
  expect(JSON.stringify(waiting.content)).toContain(lost);
  await newRoomKey();
  await alice.sendText(portal, 'the chat goes on');
  await anna.received('the chat goes on');

  proxy.mood = 'fine';
  await world.bridge.stop();
  await world.startBridge();
  const late = await anna.waitForMessage(({ text }) => text?.endsWith('the key to this is lost') ?? false, 60_000);
  expect(late.text).toMatch(/^\[Arrives late: written \d{4}-\d\d-\d\d \d\d:\d\d UTC\]\n/);
  await notice('sent-late');
  const texts = (await anna.messages()).filter(({ direction }) => direction === 'in').map(({ text }) => text);
  expect(texts).toEqual(['hello Anna', 'the chat goes on', late.text]);
}, 180_000);

test('a message that is deleted while it waits for its key is never sent', async () => {
  proxy.mood = 'keyless';
  await world.bridge.kill();
  await newRoomKey();
  const lost = await alice.sendText(portal, 'better not');
  await world.startBridge();
  await alice.waitForMessage(
    portal,
    ({ content }) => JSON.stringify(content).includes(lost) && JSON.stringify(content).includes('waiting-for-key'),
    60_000,
  );
  await alice.client.redactEvent(portal, lost);
  await newRoomKey();
  await alice.sendText(portal, 'after the deletion');
  await anna.received('after the deletion');
  proxy.mood = 'fine';
  await world.bridge.stop();
  await world.startBridge();
  await alice.sendText(portal, 'and on');
  await anna.received('and on', 60_000);
  expect((await anna.messages()).map(({ text }) => text)).not.toContainEqual(expect.stringContaining('better not'));
}, 180_000);
