// The homeserver goes away, loses answers, wants to be left alone, is restarted: nothing is lost or doubled, and nobody hammers at it.
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { killVariable } from '../../src/observability/fail-points.ts';
import { MoodyProxy } from '../support/moody-proxy.ts';
import { World } from '../support/world.ts';

let world: World;
let proxy: MoodyProxy;
let alice: MatrixUser;
let phones: SandboxPhone[];
let portals: string[];

beforeAll(async () => {
  world = await World.start({
    between: async (synapseUrl, sandboxUrl) => {
      proxy = await MoodyProxy.start(synapseUrl);
      return { homeserverUrl: proxy.url, enlistmentUrl: `${sandboxUrl}/enlist` };
    },
  });
  alice = await world.homeserver.login('alice', { strict: true });
  await world.optIn(alice);
  phones = await Promise.all([1, 2, 3].map((n) => world.phone(`3161000000${n}`, `Contact ${n}`)));
  portals = [];
  for (const phone of phones) {
    await phone.send(alice.userId, 'hello');
    const portal = await world.joinPortal(alice);
    await alice.waitForMessage(portal, ({ body }) => body === 'hello');
    await alice.sendText(portal, 'hello');
    await phone.received('hello');
    portals.push(portal);
  }
});
afterAll(async () => {
  await world?.stop();
  await proxy?.stop();
});

const texts = (count: number, what: string) => Array.from({ length: count }, (_, index) => `${what} ${index + 1}`);

/** Everybody on WhatsApp writes to Alice. */
async function phonesWrite(what: string): Promise<string[]> {
  const all = texts(5, what);
  for (const text of all) for (const phone of phones) await phone.send(alice.userId, text);
  return all;
}

/** Alice has exactly these messages that start so, in this order, in each chat. */
async function aliceHas(what: string, all: readonly string[]): Promise<void> {
  for (const portal of portals) {
    await alice.waitForMessage(portal, ({ body }) => body === all.at(-1), 60_000);
    const seen = async () =>
      (await alice.messages(portal)).flatMap(({ body }) => (body?.startsWith(what) ? [body] : []));
    // A later one may be readable before the key of an earlier one has come to her.
    await expect.poll(seen, { timeout: 20_000 }).toEqual(all);
  }
}

async function phonesHave(what: string, all: readonly string[]): Promise<void> {
  for (const phone of phones) {
    await phone.received(all.at(-1) ?? '', 60_000);
    const seen = (await phone.messages()).flatMap(({ direction, text }) =>
      direction === 'in' && text?.startsWith(what) ? [text] : [],
    );
    expect(seen).toEqual(all);
  }
}

test.each(['gone', 'bad-gateway'] as const)('%s: one asks whether it is back, three chats wait', async (mood) => {
  proxy.mood = mood;
  const before = proxy.asked.length;
  const expected = await phonesWrite(mood);
  // Four rounds of asking: 0.5, 1, 2 and 4 seconds after it was noticed.
  for (;;) {
    const questions = proxy.asked.slice(before).filter(({ path }) => path.endsWith('/whoami')).length;
    if (questions >= 4) break;
    await proxy.askedTimes(1);
  }
  const others = proxy.asked.slice(before).filter(({ path }) => !path.endsWith('/whoami'));
  // What was on its way when it went away: at most one request of each chat, each kind of work, and nothing after that.
  expect(others.length).toBeLessThanOrEqual(10);
  expect((await (await fetch(`${bridgeUrl()}/health/ready`)).json()) as object).toMatchObject({
    missing: expect.arrayContaining(['homeserver']),
  });
  proxy.mood = 'fine';
  await aliceHas(mood, expected);
  expect((await fetch(`${bridgeUrl()}/health/ready`)).status).toBe(200);
});

test('mute: what was done and not answered is done once', async () => {
  proxy.mood = 'mute';
  const expected = await phonesWrite('mute');
  await proxy.askedTimes(3);
  proxy.mood = 'fine';
  await aliceHas('mute', expected);
});

