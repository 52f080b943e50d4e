// Rate limits, as a user and their contacts meet them: what is beyond waits, in order, and nothing is lost. Hours pass by the bridge's own clock.
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { openFile, sendFile } from '../support/matrix-files.ts';
import { shiftVariable } from '../support/shifted-clock.ts';
import { World } from '../support/world.ts';

const hour = 3_600_000;
const shiftedClock = new URL('../support/shifted-clock.ts', import.meta.url).href;
const patience = { timeout: 30_000, interval: 250 };

let directory: string;
let hours = 0;
let world: World;
let alice: MatrixUser;
let bob: MatrixUser;
let botRoom: string;
let bobsBotRoom: string;
let anna: SandboxPhone;
let portal: string;
let carl: SandboxPhone;
let carlsPortal: string;

/** The time of all limits here is over; what waits is looked at when something more comes. */
async function anHourPasses(): Promise<void> {
  await writeFile(join(directory, 'shift'), String(hours * hour));
  hours += 1;
}

const ask = (text: string, answer: RegExp): Promise<Message> => world.ask(alice, botRoom, text, answer);
const shown = (room: string, text: string): Promise<Message> => alice.waitForMessage(room, ({ body }) => body === text);
const notices = async (room: string, about: RegExp): Promise<Message[]> =>
  (await alice.messages(room)).filter(({ msgtype, body }) => msgtype === 'm.notice' && about.test(body ?? ''));

async function receivedBy(phone: SandboxPhone): Promise<(string | undefined)[]> {
  return (await phone.messages()).filter(({ direction }) => direction === 'in').map(({ text }) => text);
}

async function metric(name: string): Promise<number> {
  const lines = (await (await fetch(`${world.installation.publicUrl}/metrics`)).text()).split('\n');
  return Number(
    lines
      .find((line) => line.startsWith(name))
      ?.split(' ')
      .at(-1) ?? 0,
  );
}

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'limits-'));
  await anHourPasses();
  world = await World.start({
    overrides: {
      'limits.messages.young': 3,
      'limits.messages.per_s': 3600,
      'limits.new_chats.young': 2,
      'limits.new_chats.per_s': 3600,
      'limits.requests.contact': 1,
      'limits.requests.per_s': 3600,
      'limits.media_mb.young': 1,
      'limits.media_mb.per_s': 3600,
    },
    environment: { [shiftVariable]: join(directory, 'shift'), NODE_OPTIONS: `--import=${shiftedClock}` },
  });
  alice = await world.homeserver.login('alice', { strict: true });
  bob = await world.homeserver.login('bob', { strict: true });
  botRoom = await world.optIn(alice);
  bobsBotRoom = await world.optIn(bob);
  anna = await world.phone('31612345678', 'Anna');
  await ask('chat +31612345678 Anna', /invited you/);
  portal = await world.joinPortal(alice);
});
afterAll(async () => {
  await world?.stop();
  await rm(directory, { recursive: true, force: true });
});

test('messages beyond the limit wait, also over a restart; the user is told once how long; then they arrive in order', async () => {
  for (const text of ['one', 'two', 'three']) await alice.sendText(portal, text);
  await anna.received('three');
  await world.bridge.stop();
  await world.startBridge();
  for (const text of ['four', 'five']) await alice.sendText(portal, text);
  const told = await alice.waitForMessage(portal, ({ body }) => /limit for messages/.test(body ?? ''));
  expect(told).toMatchObject({ msgtype: 'm.notice', encrypted: true });
  expect(told.body).toMatch(
    /\(3 in 1 hour\)\. This message waits, .* in \d+ minutes \(\d{4}-\d\d-\d\d \d\d:\d\d UTC\)/,
  );
  const { body } = await ask('status', /limit for messages/);
  expect(body).toMatch(/written in one chat waits until .* UTC/);
  expect(await metric('maw_limited_total{limit="messages",scope="account"}')).toBe(1);
  expect(await metric('maw_limited_chats{limit="messages"}')).toBe(1);
  expect(await receivedBy(anna)).toEqual(['one', 'two', 'three']);
  // Incoming ones go on.
  await anna.send(alice.userId, 'are you still there?');
  await shown(portal, 'are you still there?');
  await anHourPasses();
  await alice.sendText(portal, 'six');
  await anna.received('six');
  expect(await receivedBy(anna)).toEqual(['one', 'two', 'three', 'four', 'five', 'six']);
  expect(await notices(portal, /limit for messages/)).toHaveLength(1);
  expect((await ask('status', /opted in/)).body).not.toContain('limit');
});

