// Who may reach a user, from a plain client by talking to the bot. What the other side learns is counted on the wire.
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Invite, MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { killVariable } from '../../src/observability/fail-points.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let botRoom: string;
/** Somebody whom Alice knows: what they write is delivered behind everything that came before it. */
let friend: SandboxPhone;
let friendPortal: string;

const mostWaiting = 4;
let numbers = 31_650_000_000;
let barriers = 0;

const ask = (command: string, answer: RegExp) => world.ask(alice, botRoom, command, answer);
const shown = (room: string, text: string): Promise<Message> => alice.waitForMessage(room, ({ body }) => body === text);

function stranger(name: string): Promise<SandboxPhone> {
  numbers += 1;
  return world.phone(String(numbers), name);
}

/** Looks into the database of the bridge for what nobody outside can see. */
function bridgeRows(query: string): unknown[] {
  const db = new Database(join(world.installation.configPath, '..', 'bridge.db'), { readonly: true });
  const rows = db.prepare(query).all();
  db.close();
  return rows;
}

const patience = { timeout: 20_000 };
/** Waits until the bridge's database has so many such rows. */
/** The same as text, and bytes as the characters that they would be. */
function bridgeText(query: string): string {
  return bridgeRows(query)
    .flatMap((row) => Object.values(row ?? {}))
    .map((value) => (Buffer.isBuffer(value) ? value.toString('latin1') : String(value)))
    .join('\n');
}

const rowsAre = (query: string, count: number) => expect.poll(() => bridgeRows(query), patience).toHaveLength(count);

/** Everything that had come for Alice before this has been dealt with. */
async function settled(): Promise<void> {
  barriers += 1;
  const id = await friend.send(alice.userId, `barrier ${barriers}`);
  await shown(friendPortal, `barrier ${barriers}`);
  await friend.hasStatus(id, 'delivered');
  await rowsAre(`select 1 from inbox where state = 'accepted'`, 0);
}

/** What the network gets from Alice's account while `during` runs, by kind; without the acks of the transport and questions to the server. */
async function sentDuring(during: () => Promise<void>): Promise<Record<string, number>> {
  await settled();
  const before = await friend.trafficFrom(alice.userId);
  await during();
  await settled();
  const after = await friend.trafficFrom(alice.userId);
  const sent: Record<string, number> = {};
  for (const [kind, count] of Object.entries(after)) {
    if (!/^(ack|iq):/.test(kind) || kind === 'iq:w:profile:picture') sent[kind] = count - (before[kind] ?? 0);
  }
  // The barrier's own receipt.
  sent['receipt:delivered'] = (sent['receipt:delivered'] ?? 0) - 1;
  return Object.fromEntries(Object.entries(sent).filter(([, count]) => count > 0));
}

const isGhost = ({ inviter }: Invite): boolean => inviter?.startsWith('@wa_') ?? false;
const known = new Set<string>();
/** The next invitation of a ghost. */
async function invited(): Promise<string> {
  const { roomId } = await alice.waitForInvite((invite) => isGhost(invite) && !known.has(invite.roomId));
  known.add(roomId);
  return roomId;
}
const rooms = (): number => alice.client.getRooms().length;

/** What contacts have written and the user sees, in order. */
async function texts(room: string): Promise<string[]> {
  const messages = await alice.messages(room);
  return messages.filter(({ msgtype }) => msgtype === 'm.text').map(({ body }) => body ?? '');
}

beforeAll(async () => {
  world = await World.start({
    overrides: { 'policy.request_messages': mostWaiting, 'policy.requests': 2, 'policy.blocked': ['+999*'] },
  });
  alice = await world.homeserver.login('alice', { strict: true });
  botRoom = await world.optIn(alice);
  friend = await stranger('Frieda');
  await ask(`chat +${friend.number} Frieda`, /invited you/);
  friendPortal = await invited();
  await alice.join(friendPortal);
});
afterAll(() => world?.stop());

