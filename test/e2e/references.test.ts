// Messages about other messages: replies, reactions, edits and deletions between a Matrix user and a phone.
import { join } from 'node:path';
import Database from 'better-sqlite3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { PhoneMessage, SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { type Message, ProtocolMessage_Type } from '../../src/proto/message_pb.ts';
import { editWindowMs } from '../../src/translate/capabilities.ts';
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

/** Sends an edit of this event. */
const edit = (target: string, body: string) =>
  alice.client.sendEvent(
    portal,
    'm.room.message' as never,
    {
      msgtype: 'm.text',
      body: `* ${body}`,
      'm.new_content': { msgtype: 'm.text', body },
      'm.relates_to': { rel_type: 'm.replace', event_id: target },
    } as never,
  );

const relatesTo =
  (event: string) =>
  ({ content }: { content: Record<string, unknown> }) =>
    JSON.stringify(content['m.relates_to'] ?? null).includes(event);

/** The bridge's word, as a reply to this message. */
const noticeUnder = (event: string, words: RegExp) =>
  alice.waitForMessage(
    portal,
    (one) => one.msgtype === 'm.notice' && relatesTo(event)(one) && words.test(one.body ?? ''),
  );

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

describe('reactions', () => {
  const annotating =
    (event: string) =>
    ({ content }: { content: Record<string, unknown> }) =>
      (content['m.relates_to'] as { event_id?: string } | undefined)?.event_id === event;

  test('of the contact: one, replaced, taken back', async () => {
    const own = await alice.sendText(portal, 'like it?');
    const { id } = await anna.received('like it?');
    await anna.refer(alice.userId, { type: 'reaction', id, emoji: '👍' });
    const first = await alice.waitForMessage(portal, annotating(own));
    expect(first).toMatchObject({ type: 'm.reaction', content: { 'm.relates_to': { key: '👍' } } });
    await anna.refer(alice.userId, { type: 'reaction', id, emoji: '❤️' });
    const isSecond = annotating(own);
    const second = await alice.waitForMessage(
      portal,
      (one) => isSecond(one) && JSON.stringify(one.content).includes('❤️'),
    );
    await alice.waitForMessage(portal, ({ eventId, redacted }) => eventId === first.eventId && redacted);
    const last = await anna.refer(alice.userId, { type: 'reaction', id, emoji: '' });
    await alice.waitForMessage(portal, ({ eventId, redacted }) => eventId === second.eventId && redacted);
    await anna.hasStatus(last, 'delivered');
  });

  test('of the user: one, replaced, taken back; after a restart too', async () => {
    const about = (text: string) => (message: Message) => message.reactionMessage?.text === text;
    const first = await alice.react(portal, hello.event, '👍');
    const liked = await reaches(anna, about('👍'));
    expect(liked.reactionMessage?.key).toMatchObject({ id: hello.id, fromMe: false });
    const second = await alice.react(portal, hello.event, '🎉');
    await reaches(anna, about('🎉'));
    await world.bridge.kill();
    await world.startBridge();
    await alice.redact(portal, first);
    await alice.redact(portal, second);
    await reaches(anna, about(''));
    expect((await anna.messages()).filter((one) => one.direction === 'in' && about('')(contentOf(one)))).toHaveLength(
      1,
    );
  });

  test('that are no emoji, or about nothing known, are told', async () => {
    await alice.react(portal, hello.event, 'I think so');
    await noticeUnder(hello.event, /one emoji/);
    await anna.refer(alice.userId, { type: 'reaction', id: 'NEVERSEEN', emoji: '👍' });
    await alice.waitForMessage(portal, ({ body }) => /Anna reacted to a message .* not known/.test(body ?? ''));
  });
});

describe('edits', () => {
  test('of the contact replace the text', async () => {
    const id = await anna.send(alice.userId, 'tomorow');
    const { eventId } = await shown('tomorow');
    await anna.refer(alice.userId, { type: 'edit', id, text: 'tomorrow' });
    const edited = await alice.waitForMessage(
      portal,
      ({ body, eventId: one }) => body === 'tomorrow' && one === eventId,
    );
    expect(edited).toMatchObject({ msgtype: 'm.text', encrypted: true });
  });

  test('of the contact about the user’s words, or nothing known, are shown apart', async () => {
    await alice.sendText(portal, 'my words');
    const { id } = await anna.received('my words');
    await anna.refer(alice.userId, { type: 'edit', id, text: 'words in my mouth' });
    const apart = await alice.waitForMessage(portal, ({ body }) => body?.startsWith('words in my mouth') ?? false);
    expect(apart).toMatchObject({ msgtype: 'm.text', body: expect.stringContaining('Edited on WhatsApp') });
    expect((await alice.messages(portal)).map(({ body }) => body)).toContain('my words');
  });

  test('of the user replace the text, their own only', async () => {
    const event = await alice.sendText(portal, 'yesterdy');
    const { id } = await anna.received('yesterdy');
    await edit(event, 'yesterday');
    const edited = await reaches(anna, ({ protocolMessage }) => protocolMessage?.editedMessage !== undefined);
    expect(edited.protocolMessage).toMatchObject({
      type: ProtocolMessage_Type.MESSAGE_EDIT,
      key: { id, fromMe: true },
      editedMessage: { conversation: 'yesterday' },
    });
    await edit(hello.event, 'not mine');
    await noticeUnder(hello.event, /Your edit was not sent/);
  });

  test('of the user are refused aloud when WhatsApp takes them no more', async () => {
    const event = await alice.sendText(portal, 'long ago');
    await anna.received('long ago');
    await world.bridge.kill();
    const db = new Database(join(world.installation.configPath, '..', 'bridge.db'));
    const aged = db.prepare('update message_reference set sent_at = sent_at - ? where event = ?');
    expect(aged.run(editWindowMs + 1, event).changes).toBe(1);
    db.close();
    await world.startBridge();
    await edit(event, 'rewritten');
    await noticeUnder(event, /20 minutes/);
    await alice.sendText(portal, 'since then');
    await anna.received('since then');
    const edits = (await anna.messages()).map((one) => contentOf(one).protocolMessage?.editedMessage?.conversation);
    expect(edits).not.toContain('rewritten');
  });
});

