// Messages about other messages: replies, reactions, edits and deletions between a Matrix user and a phone.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { PhoneMessage, SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import type { Message } from '../../src/proto/message_pb.ts';
import { parseMessage } from '../../src/translate/to-matrix.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let anna: SandboxPhone;
let portal: string;
let hello: { readonly id: string; readonly event: string };

const contentOf = ({ raw }: PhoneMessage): Message => parseMessage(Buffer.from(raw, 'base64'));

/** What the phone receives next that `accept` likes. */
async function reaches(phone: SandboxPhone, accept: (message: Message) => boolean): Promise<Message> {
  const found = await phone.waitForMessage((one) => one.direction === 'in' && accept(contentOf(one)));
  return contentOf(found);
}

const shown = (text: string) => alice.waitForMessage(portal, ({ body }) => body === text);

beforeAll(async () => {
  world = await World.start();
  alice = await world.homeserver.login('alice', { strict: true });
  anna = await world.phone('31612345678', 'Anna');
  await world.optIn(alice);
  const id = await anna.send(alice.userId, 'hello');
  portal = await world.joinPortal(alice);
  hello = { id, event: (await shown('hello')).eventId };
});
afterAll(() => world?.stop());

describe('replies', () => {
  test('of the contact name the event, of the user and of the contact', async () => {
    const own = await alice.sendText(portal, 'a question');
    const { id } = await anna.received('a question');
    await anna.refer(alice.userId, { type: 'reply', id, text: 'the answer' });
    const answer = await shown('the answer');
    expect(answer.content['m.relates_to']).toEqual({ 'm.in_reply_to': { event_id: own } });
    expect(answer).toMatchObject({ msgtype: 'm.text', encrypted: true, shield: { color: 'none' } });
    await anna.refer(alice.userId, { type: 'reply', id: hello.id, text: 'to myself' });
    expect((await shown('to myself')).content['m.relates_to']).toEqual({ 'm.in_reply_to': { event_id: hello.event } });
  });

  test('of the user name the message and quote its words, also after a restart of the bridge', async () => {
    const own = await alice.sendText(portal, 'my own words');
    const { id } = await anna.received('my own words');
    await world.bridge.kill();
    await world.startBridge();
    await alice.reply(portal, hello.event, 'hello you');
    const reply = await reaches(anna, ({ extendedTextMessage }) => extendedTextMessage?.text === 'hello you');
    const { lid } = (await anna.call('GET', `/phones/${anna.number}`)) as { lid: string };
    expect(reply.extendedTextMessage?.contextInfo).toMatchObject({
      stanzaId: hello.id,
      participant: lid,
      quotedMessage: { conversation: 'hello' },
    });
    await alice.reply(portal, own, 'I mean it');
    const again = await reaches(anna, ({ extendedTextMessage }) => extendedTextMessage?.text === 'I mean it');
    expect(again.extendedTextMessage?.contextInfo).toMatchObject({
      stanzaId: id,
      quotedMessage: { conversation: 'my own words' },
    });
    expect(again.extendedTextMessage?.contextInfo?.participant).not.toBe(lid);
  });

  test('to what is not known quote in the text', async () => {
    await anna.refer(alice.userId, { type: 'reply', id: 'NEVERSEEN', text: 'to nothing' });
    const quoting = await alice.waitForMessage(portal, ({ body }) => body?.endsWith('to nothing') ?? false);
    expect(quoting.body).toBe('> something earlier\n\nto nothing');
    expect(quoting.content['m.relates_to']).toBeUndefined();
    await alice.reply(portal, '$never-was-here', 'to nobody');
    await anna.received('to nobody');
    await alice.reply(portal, '../../etc', 'to a path');
    await anna.received('to a path');
  });

  test('to a notice stay with the bridge', async () => {
    const notice = await alice.waitForMessage(portal, ({ msgtype }) => msgtype === 'm.notice');
    await alice.reply(portal, notice.eventId, 'only for the bridge');
    await alice.waitForMessage(portal, ({ body }) => /replies to notices go to the bridge/.test(body ?? ''));
    await alice.sendText(portal, 'for Anna');
    await anna.received('for Anna');
    expect((await anna.messages()).map(({ text }) => text)).not.toContain('only for the bridge');
  });
});

describe('an unmodified client', () => {
  let client: WhatsAppClient;
  let user: string;

  beforeAll(async () => {
    client = await WhatsAppClient.link(world.sandbox, anna);
    await alice.sendText(portal, 'hello client');
    user = (await client.waitForText('hello client')).key.remoteJid ?? '';
  });
  afterAll(() => client?.dispose());

  test('replies and is replied to', async () => {
    const own = await alice.sendText(portal, 'do you read me?');
    const quoted = await client.waitForText('do you read me?');
    const id = await client.socket.sendMessage(user, { text: 'loud and clear' }, { quoted });
    const answer = await shown('loud and clear');
    expect(answer.content['m.relates_to']).toEqual({ 'm.in_reply_to': { event_id: own } });
    await alice.reply(portal, answer.eventId, 'good');
    const good = await client.waitForText('good');
    expect(good.message?.extendedTextMessage?.contextInfo).toMatchObject({
      stanzaId: id?.key.id,
      participant: client.lid,
      quotedMessage: { conversation: 'loud and clear' },
    });
  });
});
