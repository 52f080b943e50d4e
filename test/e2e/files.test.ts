// Files between a Matrix user and WhatsApp: every kind both ways, what happens to broken ones, and kills in the middle.
import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { MatrixUser } from '../../src/demo/matrix-user.ts';
import type { PhoneFile, PhoneMedia, PhoneMessage } from '../../src/demo/sandbox-messages.ts';
import type { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { openFile, sendFile } from '../support/matrix-files.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';
import { World } from '../support/world.ts';

let world: World;
let alice: MatrixUser;
let anna: SandboxPhone;
let portal: string;

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
/** The start of a file of that format; the rest is noise, which nobody decodes. */
const jpeg = (size: number): Buffer => Buffer.concat([Buffer.from('ffd8ffe000104a464946', 'hex'), randomBytes(size)]);
const webp = (size: number): Buffer =>
  Buffer.concat([Buffer.from('RIFF\0\0\0\0WEBPVP8 ', 'latin1'), randomBytes(size)]);

type Info = Readonly<Record<string, unknown>>;

/** What a phone sends, as Alice sees it, opened. */
async function shown(
  from: SandboxPhone,
  file: PhoneFile,
): Promise<{ event: Info; type: string; info: Info; bytes: Buffer }> {
  const seen = new Set((await alice.messages(portal)).map(({ eventId }) => eventId));
  await from.sendFile(alice.userId, file);
  const event = await alice.waitForMessage(
    portal,
    ({ eventId, sender }) => !seen.has(eventId) && sender !== alice.userId,
  );
  expect(event).toMatchObject({ encrypted: true, decryptionFailure: undefined, shield: { color: 'none' } });
  const { content, type } = event;
  return { event: content, type, info: content.info as Info, bytes: await openFile(alice, content.file) };
}

/** What Alice has sent, as a phone has it once the file has been fetched. */
async function arrived(
  on: SandboxPhone,
  accept: (media: PhoneMedia) => boolean,
): Promise<PhoneMessage & { media: PhoneMedia }> {
  const message = await on.waitForMessage(
    ({ direction, media }) => direction === 'in' && media !== undefined && accept(media),
  );
  const fetched = await on.fetched(message.id);
  if (fetched.media === undefined) throw new Error('the message has no file');
  expect(fetched.media.error).toBeUndefined();
  expect(fetched.media.state).toBe('verified');
  return { ...fetched, media: fetched.media };
}

const notice = (pattern: RegExp) =>
  alice.waitForMessage(portal, ({ msgtype, body }) => msgtype === 'm.notice' && pattern.test(body ?? ''));

beforeAll(async () => {
  world = await World.start({ overrides: { 'media.max_size_mb': 2 } });
  alice = await world.homeserver.login('alice', { strict: true });
  anna = await world.phone('31612345678', 'Anna');
  await world.optIn(alice);
  await anna.send(alice.userId, 'hello');
  portal = await world.joinPortal(alice);
  await alice.waitForMessage(portal, ({ body }) => body === 'hello');
});
afterAll(() => world?.stop());

describe('from a phone', () => {
  test('a picture with a caption, its size and its thumbnail', async () => {
    const content = jpeg(100_000);
    const thumbnail = jpeg(500);
    const { event, info, bytes } = await shown(anna, {
      type: 'image',
      content,
      mimetype: 'image/jpeg',
      caption: 'the *sea*',
      width: 640,
      height: 480,
      thumbnail,
    });
    expect(sha256(bytes)).toBe(sha256(content));
    expect(event).toMatchObject({ msgtype: 'm.image', body: 'the *sea*', formatted_body: 'the <strong>sea</strong>' });
    expect(event.filename).toMatch(/\.jpe?g$/);
    expect(info).toMatchObject({ mimetype: 'image/jpeg', w: 640, h: 480, size: content.length });
    expect(await openFile(alice, info.thumbnail_file)).toEqual(thumbnail);
  });

  test('a voice note keeps its duration and its shape', async () => {
    const waveform = Array.from({ length: 64 }, (_, index) => index);
    const { event, info, bytes } = await shown(anna, {
      type: 'voice',
      content: Buffer.from('OggS voice'),
      seconds: 7,
      waveform,
    });
    expect(bytes.toString()).toBe('OggS voice');
    expect(event).toMatchObject({ msgtype: 'm.audio', 'org.matrix.msc3245.voice': {} });
    expect(event['org.matrix.msc1767.audio']).toMatchObject({ duration: 7_000 });
    expect((event['org.matrix.msc1767.audio'] as Info).waveform).toHaveLength(64);
    expect(info).toMatchObject({ duration: 7_000 });
  });

  test.each<[string, PhoneFile, string]>([
    ['music', { type: 'audio', content: randomBytes(1_000), mimetype: 'audio/mpeg', seconds: 3 }, 'm.audio'],
    [
      'a video',
      { type: 'video', content: randomBytes(50_000), mimetype: 'video/mp4', seconds: 2, width: 320, height: 240 },
      'm.video',
    ],
    ['a moving picture', { type: 'gif', content: randomBytes(2_000), mimetype: 'video/mp4' }, 'm.video'],
    ['a video note', { type: 'video-note', content: randomBytes(2_000), mimetype: 'video/mp4' }, 'm.video'],
    [
      'a document',
      { type: 'document', content: randomBytes(3_000), mimetype: 'application/pdf', fileName: 'plan.pdf' },
      'm.file',
    ],
    [
      'an empty file',
      { type: 'document', content: new Uint8Array(), mimetype: 'text/plain', fileName: 'empty.txt' },
      'm.file',
    ],
  ])('%s', async (_, file, msgtype) => {
    const { event, info, bytes } = await shown(anna, file);
    expect(sha256(bytes)).toBe(sha256(file.content as Uint8Array));
    expect(event).toMatchObject({ msgtype, ...(file.fileName ? { body: file.fileName } : {}) });
    expect(info).toMatchObject({ size: file.content.length, mimetype: file.mimetype });
  });

  test('a sticker', async () => {
    const content = webp(2_000);
    const { type, bytes } = await shown(anna, {
      type: 'sticker',
      content,
      mimetype: 'image/webp',
      width: 512,
      height: 512,
    });
    expect(type).toBe('m.sticker');
    expect(bytes).toEqual(content);
  });

  test('a reply with a picture names what it answers', async () => {
    const own = await alice.sendText(portal, 'how does it look?');
    const { id } = await anna.received('how does it look?');
    const content = jpeg(5_000);
    const { event, info, bytes } = await shown(anna, {
      type: 'image',
      content,
      mimetype: 'image/jpeg',
      reply: id,
    });
    expect(event['m.relates_to']).toEqual({ 'm.in_reply_to': { event_id: own } });
    expect(info.size).toBe(content.length);
    expect(sha256(bytes)).toBe(sha256(content));
  });

  test.each(['hash', 'encrypted-hash', 'mac', 'size'] as const)(
    'a file whose %s does not fit is a notice and no file',
    async (forge) => {
      const before = (await alice.messages(portal)).length;
      await anna.sendFile(alice.userId, { type: 'image', content: jpeg(40_000), mimetype: 'image/jpeg', forge });
      await anna.send(alice.userId, `after ${forge}`);
      await alice.waitForMessage(portal, ({ body }) => body === `after ${forge}`);
      const [told, after, ...rest] = (await alice.messages(portal)).slice(before);
      expect(told).toMatchObject({ msgtype: 'm.notice', body: expect.stringMatching(/did not arrive intact/) });
      expect(after).toMatchObject({ body: `after ${forge}` });
      expect(rest).toEqual([]);
    },
  );

  test('a file that the network has dropped is asked for again and comes', async () => {
    const content = jpeg(30_000);
    const { bytes } = await shown(anna, { type: 'image', content, mimetype: 'image/jpeg', fault: { fault: 'drop' } });
    expect(sha256(bytes)).toBe(sha256(content));
  });

  test('a transfer that breaks is resumed', async () => {
    const content = jpeg(300_000);
    const { bytes } = await shown(anna, {
      type: 'image',
      content,
      mimetype: 'image/jpeg',
      fault: { fault: 'cut', afterBytes: 150_000 },
    });
    expect(sha256(bytes)).toBe(sha256(content));
  });

  test('too large says how large, and what the limit is; the chat goes on', async () => {
    await anna.sendFile(alice.userId, { type: 'video', content: randomBytes(3_000_000), mimetype: 'video/mp4' });
    await anna.send(alice.userId, 'smaller next time');
    await notice(/2\.9 MB.*2 MB/s);
    await alice.waitForMessage(portal, ({ body }) => body === 'smaller next time');
  });
});

describe('from Matrix', () => {
  test('a picture with a caption and a thumbnail', async () => {
    const bytes = jpeg(80_000);
    await sendFile(alice, portal, bytes, {
      msgtype: 'm.image',
      body: 'our garden',
      filename: 'garden.jpg',
      info: { mimetype: 'image/jpeg', w: 800, h: 600 },
    });
    const { media } = await arrived(anna, ({ caption }) => caption === 'our garden');
    expect(media).toMatchObject({
      kind: 'image',
      mimetype: 'image/jpeg',
      sha256: sha256(bytes),
      width: 800,
      height: 600,
    });
  });

  test('a voice note', async () => {
    const bytes = Buffer.from('OggS spoken');
    await sendFile(alice, portal, bytes, {
      msgtype: 'm.audio',
      body: 'Voice message.ogg',
      info: { mimetype: 'audio/ogg' },
      'org.matrix.msc1767.audio': { duration: 5_000, waveform: [0, 512, 1024] },
      'org.matrix.msc3245.voice': {},
    });
    const { media } = await arrived(anna, ({ voice }) => voice === true);
    expect(media).toMatchObject({ kind: 'audio', seconds: 5, sha256: sha256(bytes) });
    expect(media.waveform).toHaveLength(64);
  });

  test.each([
    ['m.audio', 'audio/mpeg', 'song.mp3', 'audio'],
    ['m.video', 'video/mp4', 'film.mp4', 'video'],
    ['m.file', 'application/pdf', 'plan.pdf', 'document'],
    ['m.image', 'image/gif', 'dance.gif', 'document'],
  ])('%s of %s', async (msgtype, mimetype, name, kind) => {
    const bytes = randomBytes(70_000);
    await sendFile(alice, portal, bytes, { msgtype, body: name, info: { mimetype } });
    const { media } = await arrived(anna, (one) => one.sha256 === sha256(bytes));
    expect(media).toMatchObject({ kind, mimetype });
  });

  test('a file in the clear is refused, with the reason on the message', async () => {
    await alice.client.sendEvent(
      portal,
      'm.room.message' as never,
      { msgtype: 'm.image', body: 'open.jpg', url: 'mxc://localhost/abc', info: { mimetype: 'image/jpeg' } } as never,
    );
    await notice(/unencrypted|not encrypted/i);
  });

  test('too large says how large, and what the limit is; the chat goes on', async () => {
    await sendFile(alice, portal, randomBytes(3_000_000), { msgtype: 'm.file', body: 'large.bin' });
    await alice.sendText(portal, 'that was too much');
    await anna.received('that was too much');
    await notice(/2\.9 MB.*2 MB/s);
  });

  test('a file is not offered any longer once its message is deleted', async () => {
    const bytes = randomBytes(20_000);
    const event = await sendFile(alice, portal, bytes, { msgtype: 'm.file', body: 'secret.txt' });
    const { raw } = await arrived(anna, (one) => one.sha256 === sha256(bytes));
    const url = /https?:\/\/[^\s"]+\/media\/[\w-]+/.exec(Buffer.from(raw, 'base64').toString('latin1'))?.[0] ?? '';
    expect((await fetch(url)).status).toBe(200);
    await alice.redact(portal, event);
    await anna.waitForMessage(({ direction, type }) => direction === 'in' && type === 'protocolMessage');
    expect((await fetch(url)).status).toBe(404);
  });
});

test('killed in the middle: files come once and in order, both ways', async () => {
  const sent = Array.from({ length: 4 }, () => jpeg(200_000));
  const received = Array.from({ length: 4 }, () => jpeg(200_000));
  const before = new Set((await alice.messages(portal)).map(({ eventId }) => eventId));
  for (const [index, content] of received.entries()) {
    await anna.sendFile(alice.userId, { type: 'image', content, mimetype: 'image/jpeg', caption: `in ${index}` });
  }
  for (const [index, bytes] of sent.entries()) {
    await sendFile(alice, portal, bytes, {
      msgtype: 'm.image',
      body: `out ${index}`,
      filename: 'a.jpg',
      info: { mimetype: 'image/jpeg' },
    });
    if (index === 1) {
      await world.bridge.kill();
      await world.startBridge();
    }
  }
  await alice.waitForMessage(portal, ({ body }) => body === 'in 3');
  await arrived(anna, ({ caption }) => caption === 'out 3');
  const shownNow = (await alice.messages(portal)).filter(
    ({ eventId, sender }) => !before.has(eventId) && sender !== alice.userId,
  );
  expect(shownNow.map(({ body }) => body)).toEqual(received.map((_, index) => `in ${index}`));
  const opened = await Promise.all(shownNow.map(({ content }) => openFile(alice, content.file)));
  expect(opened.map(sha256)).toEqual(received.map(sha256));
  const onPhone = (await anna.messages()).filter(
    ({ direction, media }) => direction === 'in' && /^out \d/.test(media?.caption ?? ''),
  );
  expect(onPhone.map(({ media }) => media?.sha256)).toEqual(sent.map(sha256));
});

describe('an unmodified client', () => {
  let client: WhatsAppClient;
  let contact: SandboxPhone;

  beforeAll(async () => {
    contact = await world.phone('31612345679', 'Ben');
    client = await WhatsAppClient.link(world.sandbox, contact);
  });
  afterAll(() => client?.dispose());

  test('sends files of every kind, and opens what it gets', async () => {
    const picture = jpeg(60_000);
    const directory = await contact
      .call('GET', `/accounts/${encodeURIComponent(alice.userId)}/traffic`)
      .catch(() => undefined);
    expect(directory === undefined || typeof directory === 'object').toBe(true);
    await contact.send(alice.userId, 'hi from Ben');
    const invite = await alice.waitForInvite(({ inviter }) => inviter?.startsWith('@wa_') ?? false);
    await alice.join(invite.roomId);
    const room = invite.roomId;
    await alice.waitForMessage(room, ({ body }) => body === 'hi from Ben');
    await alice.sendText(room, 'hi Ben');
    const { key } = await client.waitForText('hi Ben');
    const to = key.remoteJid ?? '';
    await client.send(to, { image: picture, caption: 'from Baileys' });
    const event = await alice.waitForMessage(room, ({ body }) => body === 'from Baileys');
    expect(await openFile(alice, event.content.file)).toEqual(picture);
    await client.send(to, {
      audio: Buffer.from('OggS note'),
      ptt: true,
      mimetype: 'audio/ogg; codecs=opus',
      seconds: 4,
    });
    const note = await alice.waitForMessage(room, ({ msgtype }) => msgtype === 'm.audio');
    expect(note.content).toHaveProperty(['org.matrix.msc3245.voice']);
    await client.send(to, { document: Buffer.from('%PDF-1'), mimetype: 'application/pdf', fileName: 'a.pdf' });
    const document = await alice.waitForMessage(room, ({ msgtype }) => msgtype === 'm.file');
    expect((await openFile(alice, document.content.file)).toString()).toBe('%PDF-1');

    const back = jpeg(90_000);
    await sendFile(alice, room, back, {
      msgtype: 'm.image',
      body: 'to Baileys',
      filename: 'b.jpg',
      info: { mimetype: 'image/jpeg' },
    });
    const message = await client.waitForMessage((one) => one.message?.imageMessage?.caption === 'to Baileys');
    expect(sha256(await client.download(message))).toBe(sha256(back));
  });
});
