// Trouble on the way to the network: it heals by itself, nothing is lost or doubled, and nobody is pestered with new connections.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { systemClock } from '../../src/model/clock.ts';
import { hasteVariable } from '../../src/observability/fail-points.ts';
import { parkedIn } from '../support/queue-command.ts';
import { shiftVariable } from '../support/shifted-clock.ts';
import { World } from '../support/world.ts';

const shiftedClock = new URL('../support/shifted-clock.ts', import.meta.url).href;
const hour = 3_600_000;
const day = 24 * hour;

let world: World;
let directory: string;
/** The network's clock is this far off; ours likewise, by `setOwnClock`. */
let ahead = -day;
let alice: MatrixUser;
let botRoom: string;
let anna: SandboxPhone;
let portal: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'network-trouble-'));
  await setOwnClock(0);
  world = await World.start({
    networkClock: { ...systemClock, now: () => Date.now() + ahead },
    environment: {
      [hasteVariable]: '150',
      [shiftVariable]: join(directory, 'shift'),
      NODE_OPTIONS: `--import=${shiftedClock}`,
    },
  });
  alice = await world.homeserver.login('alice', { strict: true });
  botRoom = await world.optIn(alice);
  ({ phone: anna, portal } = await chat('31612345678', 'Anna'));
});
afterAll(async () => {
  await world?.stop();
  await rm(directory, { recursive: true, force: true });
});

const setOwnClock = (shift: number): Promise<void> => writeFile(join(directory, 'shift'), String(shift));

async function chat(number: string, name: string): Promise<{ phone: SandboxPhone; portal: string }> {
  const phone = await world.phone(number, name);
  await phone.send(alice.userId, `hello from ${name}`);
  const room = await world.joinPortal(alice);
  await shows(room, `hello from ${name}`);
  return { phone, portal: room };
}

const shows = (room: string, text: string): Promise<Message> =>
  alice.waitForMessage(room, ({ body }) => body === text, 60_000);

const fault = (name: string, body: object) => anna.call('POST', `/faults/${name}`, { to: alice.userId, ...body });

/** Both ways at once; returns when both have arrived. */
async function bothWays(name: string): Promise<void> {
  await anna.send(alice.userId, `in ${name}`);
  await alice.sendText(portal, `out ${name}`);
  await Promise.all([shows(portal, `in ${name}`), anna.received(`out ${name}`, 60_000)]);
}

const logins = async (): Promise<number> => (await anna.trafficFrom(alice.userId)).login ?? 0;

/** One, or another where a busy machine has kept a ping waiting. */
async function expectFewLogins(before: number): Promise<void> {
  const made = (await logins()) - before;
  expect(made).toBeGreaterThan(0);
  expect(made).toBeLessThanOrEqual(3);
}

const shown = async (room: string, pattern: RegExp): Promise<Message[]> =>
  (await alice.messages(room)).filter(({ body }) => pattern.test(body ?? ''));

test('a connection on which nothing passes any more is noticed and replaced', async () => {
  const before = await logins();
  await fault('half-open', {});
  await bothWays('through the silence');
  await expectFewLogins(before);
  expect(await readFile(world.logPath, 'utf8')).toContain('the network has gone silent');
});

test('a connection that another one has taken over comes back after a pause; the user is told', async () => {
  const before = await logins();
  await fault('end', { reason: 'replaced' });
  await bothWays('after the other one');
  await alice.waitForMessage(botRoom, ({ body }) => /Something else has taken over/.test(body ?? ''));
  await expectFewLogins(before);
});

test.each([
  ['a token that is over', 413],
  ['a network that takes nobody in', 503],
])('%s: tried again, with another token, not too often', async (name, reason) => {
  const before = await logins();
  await fault('refused-login', { reason, times: 3 });
  await fault('end', { reason: 'cut' });
  await bothWays(`after ${name}`);
  await expectFewLogins(before);
});

