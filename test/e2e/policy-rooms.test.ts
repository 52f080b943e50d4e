// Policy rooms: whom others advise to block is blocked, for whoever subscribes. What the contact learns is counted on the wire.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let bert: MatrixUser;
/** Writes the rules. */
let moderator: MatrixUser;
let botRoom: string;
let bertsBotRoom: string;
let anna: SandboxPhone;
let portal: string;
let bertsPortal: string;
/** The Matrix user that stands for Anna, for Alice and Bert alike. */
let ghost: string;

const patience = { timeout: 20_000 };
const ask = (command: string, answer: RegExp): Promise<Message> => world.ask(alice, botRoom, command, answer);
const said = (user: MatrixUser, room: string, pattern: RegExp): Promise<Message> =>
  user.waitForMessage(room, ({ sender, body }) => sender === world.installation.bot && pattern.test(body ?? ''));
const sees = (user: MatrixUser, room: string, text: string): Promise<Message> =>
  user.waitForMessage(room, ({ body }) => body === text);

/** Sets a rule, or takes it back. */
async function rule(room: string, entity: string, stands: boolean, type = 'm.policy.rule.user'): Promise<string> {
  const content = stands ? { entity, recommendation: 'm.ban', reason: 'spam' } : {};
  const { event_id } = await moderator.client.sendStateEvent(room, type as never, content as never, `rule:${entity}`);
  return event_id;
}

/** Waits until the bot lists the room so. */
const listed = (line: string) =>
  expect.poll(async () => (await ask('blocks', /blocked/)).body?.split('\n'), patience).toContain(line);

const traffic = async ({ userId }: MatrixUser, kinds: RegExp): Promise<number> => {
  const counts = Object.entries(await anna.trafficFrom(userId));
  return counts.filter(([kind]) => kinds.test(kind)).reduce((sum, [, count]) => sum + count, 0);
};
/** Whatever reaches the other side: not the transport's acks, nor questions to the server. */
const reachesOthers = /^(?!ack:|iq:|login)/;

/** `texts` are sent; when the bridge has dealt with them, the sender has learnt nothing and the user has seen nothing. */
async function unheard(user: MatrixUser, phone: SandboxPhone, texts: readonly string[], between?: () => Promise<void>) {
  const rooms = user.client.getRooms().length;
  const [acks, before] = [await traffic(user, /^ack:message/), await traffic(user, reachesOthers)];
  const ids: string[] = [];
  for (const text of texts) ids.push(await phone.send(user.userId, text));
  await phone.showTyping(user.userId, 'composing');
  await between?.();
  await expect.poll(() => traffic(user, /^ack:message/), patience).toBe(acks + texts.length);
  // What is answered now was asked after that: whatever was to be sent has been.
  await world.ask(user, user === alice ? botRoom : bertsBotRoom, 'status', /opted in/);
  expect(await traffic(user, reachesOthers)).toBe(before);
  for (const id of ids) expect((await phone.message(id, 'delivered', 0)).status).toBe('sent');
  expect(user.client.getRooms().length).toBe(rooms);
}

async function heard(user: MatrixUser, room: string, text: string): Promise<void> {
  const id = await anna.send(user.userId, text);
  await sees(user, room, text);
  await anna.hasStatus(id, 'delivered');
}

beforeAll(async () => {
  world = await World.start({ overrides: { 'policy.rooms': ['#operator:localhost'], 'policy.rooms_per_user': 1 } });
  [alice, bert, moderator] = await Promise.all([
    world.homeserver.login('alice', { strict: true }),
    world.homeserver.login('bert', { strict: true }),
    world.homeserver.login('moderator'),
  ]);
  [botRoom, bertsBotRoom] = await Promise.all([world.optIn(alice), world.optIn(bert)]);
  anna = await world.phone('31651000001', 'Anna');
  for (const [user, room] of [
    [alice, botRoom],
    [bert, bertsBotRoom],
  ] as const) {
    await world.ask(user, room, `chat +${anna.number} Anna`, /invited you/);
  }
  ghost = (await alice.waitForInvite(({ inviter }) => inviter?.startsWith('@wa_') ?? false)).inviter ?? '';
  [portal, bertsPortal] = await Promise.all([world.joinPortal(alice), world.joinPortal(bert)]);
  await heard(alice, portal, 'hello Alice');
  await heard(bert, bertsPortal, 'hello Bert');
});
afterAll(() => world?.stop());

