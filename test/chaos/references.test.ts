// Reactions and deletions of a contact, carried out by the homeserver and not noted by the bridge, which dies in between: done once.
import { create, toBinary } from '@bufbuild/protobuf';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser, SeenEvent } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { MessageSchema } from '../../src/proto/message_pb.ts';
import { parseMessage } from '../../src/translate/to-matrix.ts';
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

describe('killed before it has noted what the homeserver has accepted, so that the user answers an event that the bridge does not know', () => {
  /** Kills the bridge once the next message of the contact is in the room. */
  const killedAfter = async (write: () => Promise<string>, shown: (event: SeenEvent) => boolean) => {
    const killed = homeserver.killAt('PUT', /\/send\/m\.room\.encrypted\//, () => world.bridge.kill());
    const id = await write();
    await killed;
    return { id, event: (await alice.waitForMessage(portal, shown)).eventId };
  };

  test('a reply names the message that it answers', async () => {
    const { id, event } = await killedAfter(
      () => anna.send(alice.userId, 'and you?'),
      ({ body }) => body === 'and you?',
    );
    await alice.reply(portal, event, 'I as well');
    await world.startBridge();
    const { raw } = await anna.received('I as well');
    const { extendedTextMessage } = parseMessage(Buffer.from(raw, 'base64'));
    expect(extendedTextMessage?.contextInfo?.stanzaId).toBe(id);
  });

  test('a reply to a notice stays with the bridge', async () => {
    const pin = toBinary(MessageSchema, create(MessageSchema, { pinInChatMessage: {} }));
    const { event } = await killedAfter(
      () => anna.sendRaw(alice.userId, pin),
      ({ msgtype, body }) => msgtype === 'm.notice' && /pin/i.test(body ?? ''),
    );
    await alice.reply(portal, event, 'only for the bridge');
    await world.startBridge();
    await alice.waitForMessage(portal, ({ body }) => /replies to notices go to the bridge/.test(body ?? ''));
    await alice.sendText(portal, 'for Anna');
    await anna.received('for Anna');
    expect((await anna.messages()).map(({ text }) => text)).not.toContain('only for the bridge');
  });
});

describe('killed before it has noted what a homeserver has accepted that forgets transaction ids meanwhile', () => {
  const forgetful = async () => {
    const { databasePath } = world.homeserver.synapse;
    await world.homeserver.synapse.stop();
    const database = new Database(databasePath);
    expect(database.prepare('DELETE FROM event_txn_id_device_id').run().changes).toBeGreaterThan(0);
    database.close();
    await world.homeserver.startAgain();
    alice.client.retryImmediately();
  };

  test('a message is there once', async () => {
    const killed = homeserver.killAt('PUT', /\/send\/m\.room\.encrypted\//, () => world.bridge.kill());
    const id = await anna.send(alice.userId, 'said once');
    await killed;
    await forgetful();
    await world.startBridge();
    await anna.hasStatus(id, 'delivered', 60_000);
    await anna.hasStatus(await anna.send(alice.userId, 'and then'), 'delivered', 60_000);
    await alice.waitForMessage(portal, ({ body }) => body === 'and then', 60_000);
    expect((await alice.messages(portal)).filter(({ body }) => body === 'said once')).toHaveLength(1);
  });

  test('a reaction is there once, and known', async () => {
    const event = await alice.sendText(portal, 'about memory');
    const { id: about } = await anna.received('about memory', 60_000);
    const killed = homeserver.killAt('PUT', /\/send\/m\.reaction\//, () => world.bridge.kill());
    const id = await anna.refer(alice.userId, { type: 'reaction', id: about, emoji: '👍' });
    await killed;
    await forgetful();
    await world.startBridge();
    await anna.hasStatus(id, 'delivered', 60_000);
    const toEvent = async () =>
      (await alice.messages(portal)).filter(({ content }) => JSON.stringify(content).includes(event));
    expect((await toEvent()).map(({ type }) => type)).toEqual(['m.reaction']);
    // It is known well enough to be taken back.
    await anna.hasStatus(
      await anna.refer(alice.userId, { type: 'reaction', id: about, emoji: '' }),
      'delivered',
      60_000,
    );
    await expect.poll(toEvent, { timeout: 30_000 }).toEqual([]);
  });

  test('a deletion is there once', async () => {
    const about = await anna.send(alice.userId, 'deleted once');
    const { eventId } = await alice.waitForMessage(portal, ({ body }) => body === 'deleted once', 60_000);
    const killed = homeserver.killAt('PUT', /\/redact\//, () => world.bridge.kill());
    const id = await anna.refer(alice.userId, { type: 'delete', id: about });
    await killed;
    await forgetful();
    await world.startBridge();
    await anna.hasStatus(id, 'delivered', 60_000);
    const redactions = (await alice.messages(portal)).filter(
      ({ type, content }) => type === 'm.room.redaction' && JSON.stringify(content).includes(eventId),
    );
    expect(redactions).toHaveLength(1);
  });
});
