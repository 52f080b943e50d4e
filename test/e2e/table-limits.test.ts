// Where the capability table has limits: long texts and what is done to them, words under files, replies to files, room for files.
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser, Message } from '../../src/demo/matrix-user.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { capabilities, longestText } from '../../src/translate/capabilities.ts';
import { sendFile, uploadEncrypted } from '../support/matrix-files.ts';
import { picture } from '../support/table/proofs.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let botRoom: string;
let anna: SandboxPhone;
let client: WhatsAppClient;
/** Alice, as Anna's client knows her. */
let user: string;
let portal: string;

const words = (count: number, word: string): string => word.repeat(Math.ceil(count / word.length)).slice(0, count);
const shown = (text: string) => alice.waitForMessage(portal, ({ body }) => body === text);
const own = (id: string) => ({ remoteJid: user, fromMe: true, id });

/** Sends as Anna's client and returns what it has become in the room, once it is there. */
async function events(send: () => Promise<unknown>): Promise<Message[]> {
  const before = new Set((await alice.messages(portal)).map(({ eventId }) => eventId));
  await send();
  const end = `after ${before.size} events`;
  await client.send(user, end);
  await shown(end);
  const now = (await alice.messages(portal)).filter(({ eventId }) => !before.has(eventId));
  return now.filter(({ body, sender }) => body !== end && sender !== alice.userId);
}

const noticeUnder = (event: string, pattern: RegExp) =>
  alice.waitForMessage(
    portal,
    ({ msgtype, body, content }) =>
      msgtype === 'm.notice' &&
      JSON.stringify(content['m.relates_to'] ?? null).includes(event) &&
      pattern.test(body ?? ''),
  );

beforeAll(async () => {
  world = await World.start({ overrides: { 'media.max_size_mb': 2, 'media.quota_mb': 3 }, uploadLimit: 2 ** 20 });
  alice = await world.homeserver.login('alice', { strict: true });
  anna = await world.phone('31612345678', 'Anna');
  client = await WhatsAppClient.link(world.sandbox, anna);
  botRoom = await world.optIn(alice);
  await anna.send(alice.userId, 'hello');
  portal = await world.joinPortal(alice);
  await shown('hello');
  await alice.sendText(portal, 'hello Anna');
  user = (await client.waitForText('hello Anna')).key.remoteJid ?? '';
});
afterAll(async () => {
  await client?.dispose();
  await world?.stop();
});

test('the first notice of a chat and the bot’s help name what the table carries', async () => {
  const help = await world.ask(alice, botRoom, 'help', /opt-in/);
  const label = await alice.waitForMessage(portal, ({ body }) => /external chat/.test(body ?? ''));
  const rows = Object.entries(capabilities.whatsapp).filter(([, { kind }]) => kind === 'message');
  for (const { body } of [help, label]) {
    const [, there = '', here = ''] =
      /Works to WhatsApp: (.*)\. From WhatsApp: (.*)\. For any other/.exec(body ?? '') ?? [];
    for (const [words, direction] of [
      [there, 'to-whatsapp'],
      [here, 'to-matrix'],
    ] as const) {
      const named = rows.filter(([, { noun }]) => words.split(/, |; |: /).includes(noun)).map(([row]) => row);
      const carried = rows.filter(([, row]) => (row[direction]?.support ?? 'refused') !== 'refused');
      expect(named).toEqual(carried.map(([row]) => row));
    }
  }
});

