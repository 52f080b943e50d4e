// Clients that we did not write, linked to a phone of the sandbox, chat with a Matrix user: unmodified Baileys is the judge.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { textOf, WhatsAppClient } from '../support/whatsapp-client.ts';
import { World } from '../support/world.ts';

let world: World;
const clients: WhatsAppClient[] = [];
/** To look at everything that a room shows is work. */
const patience = { timeout: 60_000, interval: 500 };

beforeAll(async () => {
  world = await World.start();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.dispose()));
});
afterAll(() => world?.stop());

async function link(phone: SandboxPhone): Promise<WhatsAppClient> {
  const client = await WhatsAppClient.link(world.sandbox, phone);
  clients.push(client);
  return client;
}

let numbers = 31_650_000_000;

interface Chat {
  readonly user: MatrixUser;
  readonly phone: SandboxPhone;
  readonly portal: string;
  /** Under which the user appears to WhatsApp's clients. */
  readonly address: string;
  readonly linked: readonly WhatsAppClient[];
}

/** A user who has opted in and somebody on WhatsApp with so many linked clients, who have written to each other. */
async function chat(localpart: string, name: string, count: number): Promise<Chat> {
  const user = await world.homeserver.login(localpart, { strict: true });
  await world.optIn(user);
  numbers += 1;
  const phone = await world.phone(String(numbers), name);
  const linked: WhatsAppClient[] = [];
  while (linked.length < count) linked.push(await link(phone));
  await phone.send(user.userId, `hello ${localpart}`);
  const portal = await world.joinPortal(user);
  await user.waitForMessage(portal, ({ body }) => body === `hello ${localpart}`);
  await user.sendText(portal, `hello ${name}`);
  await phone.received(`hello ${name}`);
  let address = '';
  for (const client of linked) address = (await client.waitForText(`hello ${name}`)).key.remoteJid ?? '';
  return { user, phone, portal, address, linked };
}

const shows = (user: MatrixUser, room: string, text: string, timeoutMs?: number): Promise<Message> =>
  user.waitForMessage(room, ({ body }) => body === text, timeoutMs);

const codeOf = ({ content }: Pick<Message, 'content'>): string | undefined =>
  (content['matrix-appservice-whatsapp.notice'] as { code?: string } | undefined)?.code;

const notice = (user: MatrixUser, room: string, code: string): Promise<Message> =>
  user.waitForMessage(room, (message) => codeOf(message) === code);

const codes = async (user: MatrixUser, room: string) => (await user.messages(room)).map(codeOf);

/** What a client shows that came from others, in order. */
const received = (client: WhatsAppClient, pattern: RegExp): string[] =>
  client.messages.flatMap((message) => {
    const text = textOf(message) ?? '';
    return !message.key.fromMe && pattern.test(text) ? [text] : [];
  });

/** What the user sees of it, in order; some may still be on their way through decryption. */
const shownLike = async (user: MatrixUser, room: string, pattern: RegExp): Promise<string[]> =>
  (await user.messages(room)).flatMap(({ body }) => (body !== undefined && pattern.test(body) ? [body] : []));

/** A client that writes and reads at once may use a key twice; what it is asked for again comes later than what it wrote after it. */
const sorted = (texts: readonly string[]): string[] =>
  texts.toSorted((a, b) => a.localeCompare(b, 'en', { numeric: true }));

const count = (length: number, text: (n: number) => string): string[] => Array.from({ length }, (_, n) => text(n + 1));

test('one linked client and its phone both read the user, and both are read', async () => {
  const { user, phone, portal, address, linked } = await chat('anton', 'Anna', 1);
  const [client] = linked;
  if (!client) throw new Error('no client');
  const id = await client.send(address, 'from the client');
  const event = await shows(user, portal, 'from the client');
  expect(event).toMatchObject({ encrypted: true, msgtype: 'm.text' });
  await client.waitForReceipt(id, 3);
  await phone.send(user.userId, 'from the phone');
  await shows(user, portal, 'from the phone');
  await user.sendText(portal, 'to both');
  await Promise.all([client.waitForText('to both'), phone.received('to both')]);
  // What was linked before the first look at the devices is no news.
  expect(await codes(user, portal)).not.toContain('device-added');
});

