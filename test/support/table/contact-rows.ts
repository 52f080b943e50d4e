// Each row of the capability table from contacts to Matrix: what the sandbox's phone and an unmodified client send, and what has to be seen.
import type { WAMessageContent } from '@whiskeysockets/baileys';
import { expect } from 'vitest';
import type { SandboxPhone } from '../../../src/demo/sandbox-phone.ts';
import { ProtocolMessage_Type } from '../../../src/proto/message_pb.ts';
import type { FeatureIn } from '../../../src/translate/capabilities.ts';
import type { WhatsAppClient } from '../whatsapp-client.ts';
import { type Proof, picture, serialised } from './proofs.ts';

export interface Phone {
  readonly phone: SandboxPhone;
  /** The Matrix user. */
  readonly to: string;
}

export interface Client {
  readonly client: WhatsAppClient;
  /** The Matrix user, as the client addresses them. */
  readonly to: string;
}

export interface ContactRow {
  readonly phone: Proof<Phone>;
  readonly client: Proof<Client>;
  /** The events in the room, in order. Absent where the table refuses: then its sentence is expected. */
  readonly shown?: readonly object[];
}

const words = (body: string, more: object = {}) => ({
  msgtype: 'm.text',
  content: { msgtype: 'm.text', body, ...more },
});
const file = (msgtype: string, info: object, more: object = {}) => ({
  msgtype,
  content: expect.objectContaining({ file: expect.anything(), info: expect.objectContaining(info), ...more }),
});
const starting = (text: string) => ({ msgtype: 'm.text', body: expect.stringMatching(new RegExp(`^${text}`)) });

/** What the client's library has no method for, it can still encrypt and send. */
const relay =
  (content: WAMessageContent) =>
  async ({ client, to }: Client) =>
    client.socket.relayMessage(to, content, {});

const files = 'files.test.ts';
const references = 'references.test.ts';
const signals = 'signals.test.ts';
const profiles = 'profiles.test.ts';
const noise = Buffer.alloc(2_000, 'noise');
const marked = 'a *bold _and italic_* ~no~ `x < y` <b>not bold</b> & "so"';
const card = 'BEGIN:VCARD\nVERSION:3.0\nFN:Ben\nTEL;type=CELL;waid=491701234567:+49 170 1234567\nEND:VCARD';
const noLibrary = { why: 'the library cannot send one, and what is in it needs keys that it does not give out' };

