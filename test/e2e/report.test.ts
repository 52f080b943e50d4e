// Reports: what the moderators get, what is proven of it, what nobody else learns, and what is left of it.
import { readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parse, parseDocument } from 'yaml';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { askDoctor, found } from '../support/doctor.ts';
import { KillingProxy } from '../support/killing-proxy.ts';
import { openFile } from '../support/matrix-files.ts';
import { World } from '../support/world.ts';
import { filesBelow, filesWith } from '../support/written-files.ts';

const proofField = 'matrix-appservice-whatsapp.proof';
const noShield = { color: 'none', reason: undefined };
const patience = { timeout: 20_000 };

let world: World;
let homeserver: KillingProxy;
let alice: MatrixUser;
let mona: MatrixUser;
let otto: MatrixUser;
let botRoom: string;
let anna: SandboxPhone;
let portal: string;
let moderation: string;

const notice = (code: string, text: RegExp) =>
  alice.waitForMessage(
    portal,
    ({ content, body }) =>
      (content['matrix-appservice-whatsapp.notice'] as { code?: string } | undefined)?.code === code &&
      text.test(body ?? ''),
  );
const ask = (command: string, answer: RegExp) => world.ask(alice, botRoom, command, answer);
const link = (event: string, room = portal) =>
  `https://matrix.to/#/${encodeURIComponent(room)}/${encodeURIComponent(event)}?via=localhost`;

/** A message of Anna's, as Alice sees it. */
async function annaWrites(text: string): Promise<Message & { readonly id: string }> {
  const id = await anna.send(alice.userId, text);
  return { ...(await alice.waitForMessage(portal, ({ body }) => body === text)), id };
}

interface Facts {
  readonly event: string;
  readonly proof: string;
  readonly [key: string]: unknown;
}

const factsOf = ({ content }: { readonly content: Record<string, unknown> }) =>
  content['matrix-appservice-whatsapp.report'] as Facts | undefined;
const reportOf = (moderator: MatrixUser, event: string) =>
  moderator.waitForMessage(moderation, (seen) => factsOf(seen)?.event === event);
const said = async (text: string) =>
  (await mona.messages(moderation)).filter(({ body }) => body?.includes(text)).length;

/** What of Alice's reaches others, but for the report to the network. */
async function traffic(): Promise<number> {
  const counts = Object.entries(await anna.trafficFrom(alice.userId));
  return counts.filter(([kind]) => !/^(ack:|iq:|login)/.test(kind)).reduce((sum, [, count]) => sum + count, 0);
}

async function configure(change: (config: ReturnType<typeof parseDocument>) => void): Promise<void> {
  const { configPath } = world.installation;
  const config = parseDocument(await readFile(configPath, 'utf8'));
  change(config);
  await writeFile(configPath, config.toString());
}

beforeAll(async () => {
  world = await World.start({
    overrides: { 'networks.whatsapp.reports': true, 'logging.level': 'debug' },
    between: async (synapse, sandbox) => {
      homeserver = await KillingProxy.start(synapse);
      return { homeserverUrl: homeserver.url, enlistmentUrl: `${sandbox}/enlist` };
    },
  });
  [alice, mona, otto] = await Promise.all([
    world.homeserver.login('alice', { strict: true }),
    world.homeserver.login('mona', { strict: true }),
    world.homeserver.login('otto', { strict: true }),
  ]);
  botRoom = await world.optIn(alice);
  ({ phone: anna, portal } = await world.chat(alice, '31652000001', 'Anna'));
});
afterAll(async () => {
  await world?.stop();
  await homeserver?.stop();
});

test('a server without a moderation room takes no reports, and says who runs it', async () => {
  const { eventId } = await annaWrites('not to be reported');
  await ask(`report ${link(eventId)}`, /takes no reports. The demo on this machine runs it: @admin:localhost/);
  await alice.reply(portal, eventId, '!wa report');
  await notice('command-answer', /takes no reports/);
  await ask('yes', /have not asked/);
});