test('the first word may come from a linked client: its primary is pinned by its proof', async () => {
  const { user, address } = await chat('bruno', 'Birgit', 1);
  numbers += 1;
  const phone = await world.phone(String(numbers), 'Boris');
  const client = await link(phone);
  await client.send(address, 'out of the blue');
  const portal = await world.joinPortal(user);
  await shows(user, portal, 'out of the blue');
  await user.sendText(portal, 'who is there?');
  await Promise.all([client.waitForText('who is there?'), phone.received('who is there?')]);
  expect(await codes(user, portal)).not.toContain('identity-changed');
});

test('a second client is shown when it is linked and when it is unlinked; each reads everything once', async () => {
  const { user, phone, portal, address, linked } = await chat('clara', 'Carl', 1);
  const [first] = linked;
  if (!first) throw new Error('no client');
  const second = await link(phone);
  const added = await notice(user, portal, 'device-added');
  expect(added.body).toContain('Carl has linked another device');
  await user.sendText(portal, 'to all three');
  await Promise.all([first, second].map((client) => client.waitForText('to all three')));
  await phone.received('to all three');
  await second.send(address, 'from the second');
  await shows(user, portal, 'from the second');
  await first.waitForText('from the second');
  expect((await user.messages(portal)).filter(({ body }) => body === 'from the second')).toHaveLength(1);

  await phone.call('DELETE', `/phones/${phone.number}/devices/${second.me.device}`);
  await notice(user, portal, 'device-removed');
  await user.sendText(portal, 'to two');
  await first.waitForText('to two');
  await phone.received('to two');
  expect(received(second, /^to two$/)).toEqual([]);
  expect(received(first, /^to /)).toEqual(['to all three', 'to two']);
});

test('a client that was away gets in order what was written meanwhile', async () => {
  const { user, phone, portal, address, linked } = await chat('dora', 'David', 1);
  const [client] = linked;
  if (!client) throw new Error('no client');
  await client.stop();
  for (const text of count(5, (n) => `away ${n}`)) await user.sendText(portal, text);
  await phone.received('away 5');
  await client.start();
  await client.waitForText('away 5');
  expect(received(client, /^away/)).toEqual(count(5, (n) => `away ${n}`));
  await client.send(address, 'back');
  await shows(user, portal, 'back');
});

test('the bridge is killed in mid-conversation: nothing lost, nothing twice, on any device', async () => {
  const { user, phone, portal, address, linked } = await chat('emil', 'Eva', 2);
  const [first, second] = linked;
  if (!first || !second) throw new Error('no clients');
  const sending = (async () => {
    for (const text of count(10, (n) => `out ${n}`)) await user.sendText(portal, text);
  })();
  for (const text of count(5, (n) => `in ${n}`)) await first.send(address, text);
  await world.bridge.kill();
  for (const text of count(5, (n) => `in ${n + 5}`)) await first.send(address, text);
  await sending;
  await world.startBridge();
  await Promise.all([first, second].map((client) => client.waitForText('out 10')));
  await phone.received('out 10');
  await shows(user, portal, 'in 10', 60_000);
  for (const client of [first, second]) expect(received(client, /^out/)).toEqual(count(10, (n) => `out ${n}`));
  const shown = async () => sorted(await shownLike(user, portal, /^in \d/));
  await expect.poll(shown, patience).toEqual(count(10, (n) => `in ${n}`));
});

test('the sandbox is started anew in mid-conversation', async () => {
  const { user, phone, portal, address, linked } = await chat('frida', 'Felix', 1);
  const [client] = linked;
  if (!client) throw new Error('no client');
  await user.sendText(portal, 'before the fall');
  await client.waitForText('before the fall');
  await world.stopSandbox();
  await user.sendText(portal, 'into the dark');
  await world.startSandbox();
  await client.online();
  await client.until('the message', () => received(client, /^into/)[0], 90_000);
  await phone.received('into the dark');
  await client.send(address, 'light again');
  await shows(user, portal, 'light again', 60_000);
  expect(received(client, /^into/)).toHaveLength(1);
}, 180_000);

test('a session that the client has lost heals, and no message with it', async () => {
  const { user, portal, address, linked } = await chat('gerd', 'Greta', 1);
  const [client] = linked;
  if (!client) throw new Error('no client');
  await client.send(address, 'so that the session is confirmed');
  await shows(user, portal, 'so that the session is confirmed');
  await client.deleteSessions(address);
  await user.sendText(portal, 'can you read this?');
  await client.waitForText('can you read this?');
  await client.send(address, 'now I can');
  await shows(user, portal, 'now I can');
});