describe('the longest text', () => {
  const text = words(longestText, 'This is a sentence of a long text. ');
  const changed = words(longestText, 'It now says something else. ');
  const event = async (id: string) => alice.waitForMessage(portal, ({ eventId }) => eventId === id);
  let id: string;
  let parts: Message[];

  test('of a contact comes in several events, in order', async () => {
    parts = await events(async () => {
      id = await client.send(user, text);
    });
    expect(parts.length).toBeGreaterThan(1);
    expect(parts.map(({ body }) => body).join('')).toBe(text);
  });

  test('is answered and reacted to as one, at any of its parts', async () => {
    const last = parts.at(-1)?.eventId ?? '';
    await alice.reply(portal, last, 'all of it?');
    const reply = await client.waitForText('all of it?');
    expect(reply.message?.extendedTextMessage?.contextInfo).toMatchObject({ stanzaId: id });
    await alice.react(portal, last, '📜');
    const reaction = await client.waitForMessage(({ message }) => message?.reactionMessage?.text === '📜');
    expect(reaction.message?.reactionMessage?.key).toMatchObject({ id, fromMe: true });
  });

  test('is changed as one, and back', async () => {
    const now = async () => Promise.all(parts.map(async ({ eventId }) => (await event(eventId)).body));
    await events(() => client.send(user, { text: 'short', edit: own(id) }));
    const [first, ...others] = await now();
    expect(first).toBe('short');
    for (const body of others) expect(body).toMatch(/gone: an edit on WhatsApp has made it shorter/);
    await events(() => client.send(user, { text: changed, edit: own(id) }));
    expect((await now()).join('')).toBe(changed);
  });

  test('is deleted as one', async () => {
    await events(() => client.send(user, { delete: own(id) }));
    for (const { eventId } of parts) expect(await event(eventId)).toMatchObject({ redacted: true });
  });

  test('that fits into an event of a Matrix user reaches the contact whole', async () => {
    const longest = words(45_000, 'Ein langer Text. ');
    await alice.sendText(portal, longest);
    await anna.received(longest);
    await client.waitForText(longest);
  });
});

test('markup that tries to be more than that is text on both sides', async () => {
  const hostile = '*_~`</code><img src=x onerror=alert(1)>`~_* <a href="javascript:x">*b*</a> &lt;b&gt; ```</pre>';
  const [event] = await events(() => client.send(user, hostile));
  expect(event?.body).toBe(hostile);
  expect(String(event?.content.formatted_body)).not.toMatch(/<(?!\/?(?:strong|em|del|code|pre|br)\b)/);
  const html = `${'<b><i>'.repeat(200)}deep${'</i></b>'.repeat(200)}<style>x{}</style><img src="mxc://a/b" alt=" cat"><blockquote><ul><li>in`;
  await alice.sendMessage(portal, {
    msgtype: 'm.text',
    body: 'deep',
    format: 'org.matrix.custom.html',
    formatted_body: html,
  } as never);
  const { text } = await anna.waitForMessage(({ direction, text }) => direction === 'in' && /deep/.test(text ?? ''));
  expect(text).toBe('*_deep_* cat\n> - in');
});

describe('words under a picture', () => {
  test('change with an edit of the contact, however their client writes it', async () => {
    const sent = await events(() =>
      client.send(user, { image: picture('jpeg', 900), caption: 'first', jpegThumbnail: '' }),
    );
    const [{ eventId, content }] = sent as [Message];
    const message = client.messages.findLast((one) => one.message?.imageMessage?.caption === 'first');
    const edit = own(message?.key.id ?? '');
    for (const [caption, how] of [
      ['second', { text: 'second' }],
      ['third', { image: picture('jpeg', 900), caption: 'third', jpegThumbnail: '' }],
    ] as const) {
      await client.send(user, { ...how, edit });
      const now = await alice.waitForMessage(portal, (one) => one.eventId === eventId && one.body === caption);
      expect(now.content).toMatchObject({ msgtype: 'm.image', file: content.file, filename: content.filename });
    }
    await alice.reply(portal, eventId, 'third time lucky');
    const reply = await client.waitForText('third time lucky');
    expect(reply.message?.extendedTextMessage?.contextInfo?.quotedMessage).toMatchObject({ conversation: 'third' });
  });

  test('change with an edit of the Matrix user; the picture itself does not', async () => {
    const file = await uploadEncrypted(alice, picture('jpeg', 901));
    const content = { msgtype: 'm.image', filename: 'a.jpg', info: { mimetype: 'image/jpeg' }, file };
    const send = async (more: Record<string, unknown>) =>
      (await alice.client.sendEvent(portal, 'm.room.message' as never, { ...content, ...more } as never)).event_id;
    const event = await send({ body: 'old words' });
    const { key } = await client.waitForMessage(({ message }) => message?.imageMessage?.caption === 'old words');
    const relation = { rel_type: 'm.replace', event_id: event };
    await send({ body: '* new', 'm.new_content': { ...content, body: 'new words' }, 'm.relates_to': relation });
    const edited = await client.waitForMessage(({ message }) => message?.protocolMessage?.key?.id === key.id);
    expect(edited.message?.protocolMessage).toMatchObject({
      editedMessage: { imageMessage: { caption: 'new words' } },
    });
    const other = { ...content, body: 'b', file: await uploadEncrypted(alice, picture('jpeg', 902)) };
    await send({ ...other, 'm.new_content': other, 'm.relates_to': relation });
    await noticeUnder(event, /not the file itself.*Delete it/);
  });
});

