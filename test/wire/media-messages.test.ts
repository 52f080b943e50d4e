// Messages that describe files, written and read by an independent client's library.
import { createHash } from 'node:crypto';
import { readFile, unlink } from 'node:fs/promises';
import {
  type AnyMessageContent,
  type MediaType as BaileysMediaType,
  downloadMediaMessage,
  encryptedStream,
  generateWAMessageContent,
  normalizeMessageContent,
  proto,
} from '@whiskeysockets/baileys';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { JsonObject } from '../../src/model/journal.ts';
import type { MatrixFile } from '../../src/model/media.ts';
import type { Quoted } from '../../src/model/reference.ts';
import { capabilities } from '../../src/translate/capabilities.ts';
import { writeMatrixFile } from '../../src/translate/media/matrix-file.ts';
import type { FileToMatrix } from '../../src/translate/media/types.ts';
import { stanzaKind } from '../../src/translate/references.ts';
import { parseMessage, toMatrix } from '../../src/translate/to-matrix.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';

const hex = (value: Uint8Array | null | undefined): string => Buffer.from(value ?? []).toString('hex');
const sha256 = (value: Uint8Array): string => createHash('sha256').update(value).digest('hex');
const bytes = Buffer.from('the bytes of a file, whatever it is');
const jpeg = Buffer.from('ffd8ffe000104a464946', 'hex');

const matrixFile: MatrixFile = {
  url: 'mxc://example.org/abc',
  key: new Uint8Array(32).fill(1),
  iv: new Uint8Array(16).fill(2),
  encryptedSha256: new Uint8Array(32).fill(3),
};