test('sessions that the bridge has lost heal, and no message with them', async () => {
  const { user, phone, portal, address, linked } = await chat('hans', 'Hilde', 1);
  const [client] = linked;
  if (!client) throw new Error('no client');
  await client.send(address, 'so that the session is confirmed');
  await shows(user, portal, 'so that the session is confirmed');
  await world.bridge.kill();
  const db = new Database(join(world.installation.configPath, '..', 'bridge.db'));
  expect(db.prepare('delete from signal_session').run().changes).toBeGreaterThanOrEqual(2);
  db.close();
  await world.startBridge();
  await client.send(address, 'do you still know me?');
  await shows(user, portal, 'do you still know me?');
  await phone.send(user.userId, 'and me?');
  await shows(user, portal, 'and me?');
  await user.sendText(portal, 'both of you');
  await Promise.all([client.waitForText('both of you'), phone.received('both of you')]);
});

test('a reset identity is shown and holds what is written until it is accepted; a client linked anew then takes part', async () => {
  const { user, phone, portal, linked } = await chat('ida', 'Igor', 1);
  const [old] = linked;
  await phone.post('reset', {});
  const warning = await notice(user, portal, 'identity-changed');
  await user.sendText(portal, 'are you still you?');
  const fresh = await link(phone);
  await user.reply(portal, warning.eventId, 'accept');
  await phone.received('are you still you?');
  await user.sendText(portal, 'welcome back');
  await Promise.all([fresh.waitForText('welcome back'), phone.received('welcome back')]);
  expect(old && received(old, /you\?|welcome/)).toEqual([]);
  await notice(user, portal, 'device-added');
});

for (const chain of ['none', 'forged', 'copied']) {
  test(`a device that the server injects (proof: ${chain}) is shown and receives nothing`, async () => {
    const { user, phone, portal, linked } = await chat(`victim-${chain}`, 'Jana', 1);
    const [client] = linked;
    if (!client) throw new Error('no client');
    const attack = (await phone.call('POST', '/faults/injected-device', { phone: phone.number, chain })) as {
      attack: number;
    };
    await notice(user, portal, 'device-unproven');
    await user.sendText(portal, 'not for strangers');
    await Promise.all([client.waitForText('not for strangers'), phone.received('not for strangers')]);
    const result = await phone.call('GET', `/faults/injected-device/${attack.attack}`);
    expect(result).toMatchObject({ answers: 0, decrypted: [] });
    expect(await codes(user, portal)).not.toContain('device-added');
  });
}

test('200 messages each way arrive once and in order on every device', async () => {
  const { user, phone, portal, address, linked } = await chat('karl', 'Karin', 2);
  const [first, second] = linked;
  if (!first || !second) throw new Error('no clients');
  const [out, into] = [count(200, (n) => `out ${n}`), count(200, (n) => `in ${n}`)];
  for (const text of out) await user.sendText(portal, text);
  await phone.received('out 200', 120_000);
  for (const client of [first, second]) {
    await client.until('the last one', () => (received(client, /^out 200$/).length > 0 ? true : undefined), 120_000);
    expect(received(client, /^out/)).toEqual(out);
  }
  const onPhone = (await phone.messages()).flatMap(({ text, direction }) =>
    direction === 'in' && /^out/.test(text ?? '') ? [text] : [],
  );
  expect(onPhone).toEqual(out);

  for (const text of into) await first.send(address, text);
  await shows(user, portal, 'in 200', 120_000);
  await expect.poll(() => shownLike(user, portal, /^in \d/), patience).toEqual(into);
  // What the client wrote shows on the other one as well, once.
  await second.waitForText('in 200');
  const copies = second.messages.flatMap((message) => (/^in \d/.test(textOf(message) ?? '') ? [textOf(message)] : []));
  expect(copies).toEqual(into);
}, 300_000);

test('both sides write at once: everything arrives once', async () => {
  const { user, phone, portal, address, linked } = await chat('lars', 'Lisa', 1);
  const [client] = linked;
  if (!client) throw new Error('no client');
  const [out, into] = [count(50, (n) => `out ${n}`), count(50, (n) => `in ${n}`)];
  const fromMatrix = (async () => {
    for (const text of out) await user.sendText(portal, text);
  })();
  // As people do, it writes on when the last message has arrived.
  for (const text of into) await client.waitForReceipt(await client.send(address, text), 3, 60_000);
  await fromMatrix;
  await expect.poll(async () => sorted(await shownLike(user, portal, /^in \d/)), patience).toEqual(into);
  await phone.received('out 50', 60_000);
  await client.waitForText('out 50');
  await expect.poll(() => sorted(received(client, /^out/)), { timeout: 30_000 }).toEqual(out);
}, 180_000);
