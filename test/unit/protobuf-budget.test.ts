// Inside the encryption, too: whatever we write is in the metadata budget, and whatever is in it is written by something.
import { createDecipheriv, randomBytes } from 'node:crypto';
import { globSync, readFileSync } from 'node:fs';
import { type DescMessage, fromBinary } from '@bufbuild/protobuf';
import { isReflectMessage, type ReflectMessage, reflect } from '@bufbuild/protobuf/reflect';
import { beforeAll, expect, test } from 'vitest';
import { connectionFields, messageFields } from '../../src/model/budget/protobuf-fields.ts';
import type { MessageId } from '../../src/model/ids.ts';
import { interopJid, lidJid } from '../../src/model/jid.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import type { Quoted } from '../../src/model/reference.ts';
import { encodeProto } from '../../src/proto/encode.ts';
import { MessageSchema, ServerErrorReceiptSchema } from '../../src/proto/message_pb.ts';
import { ClientPayloadSchema, HandshakeMessageSchema } from '../../src/proto/wire_pb.ts';
import { capabilities } from '../../src/translate/capabilities.ts';
import type { HostedDescription } from '../../src/translate/media/types.ts';
import { deletion, edit, reaction } from '../../src/translate/references.ts';
import { type ToWhatsApp, toWhatsApp } from '../../src/translate/to-whatsapp.ts';
import { clientPayload } from '../../src/whatsapp/client-payload.ts';
import { retryKey } from '../../src/whatsapp/media/keys.ts';
import { sealMediaRetry } from '../../src/whatsapp/media/retry.ts';
import { generateKeyPair, issueCertChain } from '../../src/whatsapp/noise/index.ts';
import { Initiator } from '../../src/whatsapp/noise/initiator.ts';
import { Responder } from '../../src/whatsapp/noise/responder.ts';

const found = new Set<string>();

/** Notes every field that is set in what was encoded. */
function collect(schema: DescMessage, bytes: Uint8Array): void {
  look(reflect(schema, fromBinary(schema, bytes)));
}

function look(message: ReflectMessage): void {
  expect(message.getUnknown() ?? []).toEqual([]);
  for (const field of message.fields.filter((each) => message.isSet(each))) {
    found.add(`${message.desc.typeName.replace('whatsapp.v1.', '')}.${field.localName}`);
    if (field.fieldKind === 'message') look(message.get(field));
    if (field.fieldKind === 'list') for (const item of message.get(field)) if (isReflectMessage(item)) look(item);
  }
}

const hash = randomBytes(32);
const jpeg = Buffer.from('ffd8ffe000104a46494600010100000100010000ffd9', 'hex');
const hosted: HostedDescription = {
  url: 'https://media.example.org/f/1',
  directPath: '/f/1',
  mediaKey: hash,
  sealed: { sha256: hash, encryptedSha256: hash, size: 5 },
  timestamp: 1_700_000_000_999,
  thumbnail: jpeg,
};
const file = {
  v: 'v2',
  url: 'mxc://example.org/abc',
  key: { kty: 'oct', alg: 'A256CTR', ext: true, key_ops: ['encrypt', 'decrypt'], k: hash.toString('base64url') },
  iv: 'AAAAAAAAAAAAAAAAAAAAAA',
  hashes: { sha256: hash.toString('base64').replace(/=+$/, '') },
};
const quoted: Quoted = { known: true, id: 'A1' as MessageId, author: '12@lid', text: 'before' };
const meant = { target: { messageId: 'A1' as MessageId, fromUser: true }, chat: lidJid('12'), now: 5 };

function written(message: ToWhatsApp): void {
  if (message.kind === 'refused') throw new Error(message.feature);
  collect(MessageSchema, message.kind === 'media' ? message.describe(hosted) : message.payload);
}

const say = (content: JsonObject, type = 'm.room.message'): void =>
  written(toWhatsApp(type, content, capabilities.whatsapp, quoted));

const describing = (msgtype: string, mimetype: string, info: JsonObject = {}, more: JsonObject = {}): JsonObject => ({
  msgtype,
  body: 'words under it',
  filename: 'name',
  file,
  info: { mimetype, size: 5, w: 3, h: 4, duration: 2000, ...info },
  ...more,
});

