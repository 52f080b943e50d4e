// Files: what is believed of what their senders say, and what is said where they do not arrive.
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../src/model/errors.ts';
import type { MessageId } from '../../src/model/ids.ts';
import { lidJid } from '../../src/model/jid.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import type { MatrixFile } from '../../src/model/media.ts';
import { type ImageMessageSchema, MessageSchema } from '../../src/proto/message_pb.ts';
import { capabilities, largestContent } from '../../src/translate/capabilities.ts';
import { recaptioned } from '../../src/translate/media/captions.ts';
import { fileNotSentText, fileNotShownText } from '../../src/translate/media/failures.ts';
import { fileName } from '../../src/translate/media/file-name.ts';
import { readMatrixFile, writeMatrixFile } from '../../src/translate/media/matrix-file.ts';
import { mediaType } from '../../src/translate/media/mime-type.ts';
import type { HostedDescription } from '../../src/translate/media/types.ts';
import { edit, editsFile, replacing } from '../../src/translate/references.ts';
import { parseMessage, toMatrix } from '../../src/translate/to-matrix.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';

const uploaded: MatrixFile = {
  url: 'mxc://example.org/abc',
  key: new Uint8Array(32).fill(255),
  iv: new Uint8Array(16).fill(2),
  encryptedSha256: new Uint8Array(32).fill(3),
};
const attachment = writeMatrixFile(uploaded);

const hash = new Uint8Array(32).fill(9);
const claims = { directPath: '/v/a?b', mediaKey: hash, fileEncSha256: hash, fileSha256: hash, fileLength: 5n };

const received = (init: MessageInitShape<typeof MessageSchema>) => toMatrix(create(MessageSchema, init));

function shown(init: MessageInitShape<typeof MessageSchema>): JsonObject {
  const result = received(init);
  if (result.kind !== 'media') throw new Error(JSON.stringify(result));
  return result.describe({ file: uploaded, thumbnail: uploaded, size: 5 }).content;
}

const picture = (init: MessageInitShape<typeof ImageMessageSchema>) =>
  shown({ imageMessage: { ...claims, mimetype: 'image/jpeg', ...init } });