test('new certificates under the network’s root are accepted, others are not, and that is said', async () => {
  await fault('certificate', { kind: 'renewed' });
  await fault('end', { reason: 'restart' });
  await bothWays('with renewed certificates');
  try {
    for (const [kind, code] of [
      ['other-root', 'untrusted-root'],
      ['expired', 'expired'],
      ['other-key', 'key'],
    ]) {
      await fault('certificate', { kind });
      await fault('end', { reason: 'cut' });
      await expect
        .poll(() => readFile(world.logPath, 'utf8'), { timeout: 20_000 })
        .toContain(`noise.certificate-${code}`);
    }
    await anna.send(alice.userId, 'to nobody else');
    await alice.sendText(portal, 'to Anna alone');
    await world.ask(alice, botRoom, 'status', /not connected at the moment \(what answers has no certificate of the/);
    expect((await anna.messages()).map(({ text }) => text)).not.toContain('to Anna alone');
  } finally {
    await fault('certificate', { kind: 'genuine' });
  }
  await Promise.all([shows(portal, 'to nobody else'), anna.received('to Anna alone', 60_000)]);
});

test.each([
  ['forward', 5 * hour],
  ['back', -7 * hour],
  ['right', 0],
])('our own clock is set %s, and everything goes on', async (name, shift) => {
  await setOwnClock(shift);
  await bothWays(`while it is ${name}`);
  await fault('end', { reason: 'cut' });
  await bothWays(`connected anew while it is ${name}`);
});

test('what a day offline has left comes once, in order and with its own time, whatever the network does to it', async () => {
  const ben = await chat('31612345679', 'Ben');
  const chats = [
    { phone: anna, room: portal, name: 'Anna' },
    { phone: ben.phone, room: ben.portal, name: 'Ben' },
  ];
  const texts = ({ name }: { readonly name: string }) => Array.from({ length: 75 }, (_, n) => `${name} ${n + 1}`);
  await world.bridge.stop();
  await ben.phone.post('offline', { offline: true });
  for (const one of chats) for (const text of texts(one)) await one.phone.send(alice.userId, text);
  await ben.phone.post('offline', { offline: false });
  await ben.phone.waitForMessage(({ text, status }) => text === 'Ben 75' && status === 'sent');
  ahead = 0;
  await fault('duplicate', { times: 20 });
  await fault('swap', {});
  await world.startBridge();
  await Promise.all(chats.map(({ room, name }) => shows(room, `${name} 75`)));
  const { swapped } = (await anna.call('GET', '/faults/swap')) as { swapped: readonly string[] };
  expect(swapped).toHaveLength(1);
  for (const one of chats) {
    const isSwapped = (text: string | undefined) =>
      sent.some((message) => message.text === text && swapped.includes(message.id));
    const sent = (await one.phone.messages()).filter(({ direction }) => direction === 'out');
    const look = () => shown(one.room, new RegExp(`^${one.name} \\d`));
    await expect.poll(look, { timeout: 20_000 }).toHaveLength(texts(one).length);
    const seen = await look();
    const kept = (all: readonly (string | undefined)[]) => all.filter((text) => !isSwapped(text));
    expect(kept(seen.map(({ body }) => body))).toEqual(kept(texts(one)));
    for (const { timestamp } of seen) expect(Math.abs(timestamp - (Date.now() - day))).toBeLessThan(hour);
  }
});

test('what a phone that was away for a day has missed comes once and in order', async () => {
  const sentByAlice = async () => (await anna.trafficFrom(alice.userId)).message ?? 0;
  const before = await sentByAlice();
  await anna.post('offline', { offline: true });
  const texts = Array.from({ length: 60 }, (_, n) => `to Anna ${n + 1}`);
  for (const text of texts) await alice.sendText(portal, text);
  const written = Date.now();
  await expect.poll(sentByAlice, { timeout: 60_000 }).toBe(before + 60);
  ahead = day;
  await fault('duplicate', { to: anna.number, times: 30 });
  await anna.post('offline', { offline: false });
  await anna.received('to Anna 60', 60_000);
  const received = (await anna.messages()).filter(({ text }) => /^to Anna \d/.test(text ?? ''));
  expect(received.map(({ text }) => text)).toEqual(texts);
  for (const { timestamp } of received) expect(Math.abs(timestamp - written)).toBeLessThan(hour);
});

test('a message that cannot be taken in, ever, is refused in sight: the connection settles and the chat goes on', async () => {
  await world.bridge.stop();
  const poisoned = await anna.send(alice.userId, 'poison');
  await anna.send(alice.userId, 'and another');
  const db = new Database(join(dirname(world.installation.configPath), 'bridge.db'));
  db.exec(`create trigger poison before insert on inbox when new.message_id = '${poisoned}' and new.state = 'received'
    begin select raise(abort, 'no'); end`);
  db.close();
  await world.startBridge();
  await shows(portal, 'and another');
  const notice = await alice.waitForMessage(
    portal,
    ({ body }) => /could not be taken in by this server/.test(body ?? ''),
    60_000,
  );
  expect(notice).toMatchObject({ msgtype: 'm.notice', encrypted: true });
  const settled = await logins();
  await bothWays('after the poison');
  expect(await parkedIn(world.installation.configPath)).toMatchObject([{ reason: 'unhandled', messageId: poisoned }]);
  expect((await anna.message(poisoned, 'delivered', 0)).status).toBe('sent');
  expect((await logins()) - settled).toBeLessThanOrEqual(1);
  expect(await shown(portal, /^poison$/)).toEqual([]);
});
