// Whose key is whose: what happens when keys change, are forged, are missing, or belong to nobody the user has vouched for.
import { join } from 'node:path';
import { create, toBinary } from '@bufbuild/protobuf';
import { ScannableFingerprint } from '@signalapp/libsignal-client';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { MessageSchema } from '../../src/proto/message_pb.ts';
import { openFile } from '../support/matrix-files.ts';
import { scan } from '../support/scan.ts';
import { World } from '../support/world.ts';

const noShield = { color: 'none', reason: undefined };
let world: World;

beforeAll(async () => {
  world = await World.start({ overrides: { 'delivery.missing_key_wait_s': 5 } });
});
afterAll(() => world?.stop());

let numbers = 31_600_000_000;

/** A user who has opted in, with an open chat with somebody on WhatsApp. */
async function chat(
  localpart: string,
  name: string,
): Promise<{ user: MatrixUser; botRoom: string; phone: SandboxPhone; portal: string }> {
  const user = await world.homeserver.login(localpart, { strict: true });
  const botRoom = await world.optIn(user);
  numbers += 1;
  const phone = await SandboxPhone.create(world.sandbox.url, String(numbers), name);
  await phone.send(user.userId, `hello ${localpart}`);
  const portal = await world.joinPortal(user);
  await user.waitForMessage(portal, ({ body }) => body === `hello ${localpart}`);
  await user.sendText(portal, `hello ${name}`);
  await phone.received(`hello ${name}`);
  return { user, botRoom, phone, portal };
}

const notice = (user: MatrixUser, room: string, code: string, timeoutMs?: number) =>
  user.waitForMessage(
    room,
    ({ content }) => (content['matrix-appservice-whatsapp.notice'] as { code?: string } | undefined)?.code === code,
    timeoutMs,
  );

/** Looks into the database of the running bridge for what nobody outside can see. */
function bridgeRow(query: string): Record<string, unknown> {
  const db = new Database(join(world.installation.configPath, '..', 'bridge.db'), { readonly: true });
  const row = db.prepare(query).get() as Record<string, unknown> | undefined;
  db.close();
  return row ?? {};
}

test('a forged retry receipt gets no answer: it is shown, and holds the chat until the user decides', async () => {
  const { user, phone, portal } = await chat('felix', 'Frida');
  await phone.post('offline', { offline: true });
  await user.sendText(portal, 'for Frida alone');
  const newest = () => bridgeRow('select message_id, state from outbox order by id desc limit 1');
  await expect.poll(newest, { timeout: 20_000 }).toMatchObject({ state: 'acknowledged' });
  const attack = (await phone.call('POST', '/faults/forged-retry', {
    phone: phone.number,
    to: user.userId,
    id: newest().message_id,
    count: 2,
  })) as { attack: number };
  const warning = await notice(user, portal, 'identity-changed');
  expect(warning).toMatchObject({ encrypted: true, msgtype: 'm.notice', shield: noShield });
  await user.sendText(portal, 'held back');
  await phone.post('offline', { offline: false });
  await phone.received('for Frida alone');
  const result = await phone.call('GET', `/faults/forged-retry/${attack.attack}`);
  expect(result).toMatchObject({ answers: 0, decrypted: [] });
  expect((await phone.messages()).map(({ text }) => text)).not.toContain('held back');
  await user.reply(portal, warning.eventId, 'keep');
  await notice(user, portal, 'identity-kept');
  await phone.received('held back');
  expect(await phone.call('GET', `/faults/forged-retry/${attack.attack}`)).toMatchObject({ answers: 0, decrypted: [] });
  expect((await phone.messages()).map(({ text }) => text)).not.toContain('keep');
});

test('a contact with a new phone is delivered with a warning; answers wait until the new key is accepted', async () => {
  const { user, phone, portal } = await chat('greta', 'Gustav');
  const label = await notice(user, portal, 'label');
  await user.reply(portal, label.eventId, 'verified');
  await notice(user, portal, 'verified');
  await phone.post('reset', {});
  await phone.send(user.userId, 'I have a new phone');
  await user.waitForMessage(portal, ({ body }) => body === 'I have a new phone');
  const warning = await notice(user, portal, 'identity-changed');
  await user.sendText(portal, 'welcome back');
  await user.reply(portal, warning.eventId, 'accept');
  await notice(user, portal, 'identity-accepted');
  // What was compared before was another key.
  await user.reply(portal, warning.eventId, 'verify');
  await user.waitForMessage(portal, ({ body }) => /When you have compared it/.test(body ?? ''));
  expect((await user.messages(portal)).filter(({ body }) => /compared it with them already/.test(body ?? ''))).toEqual(
    [],
  );
  await phone.received('welcome back');
  const texts = (await phone.messages()).filter(({ direction }) => direction === 'in').map(({ text }) => text);
  expect(texts).not.toContain('accept');
});