describe('files of contacts', () => {
  it.each([
    ['without a key', { mediaKey: undefined }],
    ['with a short key', { mediaKey: hash.subarray(1) }],
    ['without the hash of what is fetched', { fileEncSha256: undefined }],
    ['with a long hash', { fileEncSha256: new Uint8Array(33) }],
    ['with a hash of another length', { fileSha256: new Uint8Array(20) }],
    ['without an address', { directPath: undefined }],
    ['without a length', { fileLength: undefined }],
    ['with a length beyond all files', { fileLength: 2n ** 63n }],
  ])('%s are said to be unreadable', (_, lack) => {
    const unreadable = { kind: 'unsupported', feature: 'file' };
    expect(received({ documentMessage: { ...claims, ...lack } })).toEqual(unreadable);
  });

  it('of stickers may lack the hash of the file itself', () => {
    const result = received({ stickerMessage: { ...claims, fileSha256: undefined } });
    expect(result).toMatchObject({ kind: 'media', file: { kind: 'sticker', sha256: undefined } });
  });

  it.each(['text/html', 'image/svg+xml', 'video/mp4', 'image/jpeg\r\nX: y', 'image', '', '../../x', 'a'.repeat(9999)])(
    'that call themselves %j are no pictures',
    (mimetype) => {
      expect(picture({ mimetype, width: 5 })).toMatchObject({
        msgtype: 'm.file',
        body: 'image',
        info: { mimetype: 'application/octet-stream', size: 5 },
      });
    },
  );

  it('name their type in one spelling', () => {
    expect(picture({ mimetype: ' IMAGE/JPG; q=1' }).info).toMatchObject({ mimetype: 'image/jpeg' });
    expect(mediaType('audio/ogg; codecs=opus')).toBe('audio/ogg');
    expect(mediaType('constructor')).toBeUndefined();
    expect(mediaType('a/__proto__')).toBeUndefined();
  });

  it('have sizes and lengths within reason', () => {
    expect(picture({ width: 0, height: 4_294_967_295 }).info).toEqual(
      expect.not.objectContaining({ w: expect.anything(), h: expect.anything() }),
    );
    const video = shown({ videoMessage: { ...claims, seconds: 4_294_967_295, width: 4, height: 3 } });
    expect(video.info).toMatchObject({ w: 4, h: 3 });
    expect(video.info).not.toHaveProperty('duration');
    const waveform = new Uint8Array(100_000).fill(255);
    const voice = shown({ audioMessage: { ...claims, ptt: true, waveform } })['org.matrix.msc1767.audio'];
    expect(voice).toEqual({ waveform: Array(64).fill(1024) });
  });

  it('show no thumbnail that does not begin like a picture', () => {
    const thumbnails = (jpegThumbnail: Uint8Array) => received({ imageMessage: { ...claims, jpegThumbnail } });
    const begin = (start: string, length = 20) => Buffer.concat([Buffer.from(start, 'latin1'), Buffer.alloc(length)]);
    expect(thumbnails(begin('\xff\xd8\xff\xe0'))).toMatchObject({ thumbnail: { contentType: 'image/jpeg' } });
    expect(thumbnails(begin('\x89PNG\r\n\x1a\n'))).toMatchObject({ thumbnail: { contentType: 'image/png' } });
    expect(thumbnails(begin('RIFF....WEBP'))).toMatchObject({ thumbnail: { contentType: 'image/webp' } });
    for (const bytes of [begin('<svg'), begin('GIF89a'), begin(''), Buffer.alloc(0), begin('\xff\xd8\xff', 200_000)])
      expect(thumbnails(bytes)).not.toHaveProperty('thumbnail');
  });

  it('that nobody here can show are named', () => {
    const sticker = { ...claims, isLottie: true, mimetype: 'application/was' };
    const refusal = { kind: 'unsupported', feature: 'lottie-sticker' };
    expect(received({ stickerMessage: sticker })).toEqual(refusal);
    expect(received({ lottieStickerMessage: { message: { stickerMessage: sticker } } })).toEqual(refusal);
    expect(received({ stickerPackMessage: {} })).toEqual({ kind: 'unsupported', feature: 'sticker-pack' });
  });

  it('answer other messages, with a quotation where those are not known', () => {
    const contextInfo = { stanzaId: 'A1', quotedMessage: { imageMessage: { caption: 'look' } } };
    const answer = (init: MessageInitShape<typeof MessageSchema>) => {
      const result = received(init);
      if (result.kind !== 'media') throw new Error(result.kind);
      const { content } = result.describe({ file: uploaded, size: 5 });
      return { id: result.answers?.id, quoting: result.answers?.quoting(content), content };
    };
    const captioned = answer({ imageMessage: { ...claims, caption: 'nice', contextInfo } });
    expect(captioned).toMatchObject({
      id: 'A1',
      quoting: { body: '> look\n\nnice', filename: 'image.jpg', file: attachment },
    });
    expect(answer({ audioMessage: { ...claims, ptt: true, contextInfo } }).quoting).toMatchObject({
      body: '> look',
      filename: 'voice-message.ogg',
      'org.matrix.msc3245.voice': {},
    });
    const sticker = answer({ stickerMessage: { ...claims, contextInfo } });
    expect(sticker.quoting).toEqual(sticker.content);
  });
});

