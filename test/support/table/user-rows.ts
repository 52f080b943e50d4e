// Each row of the capability table from Matrix to contacts: what a Matrix user sends, and what a phone and an unmodified client have to get.
import { expect } from 'vitest';
import type { MatrixUser } from '../../../src/demo/matrix-user.ts';
import type { FeatureIn } from '../../../src/translate/capabilities.ts';
import { uploadEncrypted } from '../matrix-files.ts';
import { type Elsewhere, picture, type Unproved } from './proofs.ts';

/** Answers the event. */
type Sent = (user: MatrixUser, room: string) => Promise<string>;

export type UserRow =
  | {
      readonly sent: Sent;
      /** As the control API of the phone shows it, and the content that the client decrypts. Absent where the table refuses. */
      readonly got?: { readonly phone: object; readonly client: object; readonly bytes?: Uint8Array };
    }
  | Elsewhere
  | Unproved;

const event =
  (type: string, content: Record<string, unknown>): Sent =>
  async (user, room) =>
    (await user.client.sendEvent(room, type as never, content as never)).event_id;

const message = (msgtype: string, body: string, more: Record<string, unknown> = {}): Sent =>
  event('m.room.message', { msgtype, body, ...more });

/** About an event of the room: the first one, whatever that is. */
const about =
  (type: string, content: Record<string, unknown>): Sent =>
  async (user, room) => {
    const [first] = await user.messages(room);
    return event(type, { ...content, 'm.relates_to': { rel_type: 'm.reference', event_id: first?.eventId } })(
      user,
      room,
    );
  };

const file =
  (bytes: Uint8Array, type: string, { info, ...more }: Record<string, unknown>): Sent =>
  async (user, room) => {
    const size = { size: bytes.length, ...(info as object) };
    return event(type, { ...more, file: await uploadEncrypted(user, bytes), info: size })(user, room);
  };

/** As members of sticker packs are: a file that everybody may read. */
const packSticker =
  (bytes: Uint8Array, mimetype: string): Sent =>
  async (user, room) => {
    const { content_uri: url } = await user.client.uploadContent(new Blob([new Uint8Array(bytes)], { type: mimetype }));
    return event('m.sticker', { body: 'Wave', url, info: { mimetype, w: 256, h: 256 } })(user, room);
  };

const text = (words: string) => ({ phone: { type: 'text', text: words }, client: { conversation: words } });
const told = (words: string) => expect.stringMatching(new RegExp(`^${words}`));

const references = 'references.test.ts';
const signals = 'signals.test.ts';
const jpeg = picture('jpeg', 1_200);
const webp = picture('webp', 700);
const noise = Buffer.alloc(1_500, 'noise');
const ogg = Buffer.from('OggS voice note');

