// The capability table: the translators do what it says, and so does the documentation.
import { readFileSync } from 'node:fs';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import { featuresPage } from '../../scripts/features-page.ts';
import type { MessageId } from '../../src/model/ids.ts';
import { lidJid } from '../../src/model/jid.ts';
import { MessageSchema, ProtocolMessage_Type } from '../../src/proto/message_pb.ts';
import {
  type Capabilities,
  capabilities,
  carries,
  type Direction,
  type Feature,
  nouns,
  refusedText,
  unsupportedText,
} from '../../src/translate/capabilities.ts';
import { writeMatrixFile } from '../../src/translate/media/matrix-file.ts';
import { deletion, edit, reaction } from '../../src/translate/references.ts';
import { parseMessage, toMatrix } from '../../src/translate/to-matrix.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';

const table = capabilities.whatsapp;
const features = Object.keys(table) as Feature[];
const key = { id: 'A', fromMe: true };
const place = { degreesLatitude: 1, degreesLongitude: 2 };
const hash = new Uint8Array(32);
const file = { directPath: '/v/a?b', mediaKey: hash, fileEncSha256: hash, fileSha256: hash, fileLength: 5n };

/** One of each from a contact. */
const received: Partial<Record<Feature, MessageInitShape<typeof MessageSchema>>> = {
  text: { conversation: '*hi*' },
  image: { imageMessage: file },
  gif: { videoMessage: { ...file, gifPlayback: true } },
  video: { videoMessage: file },
  'video-note': { ptvMessage: file },
  voice: { audioMessage: { ...file, ptt: true } },
  audio: { audioMessage: file },
  file: { documentMessage: file },
  sticker: { stickerMessage: file },
  'lottie-sticker': { lottieStickerMessage: { message: { stickerMessage: { ...file, isLottie: true } } } },
  'sticker-pack': { stickerPackMessage: {} },
  location: { locationMessage: place },
  'live-location': { liveLocationMessage: place },
  contact: { contactMessage: { displayName: 'Anna' } },
  poll: { pollCreationMessage: { name: 'Lunch?' } },
  'poll-vote': { pollUpdateMessage: {} },
  'group-invite': { groupInviteMessage: { groupName: 'Family' } },
  disappearing: { protocolMessage: { type: ProtocolMessage_Type.EPHEMERAL_SETTING } },
  reaction: { reactionMessage: { key, text: '👍' } },
  edit: { protocolMessage: { key, type: ProtocolMessage_Type.MESSAGE_EDIT, editedMessage: { conversation: 'new' } } },
  deletion: { protocolMessage: { key, type: ProtocolMessage_Type.REVOKE } },
  pin: { pinInChatMessage: {} },
  'phone-number': { protocolMessage: { type: ProtocolMessage_Type.SHARE_PHONE_NUMBER } },
  'limited-sharing': { protocolMessage: { type: ProtocolMessage_Type.LIMIT_SHARING } },
  call: { call: {} },
  unknown: { templateMessage: {} },
};

const room = (content: Record<string, unknown>) => ({ type: 'm.room.message', content: { body: 'b', ...content } });

const attachment = writeMatrixFile({
  url: 'mxc://example.org/abc',
  key: hash,
  iv: new Uint8Array(16),
  encryptedSha256: hash,
});
const words = (text: string) => ({ 'org.matrix.msc1767.text': text });
const lunch = { question: words('Lunch?'), answers: [{ id: '1', ...words('Soup') }] };