describe('names of files', () => {
  const named = (name: string, mimetype = 'application/pdf') =>
    shown({ documentMessage: { ...claims, mimetype, fileName: name } }).filename;

  it.each([
    ['../../etc/passwd', 'passwd.pdf'],
    ['C:\\Users\\anna\\Bill.pdf', 'Bill.pdf'],
    ['bill\u202efdp.exe', 'billfdp.exe'],
    ['a\u0000b\nc.pdf', 'ab c.pdf'],
    ['.bashrc', 'bashrc.pdf'],
    ['. . .', 'file.pdf'],
    ['/', 'file.pdf'],
    ['\u200b\u2066', 'file.pdf'],
    ['', 'file.pdf'],
    ['bill', 'bill.pdf'],
    ['Rechnung für 👩🏽‍🚒.pdf', 'Rechnung für 👩🏽‍🚒.pdf'],
    [`${'ä'.repeat(1000)}.pdf`, `${'ä'.repeat(125)}.pdf`],
  ])('%j becomes %j', (name, clean) => {
    expect(named(name)).toBe(clean);
  });

  it('take the title where there is no name, and no ending where none is known', () => {
    const document = { ...claims, title: 'Plan', mimetype: 'application/x-thing' };
    expect(shown({ documentMessage: document }).filename).toBe('Plan');
    expect(shown({ documentMessage: { ...document, title: '' } }).filename).toBe('file');
  });

  it('are names, whatever was claimed', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary', maxLength: 3000 })), (text) => {
        const name = fileName(text, 'application/pdf', 'file');
        expect(name).not.toMatch(/^[. ]|[. ]$|[/\\\p{Cc}\p{Bidi_C}\p{Zl}\p{Zp}]/u);
        expect(name.isWellFormed()).toBe(true);
        expect(name.length).toBeGreaterThan(0);
        expect(Buffer.byteLength(name)).toBeLessThanOrEqual(255);
      }),
    );
    fileName('a/'.repeat(500_000), 'application/pdf', 'file');
    fileName(`${'.'.repeat(500_000)}x`, 'application/pdf', 'file');
  });
});

const event = (more: JsonObject = {}) => ({
  msgtype: 'm.image',
  body: 'IMG.jpg',
  file: attachment,
  info: { mimetype: 'image/jpeg', size: 5 },
  ...more,
});
const hosted: HostedDescription = {
  url: 'https://media.example.org/f/1?x',
  directPath: '/f/1?x',
  mediaKey: hash,
  sealed: { sha256: hash, encryptedSha256: hash, size: 5 },
  timestamp: 1_700_000_000_999,
};

function sent(content: JsonObject, type = 'm.room.message') {
  const media = toWhatsApp(type, content);
  if (media.kind !== 'media') throw new Error(JSON.stringify(media));
  return { media, message: parseMessage(media.describe(hosted)) };
}