test('pictures are answered both ways, also those from before a restart', async () => {
  const [theirs] = await events(() =>
    client.send(user, { image: picture('jpeg', 800), caption: 'mine', jpegThumbnail: '' }),
  );
  const event = await sendFile(alice, portal, picture('jpeg', 801), {
    msgtype: 'm.image',
    body: 'yours',
    filename: 'a.jpg',
    info: { mimetype: 'image/jpeg' },
  });
  const quoted = await client.waitForMessage(({ message }) => message?.imageMessage?.caption === 'yours');
  await world.bridge.kill();
  await world.startBridge();
  await client.socket.sendMessage(user, { text: 'a fine one' }, { quoted });
  expect((await shown('a fine one')).content['m.relates_to']).toEqual({ 'm.in_reply_to': { event_id: event } });
  await alice.reply(portal, theirs?.eventId ?? '', 'yours too');
  const reply = await client.waitForText('yours too');
  const answered = client.messages.find(({ message }) => message?.imageMessage?.caption === 'mine');
  expect(reply.message?.extendedTextMessage?.contextInfo).toMatchObject({
    stanzaId: answered?.key.id,
    participant: client.lid,
    quotedMessage: { conversation: 'mine' },
  });
});

describe('files', () => {
  test('larger than the homeserver takes are told of, with its limit, which is below ours', async () => {
    await anna.sendFile(alice.userId, { type: 'document', content: Buffer.alloc(1_500_000), fileName: 'a.bin' });
    await alice.waitForMessage(portal, ({ body }) =>
      /it is 1\.5 MB; this server takes files up to 1 MB/.test(body ?? ''),
    );
  });

  test('that are gone from the homeserver, or were never whole, are told of under them, and hold nothing up', async () => {
    const file = await uploadEncrypted(alice, picture('jpeg', 700));
    const send = async (type: string, content: Record<string, unknown>) =>
      (await alice.client.sendEvent(portal, type as never, content as never)).event_id;
    const gone = await send('m.sticker', {
      body: 'gone',
      url: 'mxc://localhost/gone',
      info: { mimetype: 'image/webp' },
    });
    const broken = await send('m.room.message', {
      msgtype: 'm.file',
      body: 'a.bin',
      file: { ...file, hashes: { sha256: 'A'.repeat(43) } },
    });
    await alice.sendText(portal, 'after broken files');
    await anna.received('after broken files');
    await noticeUnder(gone, /not on your homeserver any more\. Send it again/);
    await noticeUnder(broken, /did not arrive intact\. Send it again/);
  });

  test('for which the bridge has no room are told of under them, and hold nothing up', async () => {
    const content = { msgtype: 'm.file', body: 'large.bin' };
    let event = '';
    for (let sent = 0; sent < 4; sent += 1)
      event = await sendFile(alice, portal, Buffer.alloc(950_000, `${sent}`), content);
    await alice.sendText(portal, 'after the flood');
    await anna.received('after the flood');
    await noticeUnder(
      event,
      /Not delivered\. This server has no room for more files at the moment\. Send it again later/,
    );
  });
});