describe('somebody unknown who writes', () => {
  let anna: SandboxPhone;
  let first: string;
  let picture: string;
  let room: string;
  const jpeg = Buffer.concat([Buffer.from('ffd8ffe000104a464946', 'hex'), randomBytes(3000)]);

  test('learns nothing, not even that there was a delivery; the user is invited and told', async () => {
    anna = await stranger('Anna');
    await anna.setPicture(jpeg);
    const sent = await sentDuring(async () => {
      first = await anna.send(alice.userId, 'hello, do you know me?');
      picture = await anna.sendFile(alice.userId, { type: 'image', content: jpeg, mimetype: 'image/jpeg' });
      await anna.showTyping(alice.userId, 'composing');
      room = await invited();
      await alice.waitForMessage(botRoom, ({ body }) => /Somebody who is unknown to you asks/.test(body ?? ''));
    });
    expect(sent).toEqual({});
    expect((await anna.message(first, 'delivered', 0)).status).toBe('sent');
    expect((await anna.message(picture, 'delivered', 0)).media?.downloads).toBe(0);
  });

  test('learns nothing from calling', async () => {
    const sent = await sentDuring(async () => {
      const { id } = (await anna.post('calls', { to: alice.userId })) as { id: string };
      await anna.call('DELETE', `/phones/${anna.number}/calls/${id}`);
    });
    expect(sent).toEqual({});
  });

  test('learns nothing from a bridge that was killed meanwhile', async () => {
    const sent = await sentDuring(async () => {
      await world.bridge.kill();
      await anna.send(alice.userId, 'are you there?');
      await world.startBridge();
    });
    expect(sent).toEqual({ login: 1 });
  });

  test('is listed with name and number, but not in an unencrypted room', async () => {
    const list = await ask('requests', /message/);
    expect(list.body).toContain(`1: "Anna", +${anna.number.slice(0, 2)} `);
    expect(list.body).toContain('3 messages wait');
    expect(list.body).not.toContain('do you know me');
    const plain = await world.talkToBot(alice, { encrypted: false });
    const unnamed = await world.ask(alice, plain, 'requests', /name nobody here/);
    expect(unnamed.body).toContain('3 messages wait');
    expect(unnamed.body).not.toMatch(/Anna|\+31/);
    await world.ask(alice, plain, 'accept Anna', /no names or phone numbers/);
    expect((await ask('status', /Requests/)).body).toContain('Chats: 1. Requests: 1. Waiting for you: 0.');
  });

  test('may write more, within a limit', async () => {
    const sent = await sentDuring(async () => {
      for (const text of ['fourth', 'too many', 'far too many']) await anna.send(alice.userId, text);
    });
    expect(sent).toEqual({});
    expect((await ask('requests', /message/)).body).toContain('4 messages wait, 2 more dropped');
  });

  test('is let in by joining: what waited comes in order, then the receipts; what did not is counted', async () => {
    await alice.join(room);
    const label = await alice.waitForMessage(room, ({ body }) => /unknown to you asked/.test(body ?? ''));
    expect(label).toMatchObject({ msgtype: 'm.notice', encrypted: true });
    expect(label.body).toContain('"Anna"');
    const dropped = await alice.waitForMessage(room, ({ body }) => /could not wait/.test(body ?? ''));
    expect(dropped.body).toContain('2 more messages');
    expect(await texts(room)).toEqual(['hello, do you know me?', 'are you there?', 'fourth']);
    await anna.hasStatus(first, 'delivered');
    await anna.hasStatus(picture, 'delivered');
    expect((await anna.message(picture, 'delivered', 0)).media?.downloads).toBe(1);
    const next = await anna.send(alice.userId, 'thank you');
    await shown(room, 'thank you');
    await anna.hasStatus(next, 'delivered');
    await alice.sendText(room, 'hello Anna');
    await anna.received('hello Anna');
    await ask('requests', /Nobody asks/);
  });
});