describe('deletions', () => {
  test('of the contact redact, their own only', async () => {
    const id = await anna.send(alice.userId, 'a slip');
    const { eventId } = await shown('a slip');
    await anna.refer(alice.userId, { type: 'delete', id });
    await alice.waitForMessage(portal, (one) => one.eventId === eventId && one.redacted);
    const own = await alice.sendText(portal, 'to stay');
    const mine = await anna.received('to stay');
    await anna.refer(alice.userId, { type: 'delete', id: mine.id });
    await alice.waitForMessage(portal, ({ body }) => /Anna deleted a message .* not known/.test(body ?? ''));
    const kept = await alice.waitForMessage(portal, (one) => one.eventId === own);
    expect(kept).toMatchObject({ redacted: false, body: 'to stay' });
  });

  test('of the user revoke; of what never went out, nothing is claimed', async () => {
    const event = await alice.sendText(portal, 'too hasty');
    const { id } = await anna.received('too hasty');
    await alice.redact(portal, event);
    const revoked = await reaches(anna, ({ protocolMessage }) => protocolMessage?.key?.id === id);
    expect(revoked.protocolMessage).toMatchObject({ type: ProtocolMessage_Type.REVOKE, key: { fromMe: true } });
    const plain = await alice.sendUnencrypted(portal, { msgtype: 'm.text', body: 'in the plain' });
    await alice.redact(portal, plain);
    await noticeUnder(plain, /Nothing was deleted on WhatsApp/);
  });

  test('of the user before it could be sent keep it from being sent at all', async () => {
    const waiting = () => {
      const db = new Database(join(world.installation.configPath, '..', 'bridge.db'), { readonly: true });
      const count = db.prepare("select count(*) from outbox where state = 'ready'").pluck().get();
      db.close();
      return count;
    };
    await world.stopSandbox();
    const event = await alice.sendText(portal, 'while the network is away');
    await expect.poll(waiting, { timeout: 20_000 }).toBe(1);
    await alice.redact(portal, event);
    await expect.poll(waiting, { timeout: 20_000 }).toBe(0);
    await world.startSandbox();
    await alice.sendText(portal, 'now that it is back');
    await anna.received('now that it is back');
    const [before, last] = (await anna.messages()).filter(({ direction }) => direction === 'in').slice(-2);
    expect(last?.text).toBe('now that it is back');
    expect(before && contentOf(before).protocolMessage?.type).toBe(ProtocolMessage_Type.REVOKE);
    const about = (await alice.messages(portal)).filter(relatesTo(event));
    expect(about).toEqual([]);
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

  test('reacts, edits and deletes, and sees what the user does of the kind', async () => {
    const own = await alice.sendText(portal, 'for the client');
    const { key } = await client.waitForText('for the client');
    await client.send(user, { react: { key, text: '🎈' } });
    await alice.waitForMessage(portal, (one) => one.type === 'm.reaction' && relatesTo(own)(one));

    const id = await client.send(user, 'first versoin');
    const { eventId } = await shown('first versoin');
    const sentKey = { remoteJid: user, fromMe: true, id };
    await client.send(user, { text: 'first version', edit: sentKey });
    await alice.waitForMessage(portal, (one) => one.eventId === eventId && one.body === 'first version');
    await alice.react(portal, eventId, '👏');
    const clap = await client.waitForMessage(({ message }) => message?.reactionMessage?.text === '👏');
    expect(clap.message?.reactionMessage?.key).toMatchObject({ id, fromMe: true });

    await client.send(user, { delete: sentKey });
    await alice.waitForMessage(portal, (one) => one.eventId === eventId && one.redacted);
    await alice.redact(portal, own);
    const revoked = await client.waitForMessage(({ message }) => message?.protocolMessage?.key?.id === key.id);
    expect(revoked.message?.protocolMessage?.type).toBe(0);
  });
});