beforeAll(() => {
  written(toWhatsApp('m.room.message', { msgtype: 'm.text', body: 'hello' }));
  say({ msgtype: 'm.text', body: 'an answer' });
  say({ msgtype: 'm.location', body: 'here', geo_uri: 'geo:52.1,5.1;u=20' });
  say(describing('m.image', 'image/jpeg'));
  say(describing('m.video', 'video/mp4', { 'fi.mau.gif': true }));
  say(describing('m.file', 'application/pdf'));
  const sound = { 'org.matrix.msc3245.voice': {}, 'org.matrix.msc1767.audio': { waveform: [1, 2, 3] } };
  say({ ...describing('m.audio', 'audio/ogg', {}, sound), body: 'name' });
  say(describing('', 'image/webp', { 'org.matrix.msc4230.is_animated': true }), 'm.sticker');
  written(reaction('👍', meant));
  written(deletion(meant));
  written(edit({ 'm.new_content': { msgtype: 'm.text', body: 'better' } }, meant));

  const id = '3EB0AA' as MessageId;
  const { iv, ciphertext } = sealMediaRetry(hash, id);
  const decipher = createDecipheriv('aes-256-gcm', retryKey(hash), iv).setAAD(Buffer.from(id));
  decipher.setAuthTag(ciphertext.subarray(-16));
  collect(ServerErrorReceiptSchema, Buffer.concat([decipher.update(ciphertext.subarray(0, -16)), decipher.final()]));

  const payload = clientPayload('whatsapp', { interopAccountId: '12', jid: interopJid(7, '12') }, 'token', true);
  collect(ClientPayloadSchema, payload);
  const [root, intermediate, own] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
  const times = { notBefore: 0, notAfter: 10_000_000 };
  const chain = issueCertChain(
    root,
    intermediate,
    { serial: 1, ...times },
    { serial: 2, key: own.publicKey, ...times },
  );
  const now = () => 5_000_000;
  const initiator = new Initiator({ rootKey: root.publicKey, staticKeyPair: generateKeyPair(), payload, now });
  const hello = initiator.hello();
  const { message } = initiator.finish(new Responder({ staticKeyPair: own, certChain: chain }).hello(hello));
  for (const bytes of [hello, message]) collect(HandshakeMessageSchema, bytes);
});

test('every field that we set is in the budget, and every one in it is set by something', () => {
  const budget = [...messageFields, ...connectionFields].flatMap(({ in: name, fields }) =>
    fields.map((field) => `${name}.${field}`),
  );
  expect([...found].sort()).toEqual(budget.sort());
});

const refused = (field: string) =>
  expect.objectContaining({ code: 'privacy.unbudgeted', retry: 'never', message: expect.stringContaining(field) });

test('a field outside the budget is refused, however deep it stands; what is in it is not in the error', () => {
  const forwarded = { extendedTextMessage: { text: 'a', contextInfo: { forwardingScore: 1, isForwarded: true } } };
  expect(() => encodeProto(MessageSchema, forwarded)).toThrow(refused('ContextInfo.forwardingScore'));
  const contact = { contactMessage: { displayName: 'Anna Secret' } };
  expect(() => encodeProto(MessageSchema, contact)).toThrow(refused('Message.contactMessage'));
  expect(() => encodeProto(MessageSchema, contact)).toThrow(expect.not.stringContaining('Secret'));
  const quoting = { contextInfo: { quotedMessage: { imageMessage: { caption: 'a', viewOnce: true } } } };
  expect(() => encodeProto(MessageSchema, { extendedTextMessage: quoting })).toThrow(refused('ImageMessage.viewOnce'));
  const spoken = { userAgent: { osVersion: '1' } };
  expect(() => encodeProto(ClientPayloadSchema, spoken)).toThrow(refused('UserAgent.osVersion'));
});

test('what is not known to the program is refused as well', () => {
  const message = fromBinary(MessageSchema, Uint8Array.of(0x0a, 1, 0x61, 0xfa, 0x7f, 1, 0x62));
  expect(() => encodeProto(MessageSchema, message)).toThrow(refused('Message, unknown fields'));
});

test('protobuf of ours becomes bytes in one place', () => {
  const encoding = globSync('src/**/*.ts').filter((path) => readFileSync(path, 'utf8').includes('toBinary('));
  const ours = encoding.filter((path) => !path.startsWith('src/sandbox/') && !path.startsWith('src/demo/'));
  // The two beside it are the server's half of the handshake, which the sandbox uses.
  expect(ours.sort()).toEqual([
    'src/proto/encode.ts',
    'src/whatsapp/noise/certificate.ts',
    'src/whatsapp/noise/responder.ts',
  ]);
});