export const contactRows: Readonly<Record<FeatureIn<'to-matrix'>, ContactRow>> = {
  text: {
    phone: ({ phone, to }) => phone.send(to, 'good morning 👋'),
    client: ({ client, to }) => client.send(to, 'good morning 👋'),
    shown: [words('good morning 👋')],
  },
  formatting: {
    phone: ({ phone, to }) => phone.send(to, marked),
    client: ({ client, to }) => client.send(to, marked),
    shown: [
      words(marked, {
        format: 'org.matrix.custom.html',
        formatted_body:
          'a <strong>bold <em>and italic</em></strong> <del>no</del> <code>x &lt; y</code> &lt;b&gt;not bold&lt;/b&gt; &amp; &quot;so&quot;',
      }),
    ],
  },
  mention: {
    phone: ({ phone, to }) =>
      phone.sendRaw(
        to,
        serialised({
          extendedTextMessage: { text: 'ask @31699', contextInfo: { mentionedJid: ['31699@s.whatsapp.net'] } },
        }),
      ),
    client: ({ client, to }) => client.send(to, { text: 'ask @31699', mentions: ['31699@s.whatsapp.net'] }),
    shown: [words('ask @31699')],
  },
  reply: {
    phone: { file: references, test: 'of the contact name the event, of the user and of the contact' },
    client: { file: references, test: 'replies and is replied to' },
  },
  image: {
    phone: { file: files, test: 'a picture with a caption, its size and its thumbnail' },
    client: async ({ client, to }) => {
      const album = await client.send(to, { album: { expectedImageCount: 2 } });
      const albumParentKey = { remoteJid: to, fromMe: true, id: album };
      for (const width of [640, 641]) {
        await client.send(to, { image: picture('jpeg', width), width, height: 480, jpegThumbnail: '', albumParentKey });
      }
    },
    shown: [640, 641].map((width) => file('m.image', { mimetype: 'image/jpeg', w: width, h: 480 })),
  },
  gif: {
    phone: { file: files, test: 'a moving picture' },
    client: ({ client, to }) => client.send(to, { video: noise, gifPlayback: true, jpegThumbnail: '' }),
    shown: [file('m.video', { mimetype: 'video/mp4', 'fi.mau.gif': true })],
  },
  video: {
    phone: { file: files, test: 'a video' },
    client: ({ client, to }) => client.send(to, { video: noise, jpegThumbnail: '' }),
    shown: [file('m.video', { mimetype: 'video/mp4' })],
  },
  'video-note': {
    phone: { file: files, test: 'a video note' },
    client: ({ client, to }) => client.send(to, { video: noise, ptv: true, jpegThumbnail: '' }),
    shown: [file('m.video', { mimetype: 'video/mp4' })],
  },
  voice: {
    phone: { file: files, test: 'a voice note keeps its duration and its shape' },
    client: ({ client, to }) =>
      client.send(to, { audio: noise, ptt: true, mimetype: 'audio/ogg; codecs=opus', seconds: 4 }),
    shown: [file('m.audio', { mimetype: 'audio/ogg', duration: 4_000 }, { 'org.matrix.msc3245.voice': {} })],
  },
  audio: {
    phone: { file: files, test: 'music' },
    client: ({ client, to }) => client.send(to, { audio: noise, mimetype: 'audio/mp4', seconds: 5 }),
    shown: [file('m.audio', { mimetype: 'audio/mp4', duration: 5_000 })],
  },
  file: {
    phone: { file: files, test: 'a document' },
    client: ({ client, to }) => client.send(to, { document: noise, mimetype: 'application/pdf', fileName: 'plan.pdf' }),
    shown: [file('m.file', { mimetype: 'application/pdf' }, { body: 'plan.pdf' })],
  },
  sticker: {
    phone: { file: files, test: 'a sticker' },
    client: ({ client, to }) => client.send(to, { sticker: picture('webp', 900), isAnimated: true }),
    shown: [
      {
        type: 'm.sticker',
        content: expect.objectContaining({
          file: expect.anything(),
          info: expect.objectContaining({ mimetype: 'image/webp', 'org.matrix.msc4230.is_animated': true }),
        }),
      },
    ],
  },
  'lottie-sticker': {
    phone: ({ phone, to }) =>
      phone.sendRaw(to, serialised({ lottieStickerMessage: { message: { stickerMessage: { isLottie: true } } } })),
    client: relay({ lottieStickerMessage: { message: { stickerMessage: { isLottie: true } } } }),
  },
  'sticker-pack': {
    phone: ({ phone, to }) => phone.sendRaw(to, serialised({ stickerPackMessage: {} })),
    client: relay({ stickerPackMessage: { name: 'Cats', publisher: 'Anna' } }),
  },
  caption: {
    phone: { file: files, test: 'a picture with a caption, its size and its thumbnail' },
    client: ({ client, to }) =>
      client.send(to, { document: noise, mimetype: 'application/pdf', fileName: 'a.pdf', caption: 'see *page 2*' }),
    shown: [
      file('m.file', {}, { body: 'see *page 2*', formatted_body: 'see <strong>page 2</strong>', filename: 'a.pdf' }),
    ],
  },
  location: {
    phone: ({ phone, to }) =>
      phone.sendOther(to, { type: 'location', latitude: 52.37, longitude: 4.9, name: 'Dam', address: 'Dam 1' }),
    client: ({ client, to }) =>
      client.send(to, {
        location: { degreesLatitude: 52.37, degreesLongitude: 4.9, name: 'Dam', address: 'Dam 1' },
      }),
    shown: [
      {
        msgtype: 'm.location',
        content: { msgtype: 'm.location', geo_uri: 'geo:52.37,4.9', body: 'Location: Dam, Dam 1 (geo:52.37,4.9)' },
      },
    ],
  },
  'live-location': {
    phone: ({ phone, to }) =>
      phone.sendOther(to, { type: 'live-location', latitude: 52.37, longitude: 4.9, caption: 'on my way' }),
    client: relay({
      liveLocationMessage: { degreesLatitude: 52.37, degreesLongitude: 4.9, caption: 'on my way', sequenceNumber: 1 },
    }),
    shown: [
      {
        msgtype: 'm.location',
        body: expect.stringMatching(/^Location: on my way \(geo:52.37,4.9\)\n/),
        content: expect.objectContaining({ geo_uri: 'geo:52.37,4.9' }),
      },
    ],
  },
  contact: {
    phone: async ({ phone, to }) => {
      const ben = { name: 'Ben', vcard: card };
      await phone.sendOther(to, { type: 'contact', contacts: [ben] });
      await phone.sendOther(to, { type: 'contact', contacts: [ben, { name: 'Cyd' }] });
    },
    client: async ({ client, to }) => {
      const ben = { displayName: 'Ben', vcard: card };
      const cyd = { displayName: 'Cyd', vcard: 'BEGIN:VCARD\nVERSION:3.0\nFN:Cyd\nEND:VCARD' };
      await client.send(to, { contacts: { displayName: 'Ben', contacts: [ben] } });
      await client.send(to, { contacts: { displayName: '2 contacts', contacts: [ben, cyd] } });
    },
    shown: [
      starting('Ben\n {4}\\+49 170 1234567\n\n'),
      starting('Ben\n {4}\\+49 170 1234567\nCyd\n {4}no telephone number\n'),
    ],
  },
  poll: {
    phone: ({ phone, to }) => phone.sendOther(to, { type: 'poll', question: 'Tea?', options: ['Yes', 'No'] }),
    client: ({ client, to }) => client.send(to, { poll: { name: 'Tea?', values: ['Yes', 'No'], selectableCount: 1 } }),
    shown: [starting('Poll: Tea\\?\n• Yes\n• No\n')],
  },
  'poll-vote': {
    phone: async ({ phone, to }) => {
      const poll = phone.messages().then((all) => all.find(({ poll }) => poll?.question === 'Tea?'));
      await phone.refer(to, { type: 'poll-vote', id: (await poll)?.id ?? '', fromMe: true, options: ['Yes'] });
    },
    client: noLibrary,
  },
  'group-invite': {
    phone: ({ phone, to }) =>
      phone.sendOther(to, { type: 'group-invite', group: '123', code: 'abc', name: 'Family', caption: 'Join us' }),
    client: relay({
      groupInviteMessage: { groupJid: '123@g.us', inviteCode: 'abc', groupName: 'Family', caption: 'Join us' },
    }),
    shown: [starting('Invitation to the group “Family”\nJoin us\n')],
  },
  'view-once': {
    phone: ({ phone, to }) =>
      phone.sendFile(to, {
        type: 'image',
        content: picture('jpeg', 300),
        mimetype: 'image/jpeg',
        viewOnce: true,
        caption: 'only once',
      }),
    client: ({ client, to }) =>
      client.send(to, { image: picture('jpeg', 300), viewOnce: true, caption: 'only once', jpegThumbnail: '' }),
    shown: [file('m.image', { mimetype: 'image/jpeg' }, { body: 'only once' })],
  },
  disappearing: {
    phone: ({ phone, to }) => phone.sendOther(to, { type: 'disappearing-timer', seconds: 86_400 }),
    client: ({ client, to }) => client.send(to, { disappearingMessagesInChat: 86_400 }),
  },
  expiring: {
    phone: ({ phone, to }) => phone.post('messages', { to, text: 'gone tomorrow', disappears: 86_400 }),
    client: ({ client, to }) =>
      client.socket.sendMessage(to, { text: 'gone tomorrow' }, { ephemeralExpiration: 86_400 }),
    shown: [words('gone tomorrow')],
  },
  reaction: {
    phone: { file: references, test: 'of the contact: one, replaced, taken back' },
    client: { file: references, test: 'reacts, edits and deletes, and sees what the user does of the kind' },
  },
  edit: {
    phone: { file: references, test: 'of the contact replace the text' },
    client: { file: references, test: 'reacts, edits and deletes, and sees what the user does of the kind' },
  },
  deletion: {
    phone: { file: references, test: 'of the contact redact, their own only' },
    client: { file: references, test: 'reacts, edits and deletes, and sees what the user does of the kind' },
  },
  pin: {
    phone: async ({ phone, to }) => {
      const [first] = await phone.messages();
      await phone.refer(to, { type: 'pin', id: first?.id ?? '', fromMe: true });
    },
    client: ({ client, to }) =>
      client.send(to, { pin: { remoteJid: to, fromMe: true, id: 'EARLIER' }, type: 1, time: 86_400 }),
  },
  'phone-number': {
    phone: ({ phone, to }) =>
      phone.sendRaw(to, serialised({ protocolMessage: { type: ProtocolMessage_Type.SHARE_PHONE_NUMBER } })),
    client: ({ client, to }) => client.send(to, { sharePhoneNumber: true }),
  },
  'limited-sharing': {
    phone: ({ phone, to }) =>
      phone.sendRaw(to, serialised({ protocolMessage: { type: ProtocolMessage_Type.LIMIT_SHARING } })),
    client: ({ client, to }) => client.send(to, { limitSharing: true }),
  },
  call: {
    phone: { file: signals, test: 'is told once, and left to ring' },
    client: { why: 'the library answers calls and makes none' },
  },
  unknown: {
    phone: ({ phone, to }) => phone.sendOther(to, { type: 'unknown' }),
    client: ({ client, to }) => client.send(to, { event: { name: 'Party', startDate: new Date(0) } }),
  },
  group: {
    phone: { why: 'the sandbox has no groups, and a third-party account is in none' },
    client: { why: 'the sandbox has no groups, and a third-party account is in none' },
  },
  'delivery-receipt': {
    phone: { file: signals, test: 'is said by one reaction, also when the bridge dies over it' },
    client: { file: signals, test: 'is said by one reaction, also when the bridge dies over it' },
  },
  'read-receipt': {
    phone: {
      file: signals,
      test: 'is shown at the newest message, from whichever device it comes, and never goes back',
    },
    client: {
      file: signals,
      test: 'is shown at the newest message, from whichever device it comes, and never goes back',
    },
  },
  typing: {
    phone: { file: signals, test: 'makes no room' },
    client: { file: signals, test: 'is shown until it ends, in writing or recording' },
  },
  profile: {
    phone: { file: profiles, test: 'come with the first contact, change, and disappear' },
    client: { why: 'it has the name and the picture of its phone' },
  },
};
