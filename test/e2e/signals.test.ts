// What is said besides messages: who has received and read what, who types, who calls. The other side is an unmodified client and its phone.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { KillingProxy } from '../support/killing-proxy.ts';
import { MatrixSignals } from '../support/matrix-signals.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';
import { World } from '../support/world.ts';

let world: World;
let homeserver: KillingProxy;
let alice: MatrixUser;
let botRoom: string;
let anna: SandboxPhone;
let client: WhatsAppClient;
/** Anna's ghost, and Alice as Anna's client knows her. */
let ghost: string;
let user: string;
let portal: string;
let signals: MatrixSignals;

let barriers = 0;
/** Messages that Anna's client has sent. */
const own = new Set<string>();
const shown = (text: string) => alice.waitForMessage(portal, ({ body }) => body === text);
const ask = (command: string, answer: RegExp) => world.ask(alice, botRoom, command, answer);

/** Sends as Anna's client and returns the event and the message. */
async function written(text: string): Promise<{ id: string; event: string }> {
  const id = await client.send(user, text);
  own.add(id);
  return { id, event: (await shown(text)).eventId };
}

/** Sends as Alice and returns the event and the message that Anna's client shows. */
async function sent(text: string) {
  const event = await alice.sendText(portal, text);
  return { event, message: await client.waitForText(text) };
}

/** Everything that the bridge had to say to Anna before this has been said: delivery receipts go out behind it. */
async function settled(): Promise<void> {
  barriers += 1;
  const { id } = await written(`barrier ${barriers}`);
  await client.waitForReceipt(id, 3);
}

/** What Anna's client was told to have been read, of what it has sent. */
const readIds = () => client.receipts.filter(({ id, status }) => own.has(id) && status === 4).map(({ id }) => id);

/** How many stanzas of a kind the network has got from Alice's account. */
async function traffic(kind: string): Promise<number> {
  const path = `/accounts/${encodeURIComponent(alice.userId)}/traffic`;
  const counted = (await anna.call('GET', path)) as { traffic: Readonly<Record<string, number>> };
  return counted.traffic[kind] ?? 0;
}

/** Looks into the database of the bridge for what nobody outside can see. */
function bridgeRows(query: string, ...parameters: string[]): unknown[] {
  const db = new Database(join(world.installation.configPath, '..', 'bridge.db'), { readonly: true });
  const rows = db.prepare(query).all(...parameters);
  db.close();
  return rows;
}

beforeAll(async () => {
  world = await World.start({
    overrides: { 'networks.whatsapp.read_receipts': true },
    between: async (synapse, sandbox) => {
      homeserver = await KillingProxy.start(synapse);
      return { homeserverUrl: homeserver.url, enlistmentUrl: `${sandbox}/enlist` };
    },
  });
  alice = await world.homeserver.login('alice', { strict: true });
  anna = await world.phone('31612345678', 'Anna');
  client = await WhatsAppClient.link(world.sandbox, anna);
  botRoom = await world.optIn(alice);
  await anna.send(alice.userId, 'hello');
  portal = await world.joinPortal(alice);
  ghost = (await shown('hello')).sender;
  signals = await MatrixSignals.of(alice, portal);
  user = (await sent('hello Anna')).message.key.remoteJid ?? '';
});
afterAll(async () => {
  await client?.dispose();
  await world?.stop();
  await homeserver?.stop();
});