test('limited: a chat waits as long as it is told to, and goes on in order', async () => {
  proxy.mood = 'limited';
  const before = proxy.asked.length;
  const expected = await phonesWrite('limited');
  const refused = () =>
    proxy.asked.slice(before).filter(({ mood, path }) => mood === 'limited' && path.includes('/send/'));
  while (refused().length < 6) await proxy.askedTimes(1);
  const rooms = new Map<string, number[]>();
  for (const { path, at } of refused()) rooms.set(path, [...(rooms.get(path) ?? []), at]);
  proxy.mood = 'fine';
  // The same event in each chat, again and again, never earlier than the longer of the two waits.
  expect(rooms.size).toBe(3);
  for (const times of rooms.values()) {
    for (const [index, at] of times.entries()) {
      if (index > 0) expect(at - (times[index - 1] ?? 0)).toBeGreaterThanOrEqual(1_990);
    }
  }
  await aliceHas('limited', expected);
});

test('restarted in the middle of a conversation, both ways', async () => {
  const toPhones = texts(6, 'out');
  for (const text of toPhones.slice(0, 3)) for (const portal of portals) await alice.sendText(portal, text);
  const [first] = phones;
  await first?.send(alice.userId, 'restart 1');
  await world.homeserver.synapse.kill();
  for (const phone of phones.slice(1)) await phone.send(alice.userId, 'restart 1');
  for (const text of ['restart 2', 'restart 3']) for (const phone of phones) await phone.send(alice.userId, text);
  await world.homeserver.startAgain();
  for (const text of toPhones.slice(3)) for (const portal of portals) await alice.sendText(portal, text);
  await aliceHas('restart', texts(3, 'restart'));
  await phonesHave('out', toPhones);
}, 180_000);

test('killed with more to push than it has written down: what it forgets is read from the rooms, in order', async () => {
  const [first = '', second = ''] = portals;
  const { pid } = world.bridge;
  // While the bridge does not answer, what comes after the first push is in Synapse's memory alone.
  process.kill(pid, 'SIGSTOP');
  const [one, ...others] = texts(4, 'forgotten');
  await alice.sendText(first, one ?? '');
  for (const text of others) await alice.sendText(second, text);
  for (const text of others.slice(0, 2)) await alice.sendText(first, text);
  await world.homeserver.synapse.kill();
  process.kill(pid, 'SIGCONT');
  await world.homeserver.startAgain();
  await alice.sendText(first, others.at(-1) ?? '');
  const received = (phone: SandboxPhone | undefined) => async () =>
    (await phone?.messages())?.flatMap(({ direction, text }) =>
      direction === 'in' && text?.startsWith('forgotten') ? [text] : [],
    );
  await expect.poll(received(phones[0]), { timeout: 60_000 }).toEqual([one, ...others]);
  await expect.poll(received(phones[1]), { timeout: 60_000 }).toEqual(others);
}, 180_000);

function bridgeUrl(): string {
  return world.installation.publicUrl;
}

test('left while the bridge is dead: what it had encrypted for the old room comes in a new one, after what was said last', async () => {
  const [phone] = phones;
  const [portal = ''] = portals;
  await world.bridge.kill();
  const dying = world.spawnBridge({ [killVariable]: 'W13-event-stored:1' });
  await phone?.send(alice.userId, 'are you still there?');
  await dying.exited;
  await alice.sendText(portal, 'my last word here');
  await alice.leave(portal);
  proxy.mood = 'unhurried';
  await world.startBridge();
  const next = await world.joinPortal(alice);
  proxy.mood = 'fine';
  expect(next).not.toBe(portal);
  await alice.waitForMessage(next, ({ body }) => body === 'are you still there?', 60_000);
  await phone?.received('my last word here', 60_000);
});
