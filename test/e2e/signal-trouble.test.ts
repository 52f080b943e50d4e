// Trouble of Signal sessions and keys: it heals by itself, each message arrives once, and where it does not heal that is said.
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { parkedIn, retryParked } from '../support/queue-command.ts';
import { World } from '../support/world.ts';

const retries = 2;
let world: World;
let alice: MatrixUser;
let botRoom: string;
let anna: SandboxPhone;
let portal: string;

beforeAll(async () => {
  world = await World.start({ overrides: { 'delivery.retries': retries } });
  alice = await world.homeserver.login('alice', { strict: true });
  botRoom = await world.optIn(alice);
  anna = await world.phone('31612345678', 'Anna');
  portal = await opened(anna);
});
afterAll(() => world?.stop());

/** A chat that the contact has begun, with a session that both sides have confirmed. */
async function opened(phone: SandboxPhone): Promise<string> {
  await phone.send(alice.userId, `hello from ${phone.name}`);
  const room = await world.joinPortal(alice);
  await shows(room, `hello from ${phone.name}`);
  await alice.sendText(room, `hello ${phone.name}`);
  await phone.received(`hello ${phone.name}`);
  await phone.send(alice.userId, `how are you? ${phone.name}`);
  await shows(room, `how are you? ${phone.name}`);
  return room;
}

const shows = (room: string, text: string): Promise<Message> =>
  alice.waitForMessage(room, ({ body }) => body === text, 60_000);

const notice = (room: string, code: string, about?: string): Promise<Message> =>
  alice.waitForMessage(
    room,
    ({ content, eventId }) =>
      (content['matrix-appservice-whatsapp.notice'] as { code?: string } | undefined)?.code === code &&
      eventId !== about,
    60_000,
  );

const fault = (name: string, body: object) => anna.call('POST', `/faults/${name}`, body);

const shown = async (room: string, pattern: RegExp): Promise<(string | undefined)[]> =>
  (await alice.messages(room)).map(({ body }) => body).filter((body) => pattern.test(body ?? ''));

const received = async (phone: SandboxPhone, pattern: RegExp): Promise<(string | undefined)[]> =>
  (await phone.messages()).flatMap(({ direction, text }) =>
    direction === 'in' && pattern.test(text ?? '') ? [text] : [],
  );

const numbered = (name: string): string[] => [1, 2, 3, 4].map((n) => `${name} ${n}`);

/** While the bridge is stopped. */
function change(statement: string): number {
  const db = new Database(join(dirname(world.installation.configPath), 'bridge.db'));
  const { changes } = db.prepare(statement).run();
  db.close();
  return changes;
}

test('the bridge’s session is damaged on the disk while both sides write: all of it arrives once, and in order', async () => {
  await world.bridge.stop();
  expect(change("update signal_session set record = x'00ff'")).toBe(1);
  for (const text of numbered('in')) await anna.send(alice.userId, text);
  for (const text of numbered('out')) await alice.sendText(portal, text);
  await world.startBridge();
  await Promise.all([shows(portal, 'in 4'), anna.received('out 4', 60_000)]);
  await expect.poll(() => shown(portal, /^in \d/), { timeout: 20_000 }).toEqual(numbered('in'));
  expect(await received(anna, /^out \d/)).toEqual(numbered('out'));
});

test('the phone has lost its session: what it cannot read is sent again, once', async () => {
  await anna.post('lost-sessions', { with: alice.userId });
  for (const text of numbered('lost')) await alice.sendText(portal, text);
  await Promise.all(numbered('lost').map((text) => anna.received(text, 60_000)));
  await anna.send(alice.userId, 'found');
  await shows(portal, 'found');
  expect(await received(anna, /^lost/)).toHaveLength(4);
});

test('retry receipts cross: both sides fail to read twice what they write to each other at once', async () => {
  await fault('corrupt', { to: anna.number, times: 2 });
  await fault('corrupt', { to: alice.userId, times: 2 });
  const [fromAnna, fromAlice] = [numbered('cross in'), numbered('cross out')];
  await Promise.all([
    (async () => {
      for (const text of fromAnna) await anna.send(alice.userId, text);
    })(),
    (async () => {
      for (const text of fromAlice) await alice.sendText(portal, text);
    })(),
  ]);
  await Promise.all([
    ...fromAnna.map((text) => shows(portal, text)),
    ...fromAlice.map((text) => anna.received(text, 60_000)),
  ]);
  await expect.poll(() => shown(portal, /^cross in/), { timeout: 20_000 }).toEqual(fromAnna);
  expect(await received(anna, /^cross out/)).toHaveLength(4);
});