describe('files of Matrix users', () => {
  it('must be encrypted, but for stickers of packs', () => {
    const plain = { msgtype: 'm.image', body: 'a.png', url: 'mxc://example.org/abc', info: { mimetype: 'image/png' } };
    expect(toWhatsApp('m.room.message', plain)).toMatchObject({
      kind: 'refused',
      feature: 'image',
      told: expect.stringMatching(/not encrypted.*Trying again does not help/),
    });
    expect(sent({ body: 's', url: plain.url, info: { mimetype: 'image/webp' } }, 'm.sticker').media.source).toEqual({
      kind: 'public',
      uri: plain.url,
    });
    expect(sent({ body: 's', file: attachment, info: { mimetype: 'image/webp' } }, 'm.sticker').media.source).toEqual({
      kind: 'encrypted',
      file: uploaded,
    });
  });

  it.each([
    ['nothing', {}],
    ['both, the encrypted one broken', { file: { ...attachment, v: 'v1' }, url: 'mxc://example.org/abc' }],
    ['a short key', { file: { ...attachment, key: { kty: 'oct', alg: 'A256CTR', k: 'AAAA' } } }],
    ['another cipher', { file: { ...attachment, key: { kty: 'oct', alg: 'A256GCM', k: 'A'.repeat(43) } } }],
    ['no hash', { file: { ...attachment, hashes: { md5: 'AAAA' } } }],
    ['an address elsewhere', { file: { ...attachment, url: 'https://example.org/abc' } }],
    ['an address with a way out', { file: { ...attachment, url: 'mxc://example.org/../admin' } }],
    ['no object', { file: 'mxc://example.org/abc' }],
  ])('are refused with a sentence where they say %s', (_, description) => {
    const { file: _file, ...rest } = event();
    expect(toWhatsApp('m.room.message', { ...rest, ...description })).toMatchObject({
      kind: 'refused',
      feature: 'image',
      told: expect.stringMatching(/could not be read/),
    });
  });

  it('are described as clients do, in either base64', () => {
    expect(readMatrixFile(attachment)).toEqual(uploaded);
    expect(attachment).toMatchObject({
      v: 'v2',
      key: { kty: 'oct', alg: 'A256CTR', ext: true, key_ops: ['encrypt', 'decrypt'], k: `${'_'.repeat(42)}8` },
      iv: 'AgICAgICAgICAgICAgICAg',
    });
    const padded = { ...attachment, iv: 'AgICAgICAgICAgICAgICAg==', hashes: { sha256: `${'AwMD'.repeat(10)}AwM=` } };
    expect(readMatrixFile(padded)).toEqual(uploaded);
  });

  it('have the words that were written under them, or none', () => {
    const html = { format: 'org.matrix.custom.html', formatted_body: 'a <b>bee</b>' };
    expect(sent(event({ body: 'a bee', filename: 'IMG.jpg', ...html })).message.imageMessage?.caption).toBe('a *bee*');
    expect(sent(event()).message.imageMessage?.caption).toBeUndefined();
    expect(sent(event({ filename: 'IMG.jpg', ...html })).message.imageMessage?.caption).toBeUndefined();
    const reply = { 'm.relates_to': { 'm.in_reply_to': { event_id: '$e' } } };
    const answer = event({ body: '> <@a:b> quoted\n\nwords', filename: 'IMG.jpg', ...reply });
    expect(sent(answer).message.imageMessage?.caption).toBe('words');
  });

  it('are of the type that the ending of their name says where nothing else does', () => {
    expect(sent(event({ info: {} })).media.mediaKind).toBe('image');
    expect(sent(event({ info: undefined, body: 'x.heic' })).media.mediaKind).toBe('document');
    expect(sent(event({ info: { mimetype: 7 }, body: 'x' })).message.documentMessage).toMatchObject({
      fileName: 'x',
      mimetype: 'application/octet-stream',
    });
  });

  it('have a thumbnail only where their client made a small JPEG', () => {
    const thumbnail = (info: JsonObject) =>
      sent(event({ info: { mimetype: 'image/jpeg', thumbnail_file: attachment, thumbnail_info: info } })).media
        .thumbnail;
    expect(thumbnail({ mimetype: 'image/jpeg', size: 16_384 })).toEqual(uploaded);
    expect(thumbnail({ mimetype: 'image/jpeg' })).toEqual(uploaded);
    expect(thumbnail({ mimetype: 'image/jpeg', size: 16_385 })).toBeUndefined();
    expect(thumbnail({ mimetype: 'image/png', size: 100 })).toBeUndefined();
    const { media } = sent(event());
    for (const made of [
      Buffer.from('89504e47', 'hex'),
      Buffer.concat([Buffer.from('ffd8ff', 'hex'), Buffer.alloc(16_384)]),
    ])
      expect(parseMessage(media.describe({ ...hosted, thumbnail: made })).imageMessage?.jpegThumbnail).toBeUndefined();
  });
});