export const userRows: Readonly<Record<FeatureIn<'to-whatsapp'>, UserRow>> = {
  text: { sent: message('m.text', 'good evening 👋'), got: text('good evening 👋') },
  formatting: {
    sent: message('m.text', 'plain', {
      format: 'org.matrix.custom.html',
      formatted_body:
        '<h2>Plan</h2><p>a <b>bold <i>and italic</i></b> <del>no</del> <code>x &lt; y</code></p><ol><li>one</li><li>two</li></ol><blockquote>said</blockquote><span data-mx-spoiler>end</span> <a href="https://example.org/a_b">here</a><script>alert(1)</script>',
    }),
    got: text(
      '*Plan*\n\na *bold _and italic_* ~no~ `x < y`\n\n1. one\n2. two\n> said\n[spoiler] end here (https://example.org/a_b)',
    ),
  },
  emote: { sent: message('m.emote', 'waves'), got: text('_waves_') },
  notice: { sent: message('m.notice', 'The build is done.'), got: text('The build is done.') },
  mention: {
    sent: message('m.text', 'Anna (WhatsApp): look', {
      format: 'org.matrix.custom.html',
      formatted_body: '<a href="https://matrix.to/#/@wa_1:localhost">Anna (WhatsApp)</a>: look',
      'm.mentions': { user_ids: ['@wa_1:localhost'] },
    }),
    got: text('Anna: look'),
  },
  reply: {
    file: references,
    test: 'of the user name the message and quote its words, also after a restart of the bridge',
  },
  image: {
    sent: file(jpeg, 'm.room.message', {
      msgtype: 'm.image',
      body: 'a.jpg',
      info: { mimetype: 'image/jpeg', w: 8, h: 6 },
    }),
    got: {
      phone: { media: { kind: 'image', mimetype: 'image/jpeg', width: 8, height: 6, thumbnail: false } },
      client: { imageMessage: { mimetype: 'image/jpeg', width: 8, height: 6 } },
      bytes: jpeg,
    },
  },
  gif: {
    sent: file(noise, 'm.room.message', {
      msgtype: 'm.video',
      body: 'a.mp4',
      info: { mimetype: 'video/mp4', duration: 1_500, 'fi.mau.gif': true },
    }),
    got: {
      phone: { media: { kind: 'video', gif: true, seconds: 2 } },
      client: { videoMessage: { gifPlayback: true, seconds: 2 } },
      bytes: noise,
    },
  },
  video: {
    sent: file(noise, 'm.room.message', { msgtype: 'm.video', body: 'a.mp4', info: { mimetype: 'video/mp4' } }),
    got: {
      phone: { media: { kind: 'video', mimetype: 'video/mp4' } },
      client: { videoMessage: { mimetype: 'video/mp4' } },
      bytes: noise,
    },
  },
  voice: {
    sent: file(ogg, 'm.room.message', {
      msgtype: 'm.audio',
      body: 'Voice message.ogg',
      info: { mimetype: 'audio/ogg', duration: 3_000 },
      'org.matrix.msc1767.audio': { duration: 3_000, waveform: [0, 512, 1024] },
      'org.matrix.msc3245.voice': {},
    }),
    got: {
      phone: { media: { kind: 'audio', voice: true, seconds: 3, mimetype: 'audio/ogg; codecs=opus' } },
      client: { audioMessage: { ptt: true, seconds: 3, waveform: expect.objectContaining({ length: 64 }) } },
      bytes: ogg,
    },
  },
  audio: {
    sent: file(noise, 'm.room.message', { msgtype: 'm.audio', body: 'a.mp3', info: { mimetype: 'audio/mpeg' } }),
    got: {
      phone: { media: { kind: 'audio', mimetype: 'audio/mpeg' } },
      client: { audioMessage: { mimetype: 'audio/mpeg', ptt: false } },
      bytes: noise,
    },
  },
  file: {
    sent: file(noise, 'm.room.message', { msgtype: 'm.file', body: 'a.pdf', info: { mimetype: 'application/pdf' } }),
    got: {
      phone: { media: { kind: 'document', mimetype: 'application/pdf', fileName: 'a.pdf' } },
      client: { documentMessage: { mimetype: 'application/pdf', fileName: 'a.pdf' } },
      bytes: noise,
    },
  },
  sticker: {
    sent: packSticker(webp, 'image/webp'),
    got: {
      phone: { media: { kind: 'sticker', mimetype: 'image/webp', width: 256 } },
      client: { stickerMessage: { mimetype: 'image/webp', width: 256 } },
      bytes: webp,
    },
  },
  caption: {
    sent: file(jpeg, 'm.room.message', {
      msgtype: 'm.image',
      body: 'see page 2',
      format: 'org.matrix.custom.html',
      formatted_body: 'see <b>page 2</b>',
      filename: 'a.jpg',
      info: { mimetype: 'image/jpeg' },
    }),
    got: {
      phone: { media: { kind: 'image', caption: 'see *page 2*' } },
      client: { imageMessage: { caption: 'see *page 2*' } },
      bytes: jpeg,
    },
  },
  location: {
    sent: message('m.location', 'Dam', { geo_uri: 'geo:52.37,4.9;u=10' }),
    got: {
      phone: { location: { latitude: 52.37, longitude: 4.9, accuracy: 10, name: 'Dam' } },
      client: { locationMessage: { degreesLatitude: 52.37, degreesLongitude: 4.9, name: 'Dam' } },
    },
  },
  'live-location': {
    sent: about('org.matrix.msc3672.beacon', { 'org.matrix.msc3488.location': { uri: 'geo:52.37,4.9' } }),
  },
  poll: {
    sent: event('org.matrix.msc3381.poll.start', {
      'org.matrix.msc3381.poll.start': {
        kind: 'org.matrix.msc3381.poll.disclosed',
        max_selections: 1,
        question: { 'org.matrix.msc1767.text': 'Tea?' },
        answers: ['Yes', 'No'].map((answer) => ({ id: answer, 'org.matrix.msc1767.text': answer })),
      },
      'org.matrix.msc1767.text': 'Tea? 1. Yes 2. No',
    }),
    got: {
      phone: { text: told('Poll: Tea\\?\n• Yes\n• No\n') },
      client: { conversation: told('Poll: Tea\\?\n• Yes\n• No\n') },
    },
  },
  'poll-vote': {
    sent: about('org.matrix.msc3381.poll.response', { 'org.matrix.msc3381.poll.response': { answers: ['Yes'] } }),
  },
  'poll-end': { sent: about('org.matrix.msc3381.poll.end', { 'org.matrix.msc3381.poll.end': {} }) },
  expiring: { why: 'nothing that a Matrix user sends has a timer: that it has none is the row' },
  reaction: { file: references, test: 'of the user: one, replaced, taken back; after a restart too' },
  edit: { file: references, test: 'of the user replace the text, their own only' },
  deletion: { file: references, test: 'of the user revoke; of what never went out, nothing is claimed' },
  call: {
    sent: async (user, room) => {
      const call = { call_id: 'c', version: '1', party_id: 'p' };
      const invite = { ...call, lifetime: 60_000, offer: { type: 'offer', sdp: 'v=0' } };
      const id = await event('m.call.invite', invite)(user, room);
      await event('m.call.candidates', { ...call, candidates: [] })(user, room);
      await event('m.call.hangup', call)(user, room);
      return id;
    },
  },
  verification: {
    sent: message('m.key.verification.request', 'Verify me', {
      methods: ['m.sas.v1'],
      from_device: 'D',
      to: '@wa_1:localhost',
    }),
  },
  unknown: { sent: message('org.example.greeting', 'hello') },
  group: { why: 'portals are chats of two' },
  'delivery-receipt': {
    file: 'conversation.test.ts',
    test: 'is reached by a stranger on WhatsApp: an invitation, a label, a message without a shield',
  },
  'read-receipt': { file: signals, test: 'is told once it is on: in order, each once, and nothing from before' },
  typing: { file: signals, test: 'is shown once it is on, until it ends' },
  profile: { why: 'the name goes to the network with the opt-in, and WhatsApp shows it as it likes' },
};
