// Ways to weaken a chat that the homeserver has, and what comes of each.
import { readFile } from 'node:fs/promises';
import { DeviceId, EncryptionSettings, OlmMachine, RoomId, UserId } from '@matrix-org/matrix-sdk-crypto-wasm';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let phone: SandboxPhone;
let room: string;
let botRoom: string;

beforeAll(async () => {
  world = await World.start({ overrides: { 'delivery.missing_key_wait_s': 3 } });
  alice = await world.homeserver.login('alice', { strict: true });
  botRoom = await world.optIn(alice);
  phone = await world.phone('31660000002', 'Bob');
  await phone.send(alice.userId, 'before');
  room = await world.joinPortal(alice);
  await alice.waitForMessage(room, ({ body }) => body === 'before');
});
afterAll(() => world?.stop());

const notice = (code: string) =>
  alice.waitForMessage(
    room,
    ({ content }) => (content['matrix-appservice-whatsapp.notice'] as { code?: string } | undefined)?.code === code,
  );
const heard = async (text: string) =>
  (await phone.messages()).filter((message) => message.direction === 'in' && message.text === text).length;

test('an event in plaintext is refused, and so is one that only says that it is encrypted', async () => {
  await alice.sendUnencrypted(room, { msgtype: 'm.text', body: 'in plaintext' });
  await notice('plaintext-refused');
  await alice.sendUnencrypted(room, { algorithm: 'm.none', body: 'in plaintext' }, 'm.room.encrypted');
  await notice('undecryptable');
  await alice.sendText(room, 'after plaintext');
  await phone.received('after plaintext');
  expect(await heard('in plaintext')).toBe(0);
});

test('an earlier message under a new event id is not sent again, also after a restart', async () => {
  const id = await alice.sendText(room, 'only once');
  await phone.received('only once');
  const content = alice.client.getRoom(room)?.findEventById(id)?.getWireContent() ?? {};
  expect(content.algorithm).toBe('m.megolm.v1.aes-sha2');
  await alice.sendUnencrypted(room, { ...content }, 'm.room.encrypted');
  await notice('replayed');
  await world.bridge.kill();
  await world.startBridge();
  const again = await alice.sendUnencrypted(room, { ...content }, 'm.room.encrypted');
  await alice.waitForMessage(
    room,
    ({ content: shown }) => JSON.stringify(shown).includes(again) && JSON.stringify(shown).includes('replayed'),
  );
  await alice.sendText(room, 'after the repetition');
  await phone.received('after the repetition');
  expect(await heard('only once')).toBe(1);
});

test('another encryption state changes nothing: what is delivered is encrypted as before', async () => {
  const registration = await readFile(world.installation.registrationPath, 'utf8');
  const [, token] = /^as_token: ["']?([^"'\s]+)/m.exec(registration) ?? [];
  const ghost = (await alice.messages(room)).find(({ body }) => body === 'before')?.sender ?? '';
  const state = (as: string, bearer: string) =>
    fetch(
      `${world.homeserver.synapse.url}/_matrix/client/v3/rooms/${encodeURIComponent(room)}/state/m.room.encryption/${as}`,
      {
        method: 'PUT',
        headers: { authorization: `Bearer ${bearer}` },
        body: JSON.stringify({ algorithm: 'm.none', rotation_period_msgs: 1_000_000 }),
      },
    );
  expect((await state('', alice.client.getAccessToken() ?? '')).status).toBe(403);
  expect((await state(`?user_id=${encodeURIComponent(ghost)}`, token ?? '')).status).toBe(200);
  await phone.send(alice.userId, 'after the change');
  const delivered = await alice.waitForMessage(room, ({ body }) => body === 'after the change');
  expect(delivered.encrypted).toBe(true);
  await alice.sendUnencrypted(room, { msgtype: 'm.text', body: 'unencrypted after the change' });
  await alice.sendText(room, 'and the other way');
  await phone.received('and the other way');
  expect(await heard('unencrypted after the change')).toBe(0);
});

test('a command to the bot is not taken again under a new event id', async () => {
  await world.ask(alice, botRoom, 'delivery-marks on', /Delivery marks are on/);
  const isCommand = ({ sender, body }: Message) => sender === alice.userId && body === 'delivery-marks on';
  const { eventId } = (await alice.messages(botRoom)).find(isCommand) ?? { eventId: '' };
  await world.ask(alice, botRoom, 'delivery-marks off', /Delivery marks are off/);
  const content = alice.client.getRoom(botRoom)?.findEventById(eventId)?.getWireContent() ?? {};
  expect(content.algorithm).toBe('m.megolm.v1.aes-sha2');
  await alice.sendUnencrypted(botRoom, { ...content }, 'm.room.encrypted');
  await alice.waitForMessage(botRoom, ({ body }) => /an earlier message of yours once more/.test(body ?? ''));
  await world.ask(alice, botRoom, 'settings', /delivery marks off/);
});

test('a room key that is forwarded opens nothing, whoever forwards it', async () => {
  // Somebody who says that they are a session of Alice's writes under a key of their own.
  const forger = await OlmMachine.initialize(new UserId(alice.userId), new DeviceId('FORGER'));
  const content = JSON.stringify({ msgtype: 'm.text', body: 'under a forwarded key' });
  await forger.shareRoomKey(new RoomId(room), [], new EncryptionSettings());
  const event = JSON.parse(await forger.encryptRoomEvent(new RoomId(room), 'm.room.message', content));
  const [key] = JSON.parse(await forger.exportRoomKeys(() => true));
  expect(key.session_id).toBe(event.session_id);
  forger.close();

  const ghost = (await alice.messages(room)).find(({ body }) => body === 'before')?.sender ?? '';
  const devices = (await alice.client.getCrypto()?.getUserDeviceInfo([ghost]))?.get(ghost)?.keys() ?? [];
  const to = [...devices].map((deviceId) => ({ userId: ghost, deviceId }));
  expect(to).toHaveLength(1);
  await alice.client.encryptAndSendToDevice('m.forwarded_room_key', to, key);
  await alice.sendUnencrypted(room, event, 'm.room.encrypted');
  await notice('waiting-for-key');
  await alice.sendText(room, 'after the forwarded key');
  await phone.received('after the forwarded key');
  expect(await heard('under a forwarded key')).toBe(0);
});