describe('a room to which a user subscribes', () => {
  let room: string;

  test('holds once the bot is let in', async () => {
    room = (await moderator.client.createRoom({ preset: 'private_chat' as never })).room_id;
    await rule(room, ghost, true);
    await rule(room, '@spam*:elsewhere.example', true);
    await ask('subscribe #nowhere:localhost', /find no room/);
    await ask(`subscribe ${botRoom}`, /for talking/);
    await ask(`subscribe ${room}`, /^Subscribed/);
    await said(alice, botRoom, /I cannot read .* Invite @/);
    await heard(alice, portal, 'not yet');
    await moderator.client.invite(room, world.installation.bot);
    await said(alice, botRoom, /I have read .* One rule of it/);
    await ask(`subscribe ${room}`, /already/);
    await ask('subscribe !another:localhost', /more are not possible/);
  });

  test('blocks whom it names, both ways, for this user alone; they learn nothing', async () => {
    await unheard(alice, anna, ['can you hear me?']);
    const event = await alice.sendText(portal, 'and you me?');
    const refused = await alice.waitForMessage(portal, ({ content }) => JSON.stringify(content).includes(event));
    expect(refused.body).toContain('A policy room to which you subscribe');
    await heard(bert, bertsPortal, 'you can');
    expect((await anna.messages()).map(({ text }) => text)).not.toContain('and you me?');
  });

  test('blocks no longer once the rule is taken back, or redacted', async () => {
    await rule(room, ghost, false);
    await listed(`${room}: policy room, 0 rules about people here`);
    await heard(alice, portal, 'there you are');
    const event = await rule(room, ghost, true, 'org.matrix.mjolnir.rule.user');
    await listed(`${room}: policy room, one rule about people here`);
    await unheard(alice, anna, ['gone again']);
    await moderator.redact(room, event);
    await listed(`${room}: policy room, 0 rules about people here`);
    await heard(alice, portal, 'once more');
    expect((await alice.messages(portal)).map(({ body }) => body)).not.toContain('gone again');
  });

  test('holds as it was read last when it cannot be read any more, also after a restart, and strangers cost no room', async () => {
    await rule(room, '@wa_*:localhost', true);
    await listed(`${room}: policy room, one rule about people here`);
    await moderator.client.kick(room, world.installation.bot);
    await said(alice, botRoom, /cannot read .* go on holding/);
    await world.bridge.kill();
    const stranger = await world.phone('31651000002', 'Sam');
    await unheard(alice, stranger, ['hello', 'buy this'], () => world.startBridge());
    await listed(`${room}: policy room, one rule about people here, cannot be read at present`);
    const told = (await alice.messages(botRoom)).filter(({ body }) => /go on holding/.test(body ?? ''));
    expect(told).toHaveLength(1);
  });

  test('is left, and holds no longer, when nobody subscribes any more', async () => {
    await moderator.client.invite(room, world.installation.bot);
    await listed(`${room}: policy room, one rule about people here`);
    const { body } = await ask(`unsubscribe ${room}`, /do not subscribe/);
    expect(body).toContain('nobody is blocked');
    await moderator.waitForMembership(room, world.installation.bot, ['leave']);
    await heard(alice, portal, 'free again');
  });
});

describe('a room of the administrator', () => {
  let room: string;

  test('blocks for everybody whom it names', async () => {
    const options = { preset: 'public_chat' as never, room_alias_name: 'operator' };
    room = (await moderator.client.createRoom(options)).room_id;
    await rule(room, ghost, true);
    await world.bridge.stop();
    await world.startBridge();
    await moderator.waitForMembership(room, world.installation.bot, ['join']);
    await expect.poll(() => ready(), patience).toEqual({ ready: true });
    for (const user of [alice, bert]) await unheard(user, anna, ['is anybody there?']);
    const event = await bert.sendText(bertsPortal, 'no');
    const refused = await bert.waitForMessage(bertsPortal, ({ content }) => JSON.stringify(content).includes(event));
    expect(refused.body).toContain('The administrator of this server has blocked this contact');
  });

  test('keeps out the users of this server whom it names', async () => {
    await rule(room, '@bert:localhost', true);
    await said(bert, bertsBotRoom, /names you, so the bridge is closed to you.*nothing is sent or received/);
    await rule(room, '@car?:localhost', true);
    const carl = await world.homeserver.login('carl', { strict: true });
    const carlsBotRoom = await world.talkToBot(carl);
    await expect
      .poll(async () => (await world.ask(carl, carlsBotRoom, 'opt-in', /./)).body, patience)
      .toMatch(/names you, so the bridge is closed to you/);
  });

  test('lets in again whom it names no longer', async () => {
    await rule(room, '@bert:localhost', false);
    await rule(room, ghost, false);
    await said(bert, bertsBotRoom, /goes on/);
    await heard(bert, bertsPortal, 'hello again');
    await heard(alice, portal, 'hello again');
  });

  const ready = async (): Promise<unknown> => (await fetch(`${world.installation.publicUrl}/health/ready`)).json();
});

test('a room is left when the last who subscribes to it opts out, and not before', async () => {
  const { bot } = world.installation;
  const { room_id: room } = await moderator.client.createRoom({ preset: 'private_chat' as never });
  await rule(room, ghost, true);
  await ask(`subscribe ${room}`, /^Subscribed/);
  await moderator.client.invite(room, bot);
  await listed(`${room}: policy room, one rule about people here`);
  await world.ask(bert, bertsBotRoom, `subscribe ${room}`, /^Subscribed/);
  await ask(`unsubscribe ${room}`, /do not subscribe/);
  await heard(alice, portal, 'for you alone');
  expect((await moderator.members(room)).find(({ userId }) => userId === bot)).toMatchObject({ membership: 'join' });
  await unheard(bert, anna, ['not for you']);
  await world.ask(bert, bertsBotRoom, 'opt-out', /You have opted out/);
  await moderator.waitForMembership(room, bot, ['leave']);
});