test('more new chats are refused, known ones are not, and nobody is looked for', async () => {
  carl = await world.phone('31612345679', 'Carl');
  await world.phone('31612345680', 'Dora');
  await ask('chat +31612345679 Carl', /invited you/);
  carlsPortal = await world.joinPortal(alice);
  await ask('chat +31612345000 Nobody', /Nobody with that number/);
  // Pictures of those whom she has chats with are looked at when their time comes.
  const traffic = async () => ({ ...(await carl.trafficFrom(alice.userId)), 'iq:w:profile:picture': 0 });
  const before = await traffic();
  const refused = await ask('chat +31612345680 Dora', /limit for new chats/);
  expect(refused.body).toMatch(/\(2 in 1 hour\)\. Nobody was looked for\. Send this again in \d+ minutes/);
  expect(await traffic()).toEqual(before);
  await ask('chat +31612345679 Carl', /have a chat with them already/);
  await anHourPasses();
  await ask('chat +31612345680 Dora', /invited you/);
});

test('a stranger who writes to many is shown to them one after the other, and learns nothing of it', async () => {
  const emil = await world.phone('31612345681', 'Emil');
  await emil.send(alice.userId, 'do you know me, Alice?');
  await alice.waitForMessage(botRoom, ({ body }) => /unknown to you asks/.test(body ?? ''));
  const before = await emil.trafficFrom(bob.userId);
  const id = await emil.send(bob.userId, 'do you know me, Bob?');
  const status = () => world.ask(bob, bobsBotRoom, 'status', /opted in/);
  await expect
    .poll(async () => (await status()).body, patience)
    .toContain('limit for requests is reached: one more, to be shown to you from');
  await world.ask(bob, bobsBotRoom, 'requests', /"Emil"/);
  expect((await bob.messages(bobsBotRoom)).filter(({ body }) => /unknown to you asks/.test(body ?? ''))).toEqual([]);
  expect((await emil.message(id, 'delivered', 0)).status).toBe('sent');
  const learned = Object.entries(await emil.trafficFrom(bob.userId)).filter(
    ([kind, count]) => !/^(ack|iq):/.test(kind) && count !== (before[kind] ?? 0),
  );
  expect(learned).toEqual([]);
  await anHourPasses();
  await emil.send(bob.userId, 'or am I mistaken?');
  const room = await world.joinPortal(bob);
  await bob.waitForMessage(room, ({ body }) => body === 'or am I mistaken?');
  const texts = (await bob.messages(room)).filter(({ msgtype }) => msgtype === 'm.text').map(({ body }) => body);
  expect(texts).toEqual(['do you know me, Bob?', 'or am I mistaken?']);
  await emil.hasStatus(id, 'delivered');
});

test('files beyond the limit wait, either way; one passes while anything is left', async () => {
  await anHourPasses();
  const file = { type: 'image', mimetype: 'image/jpeg' } as const;
  const large = randomBytes(1_200_000);
  await anna.sendFile(alice.userId, { ...file, content: large });
  const first = await alice.waitForMessage(portal, ({ msgtype }) => msgtype === 'm.image');
  expect(await openFile(alice, first.content.file)).toEqual(large);
  const small = randomBytes(1000);
  await anna.sendFile(alice.userId, { ...file, content: small });
  await anna.send(alice.userId, 'did you get it?');
  const told = await alice.waitForMessage(botRoom, ({ body }) => /limit for files/.test(body ?? ''));
  expect(told.body).toMatch(/\(1 MB in 1 hour\)\. A file that a contact has sent you waits/);
  const fromContact = (await alice.messages(portal)).map(({ body }) => body);
  expect(fromContact).not.toContain('did you get it?');
  await sendFile(alice, carlsPortal, small, { msgtype: 'm.image', body: 'wave.jpg', info: { mimetype: 'image/jpeg' } });
  await alice.sendText(carlsPortal, 'my picture');
  await alice.waitForMessage(carlsPortal, ({ body }) => /limit for files .*This file waits/.test(body ?? ''));
  expect((await ask('status', /limit for files/)).body).toContain('what is in 2 chats waits');
  await anHourPasses();
  await anna.send(alice.userId, 'now?');
  await shown(portal, 'now?');
  const images = (await alice.messages(portal)).filter(({ msgtype }) => ['m.image', 'm.text'].includes(msgtype ?? ''));
  expect(images.slice(-3).map(({ msgtype, body }) => (msgtype === 'm.image' ? msgtype : body))).toEqual([
    'm.image',
    'did you get it?',
    'now?',
  ]);
  await alice.sendText(carlsPortal, 'there it is');
  await carl.received('there it is');
  const atCarl = (await carl.messages()).filter(({ direction }) => direction === 'in').slice(-3);
  expect(atCarl.map(({ text, media }) => text ?? (media === undefined ? undefined : 'file'))).toEqual([
    'file',
    'my picture',
    'there it is',
  ]);
});