/** One of each from a Matrix user. */
const sent: Partial<Record<Feature, { type: string; content: Record<string, unknown> }>> = {
  text: room({ msgtype: 'm.text' }),
  emote: room({ msgtype: 'm.emote' }),
  notice: room({ msgtype: 'm.notice' }),
  image: room({ msgtype: 'm.image', file: attachment, info: { mimetype: 'image/jpeg' } }),
  gif: room({ msgtype: 'm.video', file: attachment, info: { mimetype: 'video/mp4', 'fi.mau.gif': true } }),
  video: room({ msgtype: 'm.video', file: attachment, info: { mimetype: 'video/mp4' } }),
  voice: room({ msgtype: 'm.audio', file: attachment, 'org.matrix.msc3245.voice': {} }),
  audio: room({ msgtype: 'm.audio', file: attachment, info: { mimetype: 'audio/mpeg' } }),
  file: room({ msgtype: 'm.file', file: attachment }),
  sticker: {
    type: 'm.sticker',
    content: { body: 'Wave', url: 'mxc://example.org/abc', info: { mimetype: 'image/webp' } },
  },
  location: room({ msgtype: 'm.location', geo_uri: 'geo:1,2' }),
  'live-location': { type: 'org.matrix.msc3672.beacon', content: {} },
  poll: { type: 'org.matrix.msc3381.poll.start', content: { 'org.matrix.msc3381.poll.start': lunch } },
  'poll-end': { type: 'org.matrix.msc3381.poll.end', content: {} },
  'poll-vote': { type: 'org.matrix.msc3381.poll.response', content: {} },
  call: { type: 'm.call.invite', content: {} },
  verification: room({ msgtype: 'm.key.verification.request' }),
  unknown: room({ msgtype: 'm.server_notice' }),
};

/** Messages about other messages. */
const kinds: Partial<Record<Feature, string>> = { reaction: 'reaction', edit: 'edit', deletion: 'deletion' };

const files = new Set<Feature>(['image', 'gif', 'video', 'video-note', 'voice', 'audio', 'file', 'sticker']);
const kindOf = (feature: Feature) => kinds[feature] ?? (files.has(feature) ? 'media' : 'message');

function withRefusal(feature: Feature, direction: Direction): Capabilities {
  return { ...table, [feature]: { ...table[feature], [direction]: { support: 'refused' } } };
}

const messagesThat = (direction: Direction): Feature[] =>
  features.filter((feature) => table[feature].kind === 'message' && table[feature][direction] !== undefined);

describe('the translators do what the table says', () => {
  it.each(messagesThat('to-matrix'))('%s from contacts', (feature) => {
    const init = received[feature];
    if (init === undefined) throw new Error('no example');
    const message = create(MessageSchema, init);
    const refusal = { kind: 'unsupported', feature };
    if (carries(table, feature, 'to-matrix')) expect(toMatrix(message).kind).toBe(kindOf(feature));
    else expect(toMatrix(message)).toEqual(refusal);
    expect(toMatrix(message, withRefusal(feature, 'to-matrix'))).toEqual(refusal);
  });

  it.each(messagesThat('to-whatsapp').filter((feature) => kinds[feature] === undefined))(
    '%s from Matrix users',
    (feature) => {
      const event = sent[feature];
      if (event === undefined) throw new Error('no example');
      const refusal = { kind: 'refused', feature };
      if (carries(table, feature, 'to-whatsapp'))
        expect(toWhatsApp(event.type, event.content).kind).toBe(kindOf(feature));
      else expect(toWhatsApp(event.type, event.content)).toEqual(refusal);
      expect(toWhatsApp(event.type, event.content, withRefusal(feature, 'to-whatsapp'))).toEqual(refusal);
    },
  );

  it('messages about other messages, from Matrix users', () => {
    const meant = { target: { messageId: 'A' as MessageId, fromUser: true }, chat: lidJid('1'), now: 5 };
    const content = { 'm.new_content': { msgtype: 'm.text', body: 'b' } };
    const write = {
      reaction: (obeyed: Capabilities) => reaction('👍', meant, obeyed),
      edit: (obeyed: Capabilities) => edit(content, meant, obeyed),
      deletion: (obeyed: Capabilities) => deletion(meant, obeyed),
    };
    for (const feature of ['reaction', 'edit', 'deletion'] as const) {
      expect(write[feature](table).kind).toBe('message');
      expect(write[feature](withRefusal(feature, 'to-whatsapp'))).toEqual({ kind: 'refused', feature });
    }
  });

  it('formatting that is refused leaves the text', () => {
    const message = create(MessageSchema, { conversation: '*hi*' });
    expect(toMatrix(message)).toMatchObject({ content: { formatted_body: '<strong>hi</strong>' } });
    expect(toMatrix(message, withRefusal('formatting', 'to-matrix'))).toEqual({
      kind: 'message',
      content: { msgtype: 'm.text', body: '*hi*' },
    });
    const content = { msgtype: 'm.text', body: 'hi', format: 'org.matrix.custom.html', formatted_body: '<b>hi</b>' };
    const result = toWhatsApp('m.room.message', content, withRefusal('formatting', 'to-whatsapp'));
    expect(result.kind === 'message' && parseMessage(result.payload).conversation).toBe('hi');
  });

  it('what is not shown as itself says so, in the words of the table', () => {
    const fallbacks = messagesThat('to-matrix').filter(
      (feature) => table[feature]['to-matrix']?.support === 'fallback',
    );
    expect(fallbacks.length).toBeGreaterThan(0);
    for (const feature of fallbacks) {
      const result = toMatrix(create(MessageSchema, received[feature] ?? {}));
      const told = table[feature]['to-matrix']?.told;
      expect(told).toBeTruthy();
      expect(result.kind === 'message' && result.content.body).toContain(`\n\n(${told})`);
    }
  });
});