describe('captions', () => {
  it('survive the way to WhatsApp and back', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', minLength: 1 }), (body) => {
        fc.pre(body.trim() !== '' && body !== 'image.jpg');
        const { message } = sent(event({ body, filename: 'image.jpg' }));
        const back = toMatrix(message);
        if (back.kind !== 'media') throw new Error(back.kind);
        const { content } = back.describe({ file: uploaded, size: 5 });
        expect(content).toMatchObject({ msgtype: 'm.image', body, filename: 'image.jpg' });
      }),
    );
  });

  it('of contacts change without their file', () => {
    const original = { ...picture({ caption: '*old*' }), 'm.relates_to': { 'm.in_reply_to': { event_id: '$e' } } };
    const changed = recaptioned(original, 'new');
    expect(changed).toEqual({ ...picture({}), body: 'new' });
    expect(recaptioned(original, '')).toEqual(picture({}));
    expect(replacing(changed, '$e')).toMatchObject({
      msgtype: 'm.image',
      body: '* new',
      file: attachment,
      'm.new_content': changed,
      'm.relates_to': { rel_type: 'm.replace', event_id: '$e' },
    });
  });

  it('of Matrix users change where the file stays', () => {
    const meant = { target: { messageId: 'A1' as MessageId, fromUser: true }, chat: lidJid('1'), now: 5 };
    const write = (fresh: JsonObject, original: JsonObject | undefined) => {
      const content = { 'm.new_content': fresh };
      expect(editsFile(content)).toBe(true);
      const result = edit(content, meant, capabilities.whatsapp, original);
      return result.kind === 'message' ? parseMessage(result.payload).protocolMessage?.editedMessage : result;
    };
    const fresh = event({ body: 'new', filename: 'IMG.jpg' });
    expect(write(fresh, event())).toMatchObject({ imageMessage: { caption: 'new' } });
    expect(write(event(), fresh)).toMatchObject({ imageMessage: { caption: '' } });
    const heic = event({ body: 'IMG.heic', info: { mimetype: 'image/heic' } });
    expect(write({ ...fresh, info: heic.info }, heic)).toMatchObject({
      documentWithCaptionMessage: { message: { documentMessage: { caption: 'new' } } },
    });
    const exchanged = { kind: 'refused', feature: 'edit', told: expect.stringMatching(/not the file itself/) };
    expect(write({ ...fresh, file: writeMatrixFile({ ...uploaded, key: hash }) }, event())).toEqual(exchanged);
    expect(write(fresh, undefined)).toEqual(exchanged);
    const voice = event({ msgtype: 'm.audio', body: 'v.ogg', info: { mimetype: 'audio/ogg' } });
    expect(write({ ...voice, body: 'new', filename: 'v.ogg' }, voice)).toMatchObject({
      told: expect.stringMatching(/no words/),
    });
    expect(editsFile({ 'm.new_content': { msgtype: 'm.text', body: 'x' } })).toBe(false);
  });

  it('of a megabyte, or made of nothing but markup, do not hang and fit', { timeout: 60_000 }, () => {
    for (const unit of ['*a ', '*_~', '```a\n', '> ', '- a\n', '<b>', '"', 'é', '\u0001', 'https://*']) {
      const start = performance.now();
      const content = picture({ caption: unit.repeat(1_000_000 / unit.length) });
      expect(Buffer.byteLength(JSON.stringify(content))).toBeLessThan(largestContent);
      expect(Buffer.byteLength(JSON.stringify(replacing(content, '$e')))).toBeLessThan(largestContent);
      const formatted_body = unit.repeat(65_000 / unit.length);
      sent(event({ body: 'b', filename: 'f', format: 'org.matrix.custom.html', formatted_body }));
      for (const tag of ['<b><i>', '<ul><li>', '<blockquote>', '&lt;', '<img alt="xxxxxxxxx">'])
        sent(event({ body: 'b', filename: 'f', format: 'org.matrix.custom.html', formatted_body: tag.repeat(9000) }));
      expect(performance.now() - start).toBeLessThan(10_000);
    }
  });
});