describe('a request', () => {
  test('is declined by rejecting the invitation: nothing is kept, nobody learns of it, and there is no second one', async () => {
    const boris = await stranger('Boris');
    const told = (await alice.messages(botRoom)).filter(({ body }) =>
      /Somebody who is unknown/.test(body ?? ''),
    ).length;
    const id = await boris.send(alice.userId, 'buy this');
    const room = await invited();
    await expect
      .poll(
        async () => (await alice.messages(botRoom)).filter(({ body }) => /unknown to you asks/.test(body ?? '')),
        patience,
      )
      .toHaveLength(told + 1);
    const sent = await sentDuring(async () => {
      const answer = alice.waitForMessage(botRoom, ({ body }) => /^Declined/.test(body ?? ''));
      await alice.leave(room);
      await rowsAre(`select 1 from portal where acceptance = 'declined'`, 1);
      await answer;
      const before = rooms();
      await boris.send(alice.userId, 'I said: buy this');
      await settled();
      expect(rooms()).toBe(before);
    });
    // That of the inner barrier.
    expect(sent).toEqual({ 'receipt:delivered': 1 });
    expect((await boris.message(id, 'delivered', 0)).status).toBe('sent');
    expect(bridgeRows('select 1 from inbox where body is not null')).toEqual([]);
    await rowsAre(`select 1 from portal where acceptance = 'declined' and room is null`, 1);
    await ask('accept Boris', /let in/);
    const late = await boris.send(alice.userId, 'may I?');
    const again = await invited();
    await alice.join(again);
    await shown(again, 'may I?');
    await boris.hasStatus(late, 'delivered');
    expect(await texts(again)).toEqual(['may I?']);
  });

  test('is declined by command: the invitation is taken back', async () => {
    const clara = await stranger('Clara');
    await clara.send(alice.userId, 'psst');
    const room = await invited();
    const sent = await sentDuring(async () => {
      const { body } = await ask('requests', /Clara/);
      const number = /^(\d+): "Clara"/m.exec(body ?? '')?.[1];
      await ask(`decline ${number}`, /Declined/);
      await alice.waitForMembership(room, alice.userId, ['leave']);
      await rowsAre(`select 1 from portal where acceptance = 'declined' and room is not null`, 0);
    });
    expect(sent).toEqual({});
  });

  test('is accepted by phone number before the room is joined', async () => {
    const dora = await stranger('Dora');
    const id = await dora.send(alice.userId, 'it is me');
    const room = await invited();
    expect((await dora.message(id, 'delivered', 0)).status).toBe('sent');
    await ask(`accept +${dora.number}`, /let in/);
    await dora.hasStatus(id, 'delivered');
    await alice.join(room);
    await shown(room, 'it is me');
  });

  test('is accepted by joining a room that the bridge had made and, killed right then, does not know of', async () => {
    const greta = await stranger('Greta');
    await world.bridge.kill();
    const dying = world.spawnBridge({ [killVariable]: 'W8-room-created:1' });
    const id = await greta.send(alice.userId, 'are you there, Alice?');
    const room = await invited();
    await dying.exited;
    await alice.join(room);
    await world.startBridge();
    await shown(room, 'are you there, Alice?');
    await greta.hasStatus(id, 'delivered');
  });

  test('ends when the user writes first', async () => {
    const emil = await stranger('Emil');
    const id = await emil.send(alice.userId, 'from Emil');
    const room = await invited();
    await ask(`chat +${emil.number} Emil`, /have a chat with them already/);
    await emil.hasStatus(id, 'delivered');
    await alice.join(room);
    await shown(room, 'from Emil');
  });

  test('that cannot be decrypted is asked for once, and opens no room before it can be', async () => {
    const franz = await stranger('Franz');
    const before = rooms();
    const sent = await sentDuring(async () => {
      await world.bridge.kill();
      await franz.call('POST', '/faults/corrupt', { to: alice.userId });
      const id = await franz.send(alice.userId, 'can you read this?');
      await franz.hasStatus(id, 'sent');
      await franz.post('offline', { offline: true });
      await world.startBridge();
      await rowsAre('select 1 from decrypt_failure', 1);
      await settled();
      expect(rooms()).toBe(before);
    });
    expect(sent).toEqual({ login: 1, 'receipt:retry': 1, 'receipt:delivered': 1 });
    await franz.post('offline', { offline: false });
    const room = await invited();
    const more = await sentDuring(async () => {
      for (const text of ['and this?', 'or that?']) {
        await franz.call('POST', '/faults/corrupt', { to: alice.userId });
        await franz.send(alice.userId, text);
      }
      await rowsAre('select 1 from decrypt_failure', 2);
    });
    expect(more).toEqual({});
    await alice.join(room);
    await shown(room, 'can you read this?');
  });
});

test('only so many ask at a time: others cost nothing until some have been answered', async () => {
  const crowd = [await stranger('Ludwig'), await stranger('Martha'), await stranger('Nora')];
  const sent = await sentDuring(async () => {
    for (const one of crowd) {
      await one.send(alice.userId, `I am ${one.name}`);
      await settled();
    }
    const { body } = await ask('requests', /nobody else can/);
    expect(body).toMatch(/"Ludwig"[\s\S]*"Martha"/);
    expect(body).not.toContain('Nora');
  });
  // Those of the inner barriers.
  expect(sent).toEqual({ 'receipt:delivered': 3 });
  await ask('decline Ludwig', /Declined/);
  await crowd[2]?.send(alice.userId, 'once more, Nora');
  await expect.poll(async () => (await ask('requests', /message/)).body, patience).toContain('"Nora"');
  for (const name of ['Martha', 'Nora']) await ask(`decline ${name}`, /Declined/);
  await rowsAre(`select 1 from portal where acceptance = 'declined' and room is not null`, 0);
  for (const { roomId } of alice.client.getRooms()) known.add(roomId);
});

describe('a user who wants no strangers', () => {
  afterAll(() => ask('reach everyone', /may ask to write to you/));

  test.each(['known', 'nobody'])('is reached by %s: others cost no room, no word, no packet', async (reach) => {
    const gregor = await stranger('Gregor');
    await ask(`reach ${reach}`, /reach(es|ed)? you/);
    const sent = await sentDuring(async () => {
      const before = rooms();
      const id = await gregor.send(alice.userId, 'let me in');
      await settled();
      expect((await gregor.message(id, 'delivered', 0)).status).toBe('sent');
      expect(rooms()).toBe(before);
    });
    expect(sent).toEqual({ 'receipt:delivered': 1 });
    await ask('requests', /Nobody asks/);
    const answer = reach === 'nobody' ? /no new chats/ : /invited you/;
    await ask(`chat +${gregor.number} Gregor`, answer);
    if (reach === 'nobody') return;
    const room = await invited();
    await alice.join(room);
    await gregor.send(alice.userId, 'so you do know me');
    await shown(room, 'so you do know me');
  });
});