test('what the contact cannot read again and again is told under the message and parked; tried again it arrives', async () => {
  await fault('corrupt', { to: anna.number, times: retries + 1 });
  await alice.sendText(portal, 'unreadable for Anna');
  const told = await notice(portal, 'not-decrypted');
  expect(told.body).toContain('could not decrypt it');
  const [parked] = await parkedIn(world.installation.configPath);
  expect(parked).toMatchObject({ reason: 'retries-exhausted' });
  await alice.sendText(portal, 'readable again');
  await anna.received('readable again');
  await retryParked(world.installation.configPath, parked?.id ?? '');
  await anna.received('unreadable for Anna');
});

test('what we cannot read again and again is told and parked, its sender does not see it as delivered, and the chat goes on', async () => {
  await fault('corrupt', { to: alice.userId, times: retries + 1 });
  const id = await anna.send(alice.userId, 'unreadable for Alice');
  await notice(portal, 'undecryptable');
  await anna.send(alice.userId, 'and on');
  await shows(portal, 'and on');
  expect(await parkedIn(world.installation.configPath)).toMatchObject([{ reason: 'undecryptable', messageId: id }]);
  expect(await retryParked(world.installation.configPath, '--all')).toContain('nothing of it is kept');
  expect((await anna.message(id, 'delivered', 0)).status).toBe('sent');
});

test('one-time keys that have run out, and those that we have lost, keep nobody from beginning anew', async () => {
  await world.bridge.stop();
  await fault('exhausted-keys', { to: alice.userId });
  expect(change('delete from signal_session')).toBe(1);
  expect(change('delete from signal_pre_key')).toBeGreaterThan(50);
  await anna.post('lost-sessions', { with: alice.userId });
  await anna.send(alice.userId, 'without one-time keys');
  await anna.waitForMessage(({ text, status }) => text === 'without one-time keys' && status === 'sent');
  await anna.post('offline', { offline: true });
  await fault('exhausted-keys', { to: anna.number });
  await alice.sendText(portal, 'likewise');
  await world.startBridge();
  await anna.post('offline', { offline: false });
  await Promise.all([shows(portal, 'without one-time keys'), anna.received('likewise', 60_000)]);
  // A contact that has fetched one of the lost keys before is asked for its message again.
  const ben = await world.phone('31612345679', 'Ben');
  await world.bridge.stop();
  await ben.send(alice.userId, 'with a key that is gone');
  await ben.waitForMessage(({ status }) => status === 'sent');
  change('delete from signal_pre_key');
  await world.startBridge();
  const room = await world.joinPortal(alice);
  await shows(room, 'with a key that is gone');
});

test.each(['unsigned', 'without'])(
  'a contact whose signed pre-key is %s gets nothing, and the sender is told why',
  async (signedKey) => {
    const number = signedKey === 'unsigned' ? '31612345680' : '31612345681';
    const carl = await world.phone(number, 'Carl');
    await fault('keys', { to: number, signedKey });
    await world.ask(alice, botRoom, `chat +${number}`, /invited you/);
    const room = await world.joinPortal(alice);
    await alice.sendText(room, `with keys ${signedKey}`);
    const told = await notice(room, 'not-delivered');
    expect(told.body).toContain('handed out invalid keys');
    const parked = (await parkedIn(world.installation.configPath)).find(
      ({ reason }) => reason === 'signal.invalid-bundle',
    );
    await fault('keys', { to: number, signedKey: 'genuine' });
    await retryParked(world.installation.configPath, parked?.id ?? '');
    await carl.received(`with keys ${signedKey}`);
  },
);

test('a user who begins anew has another identity: contacts’ clients take it up, and nobody reads with the old one', async () => {
  await world.ask(alice, botRoom, 'opt-out', /You have opted out/);
  await alice.waitForMessage(botRoom, ({ body }) => /opt-out .* is complete/.test(body ?? ''));
  await world.ask(alice, botRoom, 'opt-in', /Answer "yes"/);
  await world.ask(alice, botRoom, 'yes', /You are connected/);
  await anna.send(alice.userId, 'is it you?');
  const room = await world.joinPortal(alice);
  await shows(room, 'is it you?');
  await alice.sendText(room, 'with new keys');
  await anna.received('with new keys');
});