describe('hostile descriptions', () => {
  const bytes = fc.option(fc.uint8Array({ maxLength: 40 }), { nil: undefined });
  const text = fc.option(fc.oneof(fc.string(), fc.constantFrom('image/webp', 'audio/ogg', '../x')), { nil: undefined });
  const number = fc.option(fc.nat({ max: 4_294_967_295 }), { nil: undefined });
  const flag = fc.option(fc.boolean(), { nil: undefined });

  it('of contacts give an event, a sentence or a typed error', () => {
    const fields = fc.record({
      ...{ url: text, directPath: text, mimetype: text, caption: text, fileName: text, title: text },
      ...{ mediaKey: fc.oneof(bytes, fc.constant(hash)), fileEncSha256: fc.oneof(bytes, fc.constant(hash)) },
      ...{ fileSha256: bytes, jpegThumbnail: bytes, pngThumbnail: bytes, waveform: bytes },
      fileLength: fc.option(fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }), { nil: undefined }),
      ...{ width: number, height: number, seconds: number },
      ...{ ptt: flag, gifPlayback: flag, isAnimated: flag, isLottie: flag, viewOnce: flag },
    });
    const kind = fc.constantFrom('image', 'video', 'ptv', 'audio', 'document', 'sticker');
    fc.assert(
      fc.property(kind, fields, (name, claim) => {
        const result = received({ [`${name}Message`]: claim });
        expect(['media', 'unsupported']).toContain(result.kind);
        if (result.kind !== 'media') return;
        const { content } = result.describe({ file: uploaded, thumbnail: uploaded, size: 5 });
        expect(['m.image', 'm.video', 'm.audio', 'm.file', undefined]).toContain(content.msgtype);
        for (const field of Object.keys(content)) expect(known).toContain(field);
        expect(JSON.parse(JSON.stringify(content))).toEqual(content);
      }),
      { numRuns: 1000 },
    );
  });

  it('of any bytes do too', () => {
    const valid = toBinary(MessageSchema, create(MessageSchema, { imageMessage: { ...claims, caption: 'x' } }));
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(valid.length - 1), fc.nat(255)), { maxLength: 4 }), (changes) => {
        const damaged = Uint8Array.from(valid);
        for (const [at, value] of changes) damaged[at] = value;
        try {
          const result = toMatrix(parseMessage(damaged));
          if (result.kind === 'media') result.describe({ file: uploaded, size: 5 });
        } catch (error) {
          expect(error).toBeInstanceOf(BridgeError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('of Matrix users give a message or a refusal', () => {
    const value = fc.oneof(fc.anything(), fc.constant(attachment), fc.constantFrom('m.image', 'image/png', '\ud800'));
    const field = fc.constantFrom(
      'body',
      'filename',
      'file',
      'url',
      'info',
      'format',
      'formatted_body',
      'org.matrix.msc1767.audio',
      'org.matrix.msc3245.voice',
    );
    const info = fc.dictionary(
      fc.constantFrom('mimetype', 'size', 'w', 'h', 'duration', 'thumbnail_file', 'thumbnail_info', 'fi.mau.gif'),
      value,
    );
    const msgtype = fc.constantFrom('m.image', 'm.video', 'm.audio', 'm.file');
    fc.assert(
      fc.property(msgtype, fc.dictionary(field, value), info, fc.boolean(), (type, fields, claimed, sticker) => {
        const content = { msgtype: type, body: 'b', file: attachment, info: claimed, ...fields };
        const result = toWhatsApp(sticker ? 'm.sticker' : 'm.room.message', content);
        expect(['media', 'refused']).toContain(result.kind);
        if (result.kind === 'media') parseMessage(result.describe(hosted));
      }),
      { numRuns: 1000 },
    );
  });
});

const known = [
  ...['msgtype', 'body', 'format', 'formatted_body', 'filename', 'file', 'info'],
  ...['org.matrix.msc1767.audio', 'org.matrix.msc3245.voice'],
];

describe('files that do not arrive', () => {
  it('are told with what can be done', () => {
    const sizes = { size: 120 * 2 ** 20 + 1, limit: 100 * 2 ** 20 };
    expect(fileNotShownText('Anna', 'video', 'media.too-large', sizes)).toBe(
      'Anna sent a file that is not shown here (videos): it is 121 MB; this server takes files up to 100 MB. Trying again does not help; it can be seen on WhatsApp only.',
    );
    expect(fileNotSentText('media.too-large', { size: 1.2 * 2 ** 20 + 1, limit: 1.2 * 2 ** 20 })).toBe(
      'The file is 1.3 MB; this server takes files up to 1.2 MB. Trying again does not help; send a smaller one.',
    );
    const codes = ['too-large', 'gone', 'corrupt', 'wrong-size', 'refused', 'host-full', 'unavailable'];
    for (const code of codes.map((name) => `media.${name}`)) {
      expect(fileNotShownText('Anna', 'image', code)).toMatch(/again/);
      expect(fileNotSentText(code)).toMatch(/again/);
    }
  });
});