test('damaged messages are asked for again, in both directions', async () => {
  const { user, phone, portal } = await chat('hanna', 'Henk');
  await phone.call('POST', '/faults/corrupt', { to: phone.number });
  await user.sendText(portal, 'arrives at the second try');
  await phone.received('arrives at the second try');
  await phone.call('POST', '/faults/corrupt', { to: user.userId });
  await phone.send(user.userId, 'this one, too');
  await user.waitForMessage(portal, ({ body }) => body === 'this one, too');
  await phone.call('POST', '/faults/duplicate', { to: user.userId });
  await phone.send(user.userId, 'only once');
  await phone.send(user.userId, 'and on');
  await user.waitForMessage(portal, ({ body }) => body === 'and on');
  expect((await user.messages(portal)).filter(({ body }) => body === 'only once')).toHaveLength(1);
});

test('a contact cannot imitate a notice of the bridge', async () => {
  const { user, phone, portal } = await chat('iris', 'Ivo');
  const real = await notice(user, portal, 'label');
  const text = String(real.body);
  await phone.sendRaw(user.userId, toBinary(MessageSchema, create(MessageSchema, { extendedTextMessage: { text } })));
  const imitation = await user.waitForMessage(portal, ({ body, eventId }) => body === text && eventId !== real.eventId);
  expect(imitation.msgtype).toBe('m.text');
  expect(Object.keys(imitation.content)).not.toContain('matrix-appservice-whatsapp.notice');
  // A reply to it is an ordinary message; a reply to the real one never leaves the bridge.
  await user.reply(portal, imitation.eventId, 'accept');
  await phone.received('accept');
  await user.reply(portal, real.eventId, 'a secret for the bridge');
  await notice(user, portal, 'command-answer');
  // Both sides compute the same safety number.
  await user.reply(portal, real.eventId, 'safety number');
  const shown = await notice(user, portal, 'safety-number');
  const path = `/phones/${phone.number}/safety-number?with=${encodeURIComponent(user.userId)}`;
  const theirs = (await phone.call('GET', path)) as { safetyNumber: string; scannable: string };
  const { safetyNumber } = theirs;
  expect(String(shown.body).replaceAll(' ', '')).toContain(safetyNumber);
  // The phone can scan it as well.
  const picture = await notice(user, portal, 'safety-number-picture');
  expect(picture).toMatchObject({ encrypted: true, shield: noShield, msgtype: 'm.image' });
  const scanned = ScannableFingerprint._fromBuffer(scan(await openFile(user, picture.content.file)));
  expect(ScannableFingerprint._fromBuffer(Buffer.from(theirs.scannable, 'base64')).compare(scanned)).toBe(true);
  await user.reply(portal, picture.eventId, 'what is this picture?');
  // That it was compared is on record for this key, and for no other.
  await user.reply(portal, shown.eventId, 'verified');
  const recorded = await notice(user, portal, 'verified');
  expect(String(recorded.body).replaceAll(' ', '')).toContain(safetyNumber);
  const numbered = (pattern: RegExp) =>
    user.waitForMessage(portal, ({ msgtype, body }) => msgtype === 'm.notice' && pattern.test(body ?? ''));
  await user.reply(portal, real.eventId, 'verify');
  await numbered(/safety number of this chat.*have compared it with them already/);
  // The same for a notice that stands where a message could not be carried.
  const damaged = await phone.sendRaw(
    user.userId,
    toBinary(MessageSchema, create(MessageSchema, { imageMessage: {} })),
  );
  const instead = await notice(user, portal, 'unsupported');
  await phone.hasStatus(damaged, 'delivered');
  await user.reply(portal, instead.eventId, 'another secret');
  await user.sendText(portal, 'not a secret');
  await phone.received('not a secret');
  const heard = (await phone.messages()).map((message) => message.text);
  expect(heard).not.toContain('a secret for the bridge');
  expect(heard).not.toContain('what is this picture?');
  expect(heard).not.toContain('another secret');
});