describe('with a moderation room', () => {
  beforeAll(async () => {
    await world.bridge.stop();
    moderation = await mona.createDirectRoom(otto.userId);
    await otto.join(moderation);
    await mona.client.invite(moderation, world.installation.bot);
    await configure((config) => config.setIn(['moderation', 'room'], moderation));
    await world.startBridge();
    for (const moderator of [mona, otto]) {
      await moderator.waitForMembership(moderation, world.installation.bot, ['join']);
    }
  });

  test('a reply reports after a yes, with proof; the contact learns nothing, and the network which message it is', async () => {
    const { eventId, id } = await annaWrites('buy my pills');
    await anna.hasStatus(id, 'delivered');
    const before = await traffic();
    await alice.reply(portal, eventId, '!wa report unwanted advertising');
    const question = await notice('report-question', /moderators .*a text.*"Anna".*unwanted advertising/s);
    expect(question.body).toContain('WhatsApp is told which messages these are');
    expect(await said('pills')).toBe(0);
    await alice.reply(portal, question.eventId, 'yes');
    const report = await reportOf(mona, eventId);
    expect(report).toMatchObject({ encrypted: true, shield: noShield, sender: world.installation.bot });
    expect(factsOf(report)).toMatchObject({
      reporter: alice.userId,
      reason: 'unwanted advertising',
      room: portal,
      proof: 'valid',
      message: id,
    });
    expect(report.body).toMatch(/Reported by @alice:localhost.*"Anna", \+31 6 52000001.*Proof: valid/s);
    await mona.waitForMessage(moderation, ({ body }) =>
      /as the bridge received them:\n\nbuy my pills$/.test(body ?? ''),
    );
    expect(await reportOf(otto, eventId)).toMatchObject({ encrypted: true, shield: noShield });
    await alice.waitForMessage(botRoom, ({ body }) => /moderators of this server have it/.test(body ?? ''));
    await alice.waitForMessage(botRoom, ({ body }) => /WhatsApp has been told/.test(body ?? ''));
    expect(await anna.reports()).toMatchObject([{ by: alice.userId, messages: [{ id }] }]);
    expect(await traffic()).toBe(before);
    await alice.sendText(portal, 'after the report');
    await anna.received('after the report');
    const heard = (await anna.messages()).filter(({ direction }) => direction === 'in').map(({ text }) => text);
    expect(heard.filter((text) => /!wa|yes/.test(text ?? ''))).toEqual([]);
  });

  test('links report several at once: a file that moderators can open, and an edit beside what it replaced', async () => {
    const { eventId: edited, id } = await annaWrites('a nice word');
    await anna.refer(alice.userId, { type: 'edit', id, text: 'an ugly word' });
    await alice.waitForMessage(portal, ({ body }) => body === 'an ugly word');
    const content = Buffer.from('what is in the file');
    await anna.sendFile(alice.userId, { type: 'document', content, fileName: 'ugly.txt', mimetype: 'text/plain' });
    const { eventId: file } = await alice.waitForMessage(portal, ({ msgtype }) => msgtype === 'm.file');
    await ask(`report ${link(edited)} ${file} both of them`, /a text.*a file \("ugly.txt".*both of them/s);
    await ask('yes', /pass it on/);
    expect(factsOf(await reportOf(otto, file))).toMatchObject({ proof: 'valid' });
    expect(factsOf(await reportOf(otto, edited))).toMatchObject({ proof: 'valid' });
    const edit = await otto.waitForMessage(moderation, ({ body }) => /an edit of the message above/.test(body ?? ''));
    expect(factsOf(edit)).toMatchObject({ proof: 'valid' });
    for (const words of ['a nice word', 'an ugly word']) {
      await otto.waitForMessage(moderation, ({ body }) => body?.endsWith(`received them:\n\n${words}`) ?? false);
    }
    const passedOn = await otto.waitForMessage(moderation, ({ msgtype }) => msgtype === 'm.file');
    expect(await openFile(otto, passedOn.content.file)).toEqual(content);
  });

  test('what was not brought by the network for this chat is not believed', async () => {
    const { eventId, content } = await annaWrites('true words');
    expect(content[proofField]).toMatchObject({ payload_sha256: expect.any(String), tag: expect.any(String) });
    // The user's own, with everything that the real one has.
    const own = await alice.sendMessage(portal, { ...content, body: 'invented' } as never);
    const copy = await alice.sendMessage(portal, { ...content } as never);
    // The homeserver's, in the name of the ghost.
    const { as_token } = parse(await readFile(world.installation.registrationPath, 'utf8')) as { as_token: string };
    const ghost = (await alice.members(portal)).find(({ userId }) => userId.startsWith('@wa_'))?.userId ?? '';
    const path = `/_matrix/client/v3/rooms/${encodeURIComponent(portal)}/send/m.room.message/forged`;
    const forged = await fetch(`${alice.homeserverUrl}${path}?user_id=${encodeURIComponent(ghost)}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${as_token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ ...content, body: 'invented' }),
    });
    const { event_id: plain } = (await forged.json()) as { event_id: string };
    // A true one, said to stand in another chat.
    const { portal: another } = await world.chat(alice, '31652000002', 'Bob');
    await ask(`report ${link(own)}`, /message of your own/);
    await ask(`report ${copy}`, /message of your own/);
    await ask(`report ${link(plain)}`, /cannot read that/);
    await ask(`report ${link(eventId, another)}`, /cannot read that/);
    await ask(`report ${link(eventId, '!elsewhere:localhost')}`, /not in a chat of yours/);
    // Edited by somebody who has not written it.
    await alice.sendMessage(portal, {
      msgtype: 'm.text',
      body: '* never said',
      'm.new_content': { ...content, body: 'never said' },
      'm.relates_to': { rel_type: 'm.replace', event_id: eventId },
    } as never);
    await ask(`report ${link(eventId)}`, /a text/);
    await ask('yes', /pass it on/);
    expect(factsOf(await reportOf(mona, eventId))).toMatchObject({ proof: 'valid' });
    await mona.waitForMessage(moderation, ({ body }) => body?.endsWith('\n\ntrue words') ?? false);
    expect(await said('invented')).toBe(0);
    expect(await said('never said')).toBe(0);
  });

  test('notices are no messages, and what begins with "!wa" is never sent on', async () => {
    const label = await notice('label', /external chat/);
    await alice.reply(portal, label.eventId, '!wa report');
    await notice('command-answer', /notice of the bridge/);
    await alice.sendText(portal, '!WA something private');
    await notice('command-answer', /is for the bridge/);
    const slip = await alice.sendText(portal, 'a slip');
    await anna.received('a slip');
    await alice.sendMessage(portal, {
      msgtype: 'm.text',
      body: '* !wa report',
      'm.new_content': { msgtype: 'm.text', body: '!wa report him' },
      'm.relates_to': { rel_type: 'm.replace', event_id: slip },
    } as never);
    await alice.sendText(portal, 'after the slip');
    await anna.received('after the slip');
    expect((await anna.messages()).filter(({ text }) => /!wa/i.test(text ?? ''))).toEqual([]);
  });

  test('killed before it has the message, and again when the moderators have the first part: they get it once', async () => {
    const { eventId } = await annaWrites('a message and two deaths');
    await ask(`report ${link(eventId)}`, /a text/);
    const kill = () => world.bridge.kill();
    const fetched = homeserver.killAt('GET', inRoom(portal, '/event/'), kill);
    await alice.sendText(botRoom, 'yes');
    await fetched;
    const sent = homeserver.killAt('PUT', inRoom(moderation, '/send/m.room.encrypted/'), kill);
    world.spawnBridge();
    await sent;
    await world.startBridge();
    await reportOf(mona, eventId);
    // What comes after it is there when the whole of it is.
    const { eventId: next } = await annaWrites('and life goes on');
    await ask(`report ${link(next)}`, /a text/);
    await ask('yes', /pass it on/);
    await mona.waitForMessage(moderation, ({ body }) => body?.endsWith('and life goes on') ?? false);
    expect(await said('a message and two deaths')).toBe(1);
    expect((await mona.messages(moderation)).filter((seen) => factsOf(seen)?.event === eventId)).toHaveLength(1);
  });

  test('nothing of what was reported is left with the bridge', async () => {
    const canary = 'canary-51c0ffee77';
    const { eventId } = await annaWrites(canary);
    await ask(`report ${link(eventId)} ${canary}-reason`, /a text/);
    await ask('yes', /pass it on/);
    await mona.waitForMessage(moderation, ({ body }) => body?.endsWith(`\n\n${canary}`) ?? false);
    const done = ({ body }: { body: string | undefined }) => /WhatsApp has been told/.test(body ?? '');
    const told = async () => (await alice.messages(botRoom)).filter(done).length;
    await expect.poll(told, patience).toBe((await anna.reports()).length);
    const files = [...(await filesBelow(dirname(world.installation.configPath))), world.logPath];
    expect(await filesWith(files, [canary])).toEqual([]);
  });

  test('a room that cannot be used is said to be so, and a report that is under way waits for it', async () => {
    const { eventId } = await annaWrites('while nobody listens');
    await ask(`report ${link(eventId)}`, /a text/);
    await mona.client.kick(moderation, world.installation.bot);
    await ask('yes', /pass it on/);
    await ask(`report ${link(eventId)}`, /cannot be taken on this server at the moment/);
    const { lines } = await askDoctor(world.installation.configPath);
    expect(found(lines, 'moderation room')?.outcome).toBe('problem');
    const ready = await fetch(`${world.installation.publicUrl}/health/ready`);
    expect(await ready.json()).toMatchObject({ ready: true, warnings: ['moderation-room'] });
    await mona.client.invite(moderation, world.installation.bot);
    await reportOf(mona, eventId);
    // Whoever may send the bot away by that could keep everybody's reports from arriving.
    await ask(`subscribe ${moderation}`, /for talking/);
  });
});

const inRoom = (room: string, below: string) => new RegExp(`/rooms/${encodeURIComponent(room)}${below}`);