it('what a Matrix user sends in another form says so as well', () => {
  const event = sent.poll;
  const result = event && toWhatsApp(event.type, event.content);
  expect(result?.kind === 'message' && parseMessage(result.payload).conversation).toBe(
    `Poll: Lunch?\n• Soup\n\n(${table.poll['to-whatsapp']?.told})`,
  );
});

it('a call or a shared live location of a Matrix user is one thing, however many events it has', () => {
  const action = (type: string, content: Record<string, unknown>) => {
    const result = toWhatsApp(type, content);
    return result.kind === 'refused' ? [result.feature, result.action] : undefined;
  };
  for (const part of ['invite', 'candidates', 'hangup']) {
    expect(action(`m.call.${part}`, { call_id: 'c' })).toEqual(['call', 'call:c']);
  }
  expect(action('org.matrix.msc4075.rtc.notification', {})).toEqual(['call', undefined]);
  const shared = { 'm.relates_to': { rel_type: 'm.reference', event_id: '$share' } };
  expect(action('org.matrix.msc3672.beacon', shared)).toEqual(['live-location', 'live-location:$share']);
  expect(action('m.room.message', { msgtype: 'm.server_notice', body: 'x', call_id: 'c' })).toEqual([
    'unknown',
    undefined,
  ]);
});

describe('words for people', () => {
  it('name everything that is carried in full, and nothing else', () => {
    expect(nouns('to-whatsapp', 'full')).toEqual([
      ...['text messages', 'pictures', 'videos', 'voice notes', 'audio files', 'files'],
      ...['locations', 'edits', 'deletions'],
    ]);
    expect(nouns('to-matrix', 'refused')).toContain('sticker packs');
    expect(nouns('to-matrix', 'refused')).not.toContain('messages of other kinds');
    expect(nouns('to-matrix', 'fallback', 'messenger')).toContain('polls');
  });

  it('tell the user what has not come over, and why', () => {
    for (const feature of features) {
      expect(unsupportedText('Anna', feature)).toMatch(/^Anna .*[.)]$/);
      expect(refusedText(feature)).toMatch(/not sent/);
      expect(unsupportedText('Anna', feature) + refusedText(feature)).not.toMatch(/[{}]|undefined/);
    }
    expect(unsupportedText('$& {noun}', 'image')).toBe(
      '$& {noun} sent something that could not be read here (pictures). It may be seen on WhatsApp.',
    );
    expect(refusedText('text')).toBe(
      'This was not sent: for text messages there is a limit (1 to 65,536 characters). Trying again does not help; change it first.',
    );
  });
});

it('docs/features.md is what the table says (npm run docs:features)', () => {
  expect(readFileSync('docs/features.md', 'utf8')).toBe(featuresPage());
});
