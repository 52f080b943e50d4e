// Media re-requests, judged by Baileys: what we ask is what it asks, and we read the answers that it reads.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import {
  type BinaryNode,
  decodeBinaryNode,
  decodeMediaRetryNode,
  decryptMediaRetryData,
  encodeBinaryNode,
  encryptMediaRetryRequest,
  getBinaryNodeChild,
  getBinaryNodeChildBuffer,
  proto,
} from '@whiskeysockets/baileys';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { MessageId } from '../../src/model/ids.ts';
import type { MediaRetry } from '../../src/model/interop.ts';
import { lidJid, phoneJid } from '../../src/model/jid.ts';
import type { MediaRetryAnswer } from '../../src/model/media.ts';
import {
  attribute,
  decodeStanza,
  encodeStanza,
  requireBytes,
  requireChild,
  stanza,
} from '../../src/whatsapp/binary/index.ts';
import { readMediaRetry } from '../../src/whatsapp/media/retry.ts';
import { readIncoming } from '../../src/whatsapp/stanzas.ts';
import { mediaRetryReceipt } from '../../src/whatsapp/stanzas-media-retry.ts';

const { ResultType } = proto.MediaRetryNotification;
const id = '3EB0C0FFEE' as MessageId;
const mediaKey = randomBytes(32);
const contact = '4915112345678@s.whatsapp.net';
const from = phoneJid('4915112345678');

/** The key of both directions, derived here once more. */
const key = Buffer.from(hkdfSync('sha256', mediaKey, new Uint8Array(), 'WhatsApp Media Retry Notification', 32));

/** A device's answer, as the network passes it on; sealed for `boundTo`. */
function answerNode(result: proto.IMediaRetryNotification, boundTo: string = id): BinaryNode {
  const iv = randomBytes(12);
  const cipher = createCipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(boundTo));
  const plaintext = proto.MediaRetryNotification.encode(result).finish();
  const ciphertext = Buffer.concat([cipher.update(plaintext), cipher.final(), cipher.getAuthTag()]);
  return notification([
    {
      tag: 'encrypt',
      attrs: {},
      content: [
        { tag: 'enc_p', attrs: {}, content: ciphertext },
        { tag: 'enc_iv', attrs: {}, content: iv },
      ],
    },
  ]);
}

function notification(content: BinaryNode[]): BinaryNode {
  const rmr = { tag: 'rmr', attrs: { jid: contact, from_me: 'false' } };
  return { tag: 'notification', attrs: { id, from: contact, type: 'mediaretry', t: '1' }, content: [rmr, ...content] };
}

/** What we make of a stanza that Baileys has encoded. */
function received(node: BinaryNode): MediaRetry {
  const encoded = encodeBinaryNode(node);
  const incoming = readIncoming(decodeStanza(encoded), 0);
  if (incoming.kind !== 'media-retry') throw new Error(`read as ${incoming.kind}`);
  return incoming.retry;
}

describe('asking again for a file', () => {
  it.each([true, false])('is the receipt that Baileys makes (fromMe %s)', async (fromMe) => {
    const expected = encryptMediaRetryRequest({ id, remoteJid: contact, fromMe }, mediaKey, contact);
    const ours = await decodeBinaryNode(
      Buffer.from(encodeStanza(mediaRetryReceipt({ id, to: phoneJid('4915112345678', 3), fromMe, mediaKey }))),
    );
    expect(ours.attrs).toEqual(expected.attrs);
    expect(getBinaryNodeChild(ours, 'rmr')?.attrs).toEqual({ jid: contact, from_me: String(fromMe) });
    const opened = [ours, expected].map((node) => {
      const sealed = getBinaryNodeChild(node, 'encrypt');
      const iv = getBinaryNodeChildBuffer(sealed, 'enc_iv') ?? Buffer.alloc(0);
      const bytes = Buffer.from(getBinaryNodeChildBuffer(sealed, 'enc_p') ?? []);
      const decipher = createDecipheriv('aes-256-gcm', key, iv).setAAD(Buffer.from(id)).setAuthTag(bytes.subarray(-16));
      return Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]).toString('hex');
    });
    expect(opened[0]).toBe(opened[1]);
  });

  it('never uses an initialisation vector twice', () => {
    const ivs = [1, 2].map(() => {
      const request = mediaRetryReceipt({ id, to: lidJid('1'), fromMe: false, mediaKey });
      return requireBytes(requireChild(requireChild(request, 'encrypt'), 'enc_iv'), 12);
    });
    expect(ivs[0]).not.toEqual(ivs[1]);
  });
});