test('a session that the user has not verified gets no keys, and what it sends is refused', async () => {
  const { user, botRoom, phone, portal } = await chat('jonas', 'Jule');
  const intruder = await world.homeserver.login('jonas', { withoutCrossSigning: true });
  await phone.send(user.userId, 'not for the intruder');
  await user.waitForMessage(portal, ({ body }) => body === 'not for the intruder');
  const seen = await intruder.waitForMessage(portal, ({ decryptionFailure }) => decryptionFailure !== undefined);
  expect(seen.body).not.toBe('not for the intruder');
  await intruder.sendText(portal, 'from the intruder');
  await notice(user, portal, 'unverified-device');
  await user.sendText(portal, 'from the real one');
  await phone.received('from the real one');
  expect((await phone.messages()).map(({ text }) => text)).not.toContain('from the intruder');
  // What the bot says of itself every session may read; what names people the intruder may not.
  const { eventId: forAll } = await world.ask(user, botRoom, 'status', /./);
  await intruder.waitForMessage(botRoom, ({ eventId, body }) => eventId === forAll && body !== undefined);
  const { eventId: confidential } = await world.ask(user, botRoom, 'block +999*', /begins with \+999/);
  await intruder.waitForMessage(
    botRoom,
    ({ eventId, decryptionFailure }) => eventId === confidential && decryptionFailure !== undefined,
  );
});

test('while the user has no verified session messages wait, and come when there is one', async () => {
  const { user, phone, portal } = await chat('klara', 'Kai');
  await user.keysBackedUp();
  const recoveryKey = user.recoveryKey ?? '';
  await user.logout();
  await phone.send(user.userId, 'you are away');
  const id = await phone.send(user.userId, 'still away');
  const again = await world.homeserver.login('klara', { strict: true, recoveryKey });
  const late = await again.waitForMessage(portal, ({ body }) => body === 'still away', 60_000);
  expect(late).toMatchObject({ encrypted: true, shield: noShield });
  expect((await again.messages(portal)).some(({ body }) => body === 'you are away')).toBe(true);
  await phone.hasStatus(id, 'delivered');
});

test('after a reset of the user’s own identity nothing passes until the user confirms it', async () => {
  const { user, botRoom, phone, portal } = await chat('lena', 'Lars');
  await user.resetIdentity();
  await phone.send(user.userId, 'after the reset');
  await user.sendText(portal, 'from the new identity');
  await user.waitForMessage(botRoom, ({ body }) => /encryption identity .* has changed/.test(body ?? ''));
  expect((await user.messages(portal)).map(({ body }) => body)).not.toContain('after the reset');
  expect((await phone.messages()).map(({ text }) => text)).not.toContain('from the new identity');
  await world.ask(user, botRoom, 'confirm-identity', /pinned/);
  await user.waitForMessage(portal, ({ body }) => body === 'after the reset');
  await phone.received('from the new identity');
});

test('messages under a fresh room key, sent while the bridge is down, are all delivered after its start', async () => {
  const { user, phone, portal } = await chat('mona', 'Max');
  await world.bridge.stop();
  await user.client.getCrypto()?.forceDiscardSession(portal);
  const texts = ['first while away', 'second while away', 'third while away'];
  for (const text of texts) await user.sendText(portal, text);
  await world.startBridge();
  await phone.received('third while away', 60_000);
  const received = (await phone.messages()).map(({ text }) => text ?? '').filter((text) => text.endsWith('while away'));
  expect(received).toEqual(texts);
});

test('a room that the user leaves is replaced when the contact writes again', async () => {
  const { user, phone, portal } = await chat('nora', 'Nick');
  await user.leave(portal);
  await expect.poll(() => bridgeRow('select room from portal order by rowid desc limit 1').room).toBeNull();
  await phone.send(user.userId, 'are you there?');
  const invite = await user.waitForInvite(({ roomId }) => roomId !== portal);
  await user.join(invite.roomId);
  await user.waitForMessage(invite.roomId, ({ body }) => body === 'are you there?');
  await user.sendText(invite.roomId, 'yes');
  await phone.received('yes');
});

test('somebody who has not opted in and is not verified is told what to do first', async () => {
  const user = await world.homeserver.login('otto', { withoutCrossSigning: true });
  const room = await world.talkToBot(user, { encrypted: false });
  await world.ask(user, room, 'opt-in', /set up recovery/);
});