describe('what the contact has read', () => {
  test('is shown at the newest message, from whichever device it comes, and never goes back', async () => {
    const [first, second, third] = [await sent('one'), await sent('two'), await sent('three')];
    await client.markRead(second.message);
    await signals.waitUntilReadBy(ghost, second.event);
    await anna.post('receipts', { id: third.message.key.id, type: 'read' });
    await signals.waitUntilReadBy(ghost, third.event);
    await client.markRead(first.message);
    const last = await sent('four');
    expect(signals.readBy(ghost)).toBe(third.event);
    await client.markRead(last.message);
    await signals.waitUntilReadBy(ghost, last.event);
  });

  test('while the bridge was dead is shown afterwards', async () => {
    const { event, message } = await sent('read me later');
    await world.bridge.kill();
    await client.markRead(message);
    await world.startBridge();
    await signals.waitUntilReadBy(ghost, event);
  });

  test('and was not shown when the bridge died is shown afterwards', async () => {
    const { event, message } = await sent('read me now');
    const killed = homeserver.killAt('POST', /\/receipt\/m\.read\//, () => world.bridge.kill());
    await client.markRead(message);
    await killed;
    await world.startBridge();
    await signals.waitUntilReadBy(ghost, event);
    await expect.poll(() => bridgeRows('select * from reading where contact_read > contact_shown')).toEqual([]);
  });
});

describe('what the user has read', () => {
  let secret: string;

  test('stays here while it is off, as it is at first', async () => {
    const help = await ask('settings', /read receipts/);
    expect(help.body).toContain('WhatsApp: read receipts off, typing off, delivery marks off.');
    const { id, event } = await written('read in secret');
    await signals.read(event);
    const noted = 'select 1 from reading join message_reference using (portal) where event = ? and confirmed >= id';
    await expect.poll(() => bridgeRows(noted, event)).toHaveLength(1);
    await settled();
    expect(readIds()).toEqual([]);
    expect(await traffic('receipt:read')).toBe(0);
    secret = id;
  });

  test('is told once it is on: in order, each once, and nothing from before', async () => {
    await ask('receipts on', /the other person sees when you have read/);
    expect((await ask('status', /Chats: 1/)).body).toContain('read receipts on, typing off');
    const unread = [await written('first'), await written('second'), await written('third')];
    await signals.read(unread[2]?.event ?? '');
    for (const { id } of unread) await client.waitForReceipt(id, 4);
    await settled();
    const told = readIds();
    expect(told.slice(-3)).toEqual(unread.map(({ id }) => id));
    expect(told).toHaveLength(new Set(told).size);
    expect(told).not.toContain(secret);
  });

  test('privately is not told', async () => {
    const { id, event } = await written('a private matter');
    await signals.read(event, 'private');
    await settled();
    expect(readIds()).not.toContain(id);
    await signals.read(event);
    await client.waitForReceipt(id, 4);
  });

  test('and the homeserver has pushed is told, although the bridge was killed and the network away', async () => {
    const { id, event } = await written('before the storm');
    await world.stopSandbox();
    await signals.read(event);
    await expect.poll(() => bridgeRows('select * from reading where user_read is not null')).toHaveLength(1);
    await world.bridge.kill();
    await world.startSandbox();
    await world.startBridge();
    await client.waitForReceipt(id, 4);
    await settled();
    expect(readIds().filter((one) => one === id)).toHaveLength(1);
  });

  test('and has not been told when it is switched off is never told', async () => {
    const { id, event } = await written('on second thoughts');
    await world.stopSandbox();
    await signals.read(event);
    await expect.poll(() => bridgeRows('select * from reading where user_read is not null')).toHaveLength(1);
    await ask('receipts off', /nobody on WhatsApp sees what you have read/);
    await world.startSandbox();
    await client.online();
    await settled();
    await ask('receipts on', /the other person sees/);
    const next = await written('and on third ones');
    await signals.read(next.event);
    await client.waitForReceipt(next.id, 4);
    expect(readIds()).not.toContain(id);
    await ask('receipts off', /nobody on WhatsApp sees/);
  });
});

describe('that a message has arrived', () => {
  const isMark =
    (event: string) =>
    ({ type, sender, content }: Pick<Message, 'type' | 'sender' | 'content'>) =>
      type === 'm.reaction' && sender === ghost && JSON.stringify(content['m.relates_to']).includes(event);
  const marks = async (event: string) => (await alice.messages(portal)).filter(isMark(event));

  test('is not said while that is off', async () => {
    const { event } = await sent('unmarked');
    await anna.received('unmarked');
    await settled();
    expect(await marks(event)).toEqual([]);
  });

  test('is said by one reaction, also when the bridge dies over it', async () => {
    await ask('delivery-marks on', /your homeserver sees when/);
    const { event } = await sent('marked');
    const mark = await alice.waitForMessage(portal, isMark(event));
    expect(mark.content['m.relates_to']).toMatchObject({ key: '✓✓' });
    const killed = homeserver.killAt('PUT', /\/send\/m\.reaction\//, () => world.bridge.kill());
    const next = await sent('marked as well');
    await killed;
    await world.startBridge();
    await expect.poll(() => bridgeRows('select * from delivery_mark')).toEqual([]);
    await settled();
    expect(await marks(event)).toHaveLength(1);
    expect(await marks(next.event)).toHaveLength(1);
  });

  test('is not said of reactions, nor to the contact', async () => {
    const { event } = await written('like this');
    const reaction = await alice.react(portal, event, '👍');
    await client.waitForMessage(({ message }) => message?.reactionMessage?.text === '👍');
    const { event: after } = await sent('after the reaction');
    await alice.waitForMessage(portal, isMark(after));
    expect(await marks(reaction)).toEqual([]);
    expect(client.messages.filter(({ message }) => message?.reactionMessage?.text?.includes('✓'))).toEqual([]);
    await ask('delivery-marks off', /no more are set/);
  });
});

describe('that the contact types', () => {
  const types = (state: 'composing' | 'recording' | 'paused') => client.socket.sendPresenceUpdate(state, user);

  test('is shown until it ends, in writing or recording', async () => {
    for (const state of ['composing', 'recording'] as const) {
      await types(state);
      await signals.waitUntilTyping(ghost, true);
      await types('paused');
      await signals.waitUntilTyping(ghost, false);
    }
  });

  test('ends with what they were typing', async () => {
    await types('composing');
    await signals.waitUntilTyping(ghost, true);
    await written('here it is');
    await signals.waitUntilTyping(ghost, false);
  });

  test('makes no room', async () => {
    const carl = await world.phone('31600000003', 'Carl');
    const rooms = alice.client.getRooms().length;
    await carl.post('typing', { to: alice.userId, state: 'composing' });
    await settled();
    expect(alice.client.getRooms()).toHaveLength(rooms);
  });
});

describe('that the user types', () => {
  const seen: string[] = [];
  const sees = async (state: string) => {
    await expect.poll(() => seen.at(-1), { timeout: 20_000 }).toBe(state);
  };

  beforeAll(() => {
    client.socket.ev.on('presence.update', ({ presences }) => {
      for (const { lastKnownPresence } of Object.values(presences)) seen.push(lastKnownPresence);
    });
  });

  test('stays here while it is off, as it is at first', async () => {
    await signals.type(true);
    await signals.type(false);
    await settled();
    expect([await traffic('chatstate:composing'), await traffic('chatstate:paused')]).toEqual([0, 0]);
    expect([await traffic('presence:available'), await traffic('presence:unavailable')]).toEqual([0, 0]);
  });

  test('is shown once it is on, until it ends', async () => {
    await ask('typing on', /sees that you are typing/);
    await signals.type(true);
    await sees('composing');
    await signals.type(false);
    await sees('available');
    expect(await traffic('presence:available')).toBe(1);
  });

  test('is shown by a bridge that was killed and started again', async () => {
    await world.bridge.kill();
    await world.startBridge();
    await expect.poll(() => traffic('presence:available'), { timeout: 20_000 }).toBe(2);
    await signals.type(true);
    await sees('composing');
    await signals.type(false);
    await sees('available');
  });

  test('is not shown to somebody who has not heard of them yet', async () => {
    const ben = await world.phone('31600000002', 'Ben');
    await ask(`chat +${ben.number} Ben`, /invited you/);
    const fresh = await world.joinPortal(alice);
    await alice.waitForMessage(fresh, ({ body }) => /You opened this chat/.test(body ?? ''));
    const composing = await traffic('chatstate:composing');
    await alice.client.sendTyping(fresh, true, 5_000);
    await alice.client.sendTyping(fresh, false, 0);
    await settled();
    expect(await traffic('chatstate:composing')).toBe(composing);
    await alice.sendText(fresh, 'hello Ben');
    await ben.received('hello Ben');
    await alice.client.sendTyping(fresh, true, 5_000);
    await expect.poll(() => traffic('chatstate:composing'), { timeout: 20_000 }).toBe(composing + 1);
  });

  test('is not shown any more once it is off', async () => {
    await ask('typing off', /nobody on WhatsApp sees that you are typing/);
    await expect.poll(() => traffic('presence:unavailable'), { timeout: 20_000 }).toBe(1);
    const before = [await traffic('chatstate:composing'), await traffic('chatstate:paused')];
    await signals.type(true);
    await signals.type(false);
    await settled();
    expect([await traffic('chatstate:composing'), await traffic('chatstate:paused')]).toEqual(before);
  });
});

describe('a call', () => {
  const calls = async () => (await alice.messages(portal)).filter(({ body }) => /Anna called/.test(body ?? ''));

  test('is told once, and left to ring', async () => {
    const { id } = (await anna.post('calls', { to: alice.userId, video: true })) as { id: string };
    const told = await alice.waitForMessage(portal, ({ body }) => /Anna called on WhatsApp \(video\)/.test(body ?? ''));
    expect(told).toMatchObject({ msgtype: 'm.notice', encrypted: true, sender: ghost });
    expect(await anna.call('GET', `/phones/${anna.number}/calls/${id}`)).toMatchObject({ state: 'ringing' });
    await anna.call('DELETE', `/phones/${anna.number}/calls/${id}`);
    await settled();
    expect(await calls()).toHaveLength(1);
    expect(await traffic('call:reject')).toBe(0);
  });

  test('that came and went while the bridge was dead is told afterwards', async () => {
    await world.bridge.kill();
    const { id } = (await anna.post('calls', { to: alice.userId })) as { id: string };
    await anna.call('DELETE', `/phones/${anna.number}/calls/${id}`);
    await world.startBridge();
    const isVoice = ({ body }: { body?: string | undefined }) => /Anna called on WhatsApp\. /.test(body ?? '');
    await alice.waitForMessage(portal, isVoice);
    await settled();
    expect(await calls()).toHaveLength(2);
  });

  test('of a stranger makes no room', async () => {
    const dora = await world.phone('31600000004', 'Dora');
    const rooms = alice.client.getRooms().length;
    await dora.post('calls', { to: alice.userId });
    await settled();
    expect(alice.client.getRooms()).toHaveLength(rooms);
    expect(bridgeRows('select * from portal where id not in (select portal from inbox)')).toEqual([]);
  });
});