describe('the answer', () => {
  it('names the new path, as Baileys reads it', () => {
    const node = answerNode({ stanzaId: id, directPath: '/v/new?x=1', result: ResultType.SUCCESS });
    const { media } = decodeMediaRetryNode(node);
    expect(media && decryptMediaRetryData(media, mediaKey, id).directPath).toBe('/v/new?x=1');
    const retry = received(node);
    expect([retry.id, retry.from]).toEqual([id, from]);
    expect(readMediaRetry(mediaKey, id, retry.answer)).toEqual({ outcome: 'found', directPath: '/v/new?x=1' });
  });

  it.each([
    ['not found', { stanzaId: id, result: ResultType.NOT_FOUND }, 'gone'],
    ['a general error', { stanzaId: id, result: ResultType.GENERAL_ERROR }, 'unreadable'],
    ['a request that it could not decrypt', { stanzaId: id, result: ResultType.DECRYPTION_ERROR }, 'unreadable'],
    ['success without a path', { stanzaId: id, result: ResultType.SUCCESS }, 'unreadable'],
    ['nothing', {}, 'unreadable'],
  ] as const)('may say %s', (_, result, outcome) => {
    expect(readMediaRetry(mediaKey, id, received(answerNode(result)).answer)).toEqual({ outcome });
  });

  it('may be a plain error: 2 means that the file is gone', () => {
    for (const [code, outcome] of [
      [2, 'gone'],
      [0, 'unreadable'],
      [3, 'unreadable'],
    ] as const) {
      const { answer } = received(notification([{ tag: 'error', attrs: { code: String(code) } }]));
      expect(readMediaRetry(mediaKey, id, answer)).toEqual({ outcome });
    }
  });

  it('counts for nothing under another key, for another message, or changed', () => {
    const success = { stanzaId: id, directPath: '/v/evil', result: ResultType.SUCCESS };
    const { answer } = received(answerNode(success));
    const unreadable = { outcome: 'unreadable' };
    expect(readMediaRetry(randomBytes(32), id, answer)).toEqual(unreadable);
    expect(readMediaRetry(mediaKey, 'OTHER' as MessageId, answer)).toEqual(unreadable);
    expect(readMediaRetry(mediaKey, id, received(answerNode(success, 'OTHER')).answer)).toEqual(unreadable);
    if (answer.kind !== 'sealed') throw new Error('a sealed answer was expected');
    for (let index = 0; index < answer.ciphertext.length; index++) {
      const ciphertext = answer.ciphertext.map((byte, position) => (position === index ? byte ^ 1 : byte));
      expect(readMediaRetry(mediaKey, id, { ...answer, ciphertext })).toEqual(unreadable);
    }
  });

  it('may be anything: it is read without an exception', () => {
    const answers = fc.oneof(
      fc.record({ kind: fc.constant('error' as const), code: fc.nat() }),
      fc.record({
        kind: fc.constant('sealed' as const),
        ciphertext: fc.uint8Array(),
        iv: fc.uint8Array({ maxLength: 20 }),
      }),
    );
    fc.assert(
      fc.property(answers, (answer: MediaRetryAnswer) => {
        expect(['gone', 'unreadable']).toContain(readMediaRetry(mediaKey, id, answer).outcome);
      }),
    );
  });

  it('is malformed without error and ciphertext', () => {
    const empty = stanza('notification', { from, id, type: 'mediaretry' }, [
      stanza('rmr', { jid: from, from_me: false }),
    ]);
    expect(attribute(empty, 'type')).toBe('mediaretry');
    expect(() => readIncoming(empty, 0)).toThrow(expect.objectContaining({ code: expect.stringMatching(/^stanza\./) }));
  });
});