describe('somebody who is blocked', () => {
  let hanna: SandboxPhone;
  let room: string;

  beforeAll(async () => {
    hanna = await stranger('Hanna');
    await hanna.send(alice.userId, 'hello from Hanna');
    room = await invited();
    await alice.join(room);
    await shown(room, 'hello from Hanna');
    await alice.sendText(room, 'hello Hanna');
    await hanna.received('hello Hanna');
  });

  test('in the middle of a chat hears nothing more and is not heard', async () => {
    await ask('block hanna', /Blocked/);
    const sent = await sentDuring(async () => {
      const id = await hanna.send(alice.userId, 'are you still there?');
      await hanna.showTyping(alice.userId, 'composing');
      const { id: call } = (await hanna.post('calls', { to: alice.userId })) as { id: string };
      await hanna.call('DELETE', `/phones/${hanna.number}/calls/${call}`);
      const event = await alice.sendText(room, 'I am not');
      const refused = await alice.waitForMessage(room, ({ content }) => JSON.stringify(content).includes(event));
      expect(refused.body).toContain('You have blocked this contact');
      await settled();
      expect((await hanna.message(id, 'delivered', 0)).status).toBe('sent');
    });
    expect(sent).toEqual({ 'receipt:delivered': 1 });
    expect(await texts(room)).toEqual(['hello from Hanna', 'hello Hanna', 'I am not']);
    expect((await hanna.messages()).map(({ text }) => text)).not.toContain('I am not');
  });

  test('is listed, nowhere in plain, and can be let in again', async () => {
    const list = await ask('blocks', /unblock/);
    const code = /^([0-9a-f]+): "Hanna", \+31 /m.exec(list.body ?? '')?.[1];
    expect(code).toHaveLength(4);
    const kept = bridgeText('select * from block');
    expect(kept).not.toContain('Hanna');
    expect(kept).not.toContain(hanna.number);
    // What comes to the list, or goes, changes no code.
    await ask('block +7 998*', /Blocked/);
    await ask('unblock 1', /Send "unblock" with a code/);
    await ask(`unblock ${code}`, /not blocked any more/);
    expect((await ask('blocks', /unblock/)).body).not.toContain('Hanna');
    await ask('unblock +7 998*', /not blocked any more/);
    await ask('blocks', /blocked nobody/);
    await hanna.send(alice.userId, 'at last');
    await shown(room, 'at last');
    await alice.sendText(room, 'welcome back');
    await hanna.received('welcome back');
    expect(await texts(room)).not.toContain('are you still there?');
  });

  test('by a reply in the chat is blocked as well', async () => {
    const label = await alice.waitForMessage(room, ({ body }) => /unknown to you asked/.test(body ?? ''));
    await alice.reply(room, label.eventId, 'block');
    await alice.waitForMessage(room, ({ msgtype, body }) => msgtype === 'm.notice' && /^Blocked/.test(body ?? ''));
    const sent = await sentDuring(async () => void (await hanna.send(alice.userId, 'once more')));
    expect(sent).toEqual({});
  });

  test('when they ask loses the invitation', async () => {
    const ida = await stranger('Ida');
    await ida.send(alice.userId, 'psst, it is Ida');
    const invitation = await invited();
    const sent = await sentDuring(async () => {
      await ask('block Ida', /Blocked/);
      await alice.waitForMembership(invitation, alice.userId, ['leave']);
    });
    expect(sent).toEqual({});
  });

  test.each([
    ['by the start of their number', '79991234567'],
    ['by their number, before they were ever heard of', '4915112345678'],
    ['by the administrator', '99912345678'],
  ])('%s costs no room, no invitation, no packet', async (_, number) => {
    const phone = await world.phone(number, 'Jan');
    if (number.startsWith('7')) await ask('block +7 999*', /begins with \+7999/);
    if (number.startsWith('4')) await ask('block +49 151 12345678', /Blocked/);
    const sent = await sentDuring(async () => {
      const before = [rooms(), bridgeRows('select 1 from contact').length];
      await phone.send(alice.userId, 'hello?');
      await settled();
      expect([rooms(), bridgeRows('select 1 from contact').length]).toEqual(before);
    });
    expect(sent).toEqual({ 'receipt:delivered': 1 });
  });
});