const silent = { level: 'silent', child: () => silent, trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** What Baileys would send, and what it uploads for it. */
async function fromBaileys(content: AnyMessageContent): Promise<{ message: proto.IMessage; uploaded: Buffer }> {
  let uploaded = Buffer.alloc(0);
  const upload = async (path: string) => {
    uploaded = await readFile(path);
    return { mediaUrl: 'https://mmg.whatsapp.net/v/t62/1?ccb=1', directPath: '/v/t62/1?ccb=1' };
  };
  const message = await generateWAMessageContent(content, { upload: upload as never, logger: silent });
  return { message, uploaded };
}

const read = (message: proto.IMessage) => toMatrix(parseMessage(proto.Message.encode(message).finish()));

function file(message: proto.IMessage): FileToMatrix {
  const result = read(message);
  if (result.kind !== 'media') throw new Error(JSON.stringify(result));
  return result;
}

const shown = (media: FileToMatrix) =>
  media.describe({
    file: matrixFile,
    size: bytes.length,
    ...(media.thumbnail === undefined ? {} : { thumbnail: matrixFile }),
  });

describe('files that an independent client sends', () => {
  const waveform = Uint8Array.from({ length: 64 }, (_, index) => index);
  const sent: Record<string, { content: AnyMessageContent; kind: string; event: JsonObject }> = {
    image: {
      content: {
        image: bytes,
        caption: 'a *b*',
        mimetype: 'image/png',
        width: 4,
        height: 3,
        jpegThumbnail: jpeg as never,
      },
      kind: 'image',
      event: {
        msgtype: 'm.image',
        body: 'a *b*',
        formatted_body: 'a <strong>b</strong>',
        filename: 'image.png',
        info: {
          mimetype: 'image/png',
          size: bytes.length,
          w: 4,
          h: 3,
          thumbnail_file: writeMatrixFile(matrixFile),
          thumbnail_info: { mimetype: 'image/jpeg', size: jpeg.length },
        },
      },
    },
    gif: {
      content: { video: bytes, gifPlayback: true, jpegThumbnail: '', width: 4, height: 3 },
      kind: 'video',
      event: {
        msgtype: 'm.video',
        body: 'video.mp4',
        info: { mimetype: 'video/mp4', 'fi.mau.gif': true, 'fi.mau.loop': true, 'fi.mau.no_audio': true, w: 4 },
      },
    },
    'video note': {
      content: { video: bytes, ptv: true } as AnyMessageContent,
      kind: 'video',
      event: { msgtype: 'm.video', filename: 'video.mp4', info: { mimetype: 'video/mp4' } },
    },
    'voice note': {
      content: { audio: bytes, ptt: true, seconds: 2, waveform } as AnyMessageContent,
      kind: 'audio',
      event: {
        msgtype: 'm.audio',
        body: 'voice-message.ogg',
        filename: 'voice-message.ogg',
        info: { mimetype: 'audio/ogg', duration: 2000 },
        'org.matrix.msc3245.voice': {},
        'org.matrix.msc1767.audio': {
          duration: 2000,
          waveform: Array.from(waveform, (value) => Math.round(value * 10.24)),
        },
      },
    },
    audio: {
      content: { audio: bytes, mimetype: 'audio/mp4', seconds: 2 },
      kind: 'audio',
      event: { msgtype: 'm.audio', filename: 'audio.m4a', info: { mimetype: 'audio/mp4', duration: 2000 } },
    },
    document: {
      content: { document: bytes, mimetype: 'application/pdf', fileName: 'C:\\Bills\\May.pdf', caption: 'the bill' },
      kind: 'document',
      event: { msgtype: 'm.file', body: 'the bill', filename: 'May.pdf', info: { mimetype: 'application/pdf' } },
    },
    'view-once picture': {
      content: { image: bytes, viewOnce: true, jpegThumbnail: '' },
      kind: 'image',
      event: { msgtype: 'm.image', body: 'image.jpg' },
    },
  };

  it.each(Object.keys(sent))('%s', async (name) => {
    const { content, kind, event } = sent[name] ?? { content: { text: '' }, kind: '', event: {} };
    const { message, uploaded } = await fromBaileys(content);
    const media = file(message);
    expect(media.file).toMatchObject({ kind, directPath: '/v/t62/1?ccb=1', size: bytes.length });
    expect(hex(media.file.encryptedSha256)).toBe(sha256(uploaded));
    expect(hex(media.file.sha256)).toBe(sha256(bytes));
    expect(media.file.mediaKey).toHaveLength(32);
    const { type, content: described } = shown(media);
    expect(type).toBe('m.room.message');
    expect(described).toMatchObject({ ...event, file: writeMatrixFile(matrixFile) });
  });

  it('sticker', async () => {
    const { message } = await fromBaileys({ sticker: bytes, isAnimated: true, width: 512, height: 512 });
    expect(shown(file(message))).toEqual({
      type: 'm.sticker',
      content: {
        body: 'Sticker',
        file: writeMatrixFile(matrixFile),
        info: {
          mimetype: 'image/webp',
          size: bytes.length,
          w: 512,
          h: 512,
          'org.matrix.msc4230.is_animated': true,
        },
      },
    });
  });

  it('children of an album come as what they are; the album itself is silent', async () => {
    const album = await generateWAMessageContent(
      { album: { expectedImageCount: 2 } } as AnyMessageContent,
      { logger: silent } as never,
    );
    expect(read(album)).toEqual({ kind: 'silent' });
    const { message } = await fromBaileys({ image: bytes, jpegThumbnail: '', albumParentKey: { id: 'A' } } as never);
    expect(file(message).feature).toBe('image');
  });

  it('an edited caption, and one that is taken away', async () => {
    const edited = async (caption: string | undefined) =>
      (await fromBaileys({ image: bytes, jpegThumbnail: '', caption, edit: { id: 'A1', fromMe: true } } as never))
        .message;
    expect(read(await edited('new'))).toMatchObject({
      kind: 'edit',
      text: 'new',
      ofFile: true,
      target: { messageId: 'A1' },
    });
    expect(read(await edited(undefined))).toMatchObject({ kind: 'edit', text: '', ofFile: true });
  });
});

describe('files of Matrix users', () => {
  afterEach(() => {
    vi.unstubAllGlobals();
  });

  const event = (msgtype: string, mimetype: string, more: JsonObject = {}, info: JsonObject = {}) => ({
    type: 'm.room.message',
    content: {
      msgtype,
      body: 'words',
      filename: 'name.bin',
      file: writeMatrixFile(matrixFile),
      info: { mimetype, ...info },
      ...more,
    },
  });
  const uncaptioned = { body: 'name.bin' };
  const sticker = (mimetype: string) => ({
    type: 'm.sticker',
    content: { body: 'Wave', url: 'mxc://example.org/abc', info: { mimetype } },
  });

  /** The message, carried over with an independent encryption of the file. */
  async function sent({ type, content }: { type: string; content: JsonObject }, quoted?: Quoted) {
    const media = toWhatsApp(type, content, capabilities.whatsapp, quoted);
    if (media.kind !== 'media') throw new Error(JSON.stringify(media));
    const sealed = await encryptedStream(bytes, media.mediaKind as BaileysMediaType);
    const ciphertext = await readFile(sealed.encFilePath);
    await unlink(sealed.encFilePath);
    const payload = media.describe({
      url: 'https://media.example.org/f/1?x',
      directPath: '/f/1?x',
      mediaKey: sealed.mediaKey,
      sealed: { sha256: sealed.fileSha256, encryptedSha256: sealed.fileEncSha256, size: sealed.fileLength },
      timestamp: 1_700_000_000_999,
      thumbnail: jpeg,
    });
    return { media, payload, ciphertext, message: proto.Message.decode(payload) };
  }

  it.each([
    ['a picture', event('m.image', 'image/jpeg', {}, { w: 4, h: 3 }), 'imageMessage', 'image'],
    ['a video', event('m.video', 'video/mp4', {}, { duration: 1500 }), 'videoMessage', 'video'],
    ['a GIF', event('m.video', 'video/mp4', {}, { 'fi.mau.gif': true }), 'videoMessage', 'gif'],
    ['audio', event('m.audio', 'audio/mpeg', uncaptioned), 'audioMessage', 'audio'],
    [
      'a voice note',
      event('m.audio', 'audio/ogg', { ...uncaptioned, 'org.matrix.msc3245.voice': {} }),
      'audioMessage',
      'ptt',
    ],
    ['a file with words', event('m.file', 'application/pdf'), 'documentMessage', 'document'],
    ['a file without', event('m.file', 'application/pdf', uncaptioned), 'documentMessage', 'document'],
    ['a sticker', sticker('image/webp'), 'stickerMessage', 'sticker'],
    ['a PNG sticker', sticker('image/png'), 'imageMessage', 'image'],
    ['a HEIC picture', event('m.image', 'image/heic'), 'documentMessage', 'document'],
    ['a GIF picture', event('m.image', 'image/gif'), 'documentMessage', 'document'],
    ['an SVG', event('m.image', 'image/svg+xml'), 'documentMessage', 'document'],
    ['a WebM video', event('m.video', 'video/webm'), 'documentMessage', 'document'],
    ['audio with words', event('m.audio', 'audio/mpeg'), 'documentMessage', 'document'],
  ] as const)('%s', async (_, of, kind, mediaType) => {
    const { payload, ciphertext, message } = await sent(of);
    vi.stubGlobal('fetch', async (url: string) => {
      expect(url).toBe('https://media.example.org/f/1?x');
      return new Response(new Uint8Array(ciphertext));
    });
    const received = { key: { id: 'A1' }, message };
    const opened = await downloadMediaMessage(received as never, 'buffer', {});
    expect(opened.equals(bytes)).toBe(true);
    const inner = normalizeMessageContent(message)?.[kind];
    expect(hex(inner?.fileSha256)).toBe(sha256(bytes));
    expect(hex(inner?.fileEncSha256)).toBe(sha256(ciphertext));
    expect(Number(inner?.fileLength)).toBe(bytes.length);
    expect(Number(inner?.mediaKeyTimestamp)).toBe(1_700_000_000);
    expect(stanzaKind(parseMessage(payload))).toEqual({ type: 'media', mediaType, hidden: false });
  });

  it('say what WhatsApp’s clients show', async () => {
    const picture = (await sent(event('m.image', 'image/jpeg', {}, { w: 4, h: 3 }))).message.imageMessage;
    expect(picture).toMatchObject({
      caption: 'words',
      width: 4,
      height: 3,
      mimetype: 'image/jpeg',
    });
    expect(hex(picture?.jpegThumbnail)).toBe(hex(jpeg));
    const video = (await sent(event('m.video', 'video/mp4', {}, { duration: 1500 }))).message.videoMessage;
    expect(video).toMatchObject({ seconds: 2, caption: 'words' });
    expect(video?.gifPlayback).toBeFalsy();
    const captioned = (await sent(event('m.file', 'application/pdf'))).message.documentWithCaptionMessage?.message;
    expect(captioned?.documentMessage).toMatchObject({
      caption: 'words',
      fileName: 'name.bin',
      mimetype: 'application/pdf',
    });
    const voice = {
      'org.matrix.msc3245.voice': {},
      'org.matrix.msc1767.audio': { duration: 900, waveform: [0, 512, 1024, 9999] },
    };
    const { audioMessage } = (await sent(event('m.audio', 'audio/ogg', { ...uncaptioned, ...voice }))).message;
    expect(audioMessage).toMatchObject({ ptt: true, seconds: 1, mimetype: 'audio/ogg; codecs=opus' });
    expect([...(audioMessage?.waveform ?? [])]).toEqual([0, 50, 100, 100].flatMap((value) => Array(16).fill(value)));
  });

  it('answer messages, as media of every kind does', async () => {
    const known = { known: true, id: 'A1', author: '1@lid', text: 'earlier' } as unknown as Quoted;
    const context = { stanzaId: 'A1', participant: '1@lid', quotedMessage: { conversation: 'earlier' } };
    for (const of of [
      event('m.image', 'image/jpeg'),
      event('m.file', 'a/b'),
      sticker('image/webp'),
      event('m.audio', 'audio/mpeg', uncaptioned),
    ]) {
      const content = normalizeMessageContent((await sent(of, known)).message) ?? {};
      const [inner] = Object.values(content).filter((value) => typeof value === 'object' && value !== null);
      expect(inner).toMatchObject({ contextInfo: context });
    }
    const unknown = (await sent(event('m.image', 'image/jpeg'), { known: false, text: 'earlier' })).message;
    expect(unknown.imageMessage?.caption).toBe('> earlier\n\nwords');
  });

  it('are described in the same bytes each time', async () => {
    const { media, payload } = await sent(event('m.image', 'image/jpeg', {}, { w: 4, h: 3 }));
    const message = proto.Message.decode(payload).imageMessage;
    const again = toWhatsApp('m.room.message', event('m.image', 'image/jpeg', {}, { w: 4, h: 3 }).content);
    const described =
      again.kind === 'media' &&
      again.describe({
        url: message?.url ?? '',
        directPath: message?.directPath ?? '',
        mediaKey: message?.mediaKey ?? jpeg,
        sealed: {
          sha256: message?.fileSha256 ?? jpeg,
          encryptedSha256: message?.fileEncSha256 ?? jpeg,
          size: bytes.length,
        },
        timestamp: 1_700_000_000_999,
        thumbnail: jpeg,
      });
    expect(described).toEqual(payload);
    expect(media.feature).toBe('image');
  });
});
