// What each network can do in each direction, as data: the translators obey it, help texts, notices and docs/features.md are made from it.
import type { Network } from '../model/account.ts';

export type Direction = 'to-matrix' | 'to-whatsapp';

/**
 * `full`: carried as what it is. `partial`: carried with losses. `fallback`: something readable stands for it, and says so.
 * `refused`: not carried; the user is told so.
 */
export type Support = 'full' | 'partial' | 'fallback' | 'refused';

export interface Capability {
  readonly support: Support;
  /** What the support is limited to, as a phrase. */
  readonly limit?: string;
  /**
   * The sentence shown to users: of a fallback, under what stands for it; of a refusal, instead of the general one, with `{name}` for
   * the contact; otherwise in the documentation only.
   */
  readonly told?: string;
}

export interface Row {
  /** For people, in the plural: "pictures". */
  readonly noun: string;
  /** `message`: sent on its own, so that it can be refused. `property`: comes with a message. `signal`: never shown as a message. */
  readonly kind: 'message' | 'property' | 'signal';
  /** Absent where there is no such thing to be sent. */
  readonly 'to-matrix'?: Capability;
  readonly 'to-whatsapp'?: Capability;
}

/** The longest text that WhatsApp takes, in UTF-16 units (assumed). */
export const longestText = 65_536;

/** The most that one Matrix message may take as JSON, in bytes: encryption adds a third, and an event has 65,536 (Matrix spec, "Size limits"). */
export const largestContent = 45_000;

/** How long after sending a message WhatsApp takes an edit of it, in milliseconds (docs/protocol.md). */
export const editWindowMs = 20 * 60_000;

/** The reaction that says that a message has arrived. Two ticks mean that to people on WhatsApp. */
export const deliveryMark = '✓✓';

const thousands = (count: number): string => String(count).replace(/\B(?=(?:\d{3})+$)/g, ',');
const serverSize = 'up to the size that your server allows';
const full: Capability = { support: 'full' };
const refused: Capability = { support: 'refused' };

const whatsapp = {
  text: {
    noun: 'text messages',
    kind: 'message',
    'to-matrix': {
      support: 'full',
      limit: `${thousands(longestText)} characters; in several messages where that is more than one of Matrix takes, and an edit is cut off there, with a note`,
    },
    'to-whatsapp': { support: 'full', limit: `1 to ${thousands(longestText)} characters` },
  },
  formatting: {
    noun: 'formatting',
    kind: 'property',
    'to-matrix': {
      support: 'full',
      limit: 'bold, italic, strike, code, lists, quotes; left out where it takes more room than an event has',
    },
    'to-whatsapp': {
      support: 'partial',
      limit: 'bold, italic, strike, code, lists, quotes; whole words only',
      told: 'Headings become bold, tables and nested lists plain lines, hidden text (spoilers) is visible. WhatsApp reads *, _, ~ and ` in plain text as formatting too, and there is no way to prevent it.',
    },
  },
  emote: {
    noun: 'actions (/me)',
    kind: 'message',
    'to-whatsapp': { support: 'partial', told: 'Shown in italics.' },
  },
  notice: {
    noun: 'notices of bots',
    kind: 'message',
    'to-whatsapp': { support: 'partial', told: 'Shown as ordinary text.' },
  },
  mention: {
    noun: 'mentions',
    kind: 'property',
    'to-matrix': { support: 'partial', told: 'Shown as WhatsApp writes them: @ and a number. Nobody is notified.' },
    'to-whatsapp': {
      support: 'partial',
      told: 'Shown as the name, without the label of this bridge. Nobody is notified.',
    },
  },
  reply: {
    noun: 'replies and threads',
    kind: 'property',
    'to-matrix': { support: 'full', limit: 'what is not known here (any more) is quoted in the text' },
    'to-whatsapp': {
      support: 'full',
      limit: 'replies; what is not known there (any more) is quoted in the text, or in the words under a file',
      told: 'Messages in threads arrive as ordinary messages.',
    },
  },
  image: {
    noun: 'pictures',
    kind: 'message',
    'to-matrix': { support: 'full', limit: `${serverSize}; what is sent in high quality comes twice, first small` },
    'to-whatsapp': {
      support: 'full',
      limit: `${serverSize}; JPEG and PNG, other formats as files; a preview only where your client makes one of at most 16 KiB`,
    },
  },
  gif: {
    noun: 'GIFs',
    kind: 'message',
    'to-matrix': {
      support: 'full',
      limit: serverSize,
      told: 'WhatsApp’s GIFs are videos without sound; clients that know the sign for it let them play like pictures.',
    },
    'to-whatsapp': {
      support: 'partial',
      limit: serverSize,
      told: 'Videos that play like pictures stay so. GIF pictures are sent as files, because WhatsApp does not show them moving.',
    },
  },
  video: {
    noun: 'videos',
    kind: 'message',
    'to-matrix': { support: 'full', limit: serverSize },
    'to-whatsapp': { support: 'full', limit: `${serverSize}; MP4 and 3GP, other formats as files` },
  },
  'video-note': {
    noun: 'round video notes',
    kind: 'message',
    'to-matrix': { support: 'partial', limit: serverSize, told: 'Shown as ordinary videos.' },
  },
  voice: {
    noun: 'voice notes',
    kind: 'message',
    'to-matrix': { support: 'full', limit: serverSize },
    'to-whatsapp': { support: 'full', limit: `${serverSize}; Ogg, other formats as audio` },
  },
  audio: {
    noun: 'audio files',
    kind: 'message',
    'to-matrix': { support: 'full', limit: serverSize },
    'to-whatsapp': {
      support: 'full',
      limit: `${serverSize}; AAC, AMR, MP3, MP4, Ogg; other formats, and what has words under it, as files`,
    },
  },
  file: {
    noun: 'files',
    kind: 'message',
    'to-matrix': { support: 'full', limit: serverSize },
    'to-whatsapp': { support: 'full', limit: serverSize },
  },
  sticker: {
    noun: 'stickers',
    kind: 'message',
    'to-matrix': { support: 'full', limit: serverSize },
    'to-whatsapp': {
      support: 'partial',
      limit: serverSize,
      told: 'WebP stays a sticker, JPEG and PNG become pictures, other formats files. Pictures of sticker packs are not encrypted on Matrix’s side, and only those are taken so.',
    },
  },
  'lottie-sticker': {
    noun: 'animated vector stickers',
    kind: 'message',
    'to-matrix': {
      support: 'refused',
      told: '{name} sent an animated vector sticker (Lottie). Matrix clients cannot show it; it can be seen on WhatsApp only.',
    },
  },
  'sticker-pack': {
    noun: 'sticker packs',
    kind: 'message',
    'to-matrix': { support: 'refused', told: '{name} sent a sticker pack. It can be seen on WhatsApp only.' },
  },
  caption: {
    noun: 'words under files',
    kind: 'property',
    'to-matrix': { support: 'full', limit: 'about 30,000 bytes; what goes beyond is cut off, with a note' },
    'to-whatsapp': { support: 'full', limit: 'stickers and audio have none there' },
  },
  location: {
    noun: 'locations',
    kind: 'message',
    'to-matrix': full,
    'to-whatsapp': { support: 'full', limit: 'a place on Earth, in degrees' },
  },
  'live-location': {
    noun: 'live locations',
    kind: 'message',
    'to-matrix': { support: 'fallback', told: 'Live location: only this position is shown here, it does not move.' },
    'to-whatsapp': {
      support: 'refused',
      told: 'Your live location was not sent: live locations are not carried over. Send where you are instead.',
    },
  },
  contact: {
    noun: 'contact cards',
    kind: 'message',
    'to-matrix': { support: 'fallback', limit: '10 cards', told: 'Contact card from WhatsApp, shown as text.' },
  },
  poll: {
    noun: 'polls',
    kind: 'message',
    'to-matrix': {
      support: 'fallback',
      told: 'Poll from WhatsApp, shown as text. You cannot vote from here: write your answer instead.',
    },
    'to-whatsapp': {
      support: 'fallback',
      limit: 'a question and at least one answer; 20 answers are shown',
      told: 'Poll from Matrix, shown as text. You cannot vote from here: write your answer instead.',
    },
  },
  'poll-vote': {
    noun: 'votes in polls',
    kind: 'message',
    'to-matrix': { support: 'refused', told: '{name} voted in a poll on WhatsApp. Votes are not carried over.' },
    'to-whatsapp': { support: 'refused', told: 'Your vote was not sent: votes in polls are not carried over.' },
  },
  'poll-end': {
    noun: 'ends of polls',
    kind: 'message',
    'to-whatsapp': {
      support: 'refused',
      told: 'The end of your poll was not sent: on WhatsApp it is a text. Write the result instead.',
    },
  },
  'group-invite': {
    noun: 'invitations to groups',
    kind: 'message',
    'to-matrix': {
      support: 'fallback',
      told: 'Invitation from WhatsApp, shown as text. You cannot join groups from here.',
    },
  },
  'view-once': {
    noun: 'view-once messages',
    kind: 'property',
    'to-matrix': { support: 'partial', told: 'Treated as what is in them, and what is shown stays.' },
  },
  disappearing: {
    noun: 'timers of disappearing messages',
    kind: 'message',
    'to-matrix': {
      support: 'refused',
      told: '{name} changed the timer of disappearing messages on WhatsApp. That is not carried over: messages stay here.',
    },
  },
  expiring: {
    noun: 'disappearing messages',
    kind: 'property',
    'to-matrix': { support: 'partial', told: 'Shown like any other, and what is shown stays.' },
    'to-whatsapp': { support: 'partial', told: 'What you write is sent without the chat’s timer.' },
  },
  reaction: {
    noun: 'reactions',
    kind: 'message',
    'to-matrix': {
      support: 'full',
      limit: 'one emoji; your homeserver can read it; to a message that is not known here (any more), a notice',
    },
    'to-whatsapp': {
      support: 'partial',
      limit: 'one emoji, to a message that is known there; your homeserver can read it',
      told: 'WhatsApp shows one reaction of each person: the last one. Taking that back leaves none.',
    },
  },
  edit: {
    noun: 'edits',
    kind: 'message',
    'to-matrix': {
      support: 'full',
      limit: 'of texts and of words under files',
      told: 'Edited on WhatsApp. The earlier message is not known here any more.',
    },
    'to-whatsapp': {
      support: 'full',
      limit:
        'of your own texts and words under files, within 20 minutes; later edits, and edits of a file itself, are refused with a notice',
    },
  },
  deletion: {
    noun: 'deletions',
    kind: 'message',
    'to-matrix': {
      support: 'full',
      limit: 'your homeserver can see them; of a message that is not known here (any more), a notice',
    },
    'to-whatsapp': { support: 'full', limit: 'of your own messages; your homeserver can see them' },
  },
  pin: {
    noun: 'pinned messages',
    kind: 'message',
    'to-matrix': {
      support: 'refused',
      told: '{name} pinned or unpinned a message on WhatsApp. Pins are not carried over.',
    },
  },
  'phone-number': {
    noun: 'phone numbers that somebody shows',
    kind: 'message',
    'to-matrix': {
      support: 'refused',
      told: '{name} showed you their phone number on WhatsApp. It is not carried over: ask for it if you need it.',
    },
  },
  'limited-sharing': {
    noun: 'limits to what may be shared of a chat',
    kind: 'message',
    'to-matrix': {
      support: 'refused',
      told: '{name} changed on WhatsApp whether this chat may be exported and shared. Nothing here keeps to that.',
    },
  },
  call: {
    noun: 'calls',
    kind: 'message',
    'to-matrix': {
      support: 'refused',
      limit: 'calls to you are told, once each; the other side hears it ring',
      told: '{name} called on WhatsApp{how}. Calls are not carried over: nobody can pick up here, and at the other end it just rings.',
    },
    'to-whatsapp': {
      support: 'refused',
      limit: 'told once a call',
      told: 'Your call was not sent on: calls are not carried over. Write a message instead.',
    },
  },
  verification: {
    noun: 'requests to verify somebody',
    kind: 'message',
    'to-whatsapp': {
      support: 'refused',
      told: 'This was not sent: nobody on WhatsApp can answer it. To compare keys with the other person, reply "safety number" to a notice of this chat.',
    },
  },
  unknown: {
    noun: 'messages of other kinds',
    kind: 'message',
    'to-matrix': {
      support: 'refused',
      told: '{name} sent something that this bridge does not know. It can be seen on WhatsApp only.',
    },
    'to-whatsapp': {
      support: 'refused',
      told: 'This was not sent: the bridge does not carry messages of this kind. Trying again does not help.',
    },
  },
  group: { noun: 'group chats', kind: 'signal', 'to-matrix': refused, 'to-whatsapp': refused },
  'delivery-receipt': {
    noun: 'delivery receipts',
    kind: 'signal',
    'to-matrix': {
      support: 'partial',
      limit: 'off until you switch on "delivery-marks"; your homeserver can read them',
      told: `Matrix has none: the reaction ${deliveryMark} under your message stands for it, once any device of the contact has the message.`,
    },
    'to-whatsapp': { support: 'full', told: 'Sent when your homeserver has the message.' },
  },
  'read-receipt': {
    noun: 'read receipts',
    kind: 'signal',
    'to-matrix': {
      support: 'partial',
      limit: 'where this server asks the network for them, and the contact sends them',
      told: 'That a voice note was played is shown as read.',
    },
    'to-whatsapp': {
      support: 'partial',
      limit: 'off until you switch on "receipts"; private ones stay private',
      told: 'Of what you have read since then, as far as it could be shown here. Voice notes become read, never played: Matrix does not say whether you have listened.',
    },
  },
  typing: {
    noun: 'typing notifications',
    kind: 'signal',
    'to-matrix': {
      support: 'partial',
      limit: 'in chats that exist',
      told: 'A contact who records a voice note is shown as typing.',
    },
    'to-whatsapp': {
      support: 'partial',
      limit: 'off until you switch on "typing"; not before the first message of a chat',
      told: 'While it is on, you are shown as online.',
    },
  },
  profile: {
    noun: 'names and pictures of contacts',
    kind: 'signal',
    'to-matrix': {
      support: 'full',
      limit:
        'your homeserver can see them; JPEG, PNG or WebP up to 1 MiB; what could pass for a label is left out of names',
      told: 'A name is followed with the next message, a picture when WhatsApp says that it has changed, else with the first message of a day.',
    },
    'to-whatsapp': {
      support: 'partial',
      limit: 'your display name as it was when you opted in; no picture',
    },
  },
} as const satisfies Record<string, Row>;

export type Feature = keyof typeof whatsapp;
export type Capabilities = Readonly<Record<Feature, Row>>;

/** The rows that there are in a direction. */
export type FeatureIn<To extends Direction> = {
  [Name in Feature]: (typeof whatsapp)[Name] extends Readonly<Record<To, Capability>> ? Name : never;
}[Feature];

/** Messenger speaks the same interface; no test has met it yet. */
export const capabilities: Readonly<Record<Network, Capabilities>> = { whatsapp, messenger: whatsapp };

export function carries(table: Capabilities, feature: Feature, direction: Direction): boolean {
  const capability = table[feature][direction];
  return capability !== undefined && capability.support !== 'refused';
}

/** Returns the nouns of all messages with this support in this direction, for sentences shown to users. */
export function nouns(direction: Direction, support: Support, network: Network = 'whatsapp'): string[] {
  return Object.entries(capabilities[network])
    .filter(([feature, row]) => feature !== 'unknown' && row.kind === 'message' && row[direction]?.support === support)
    .map(([, row]) => row.noun);
}

/** The sentence that stands in the room for something a contact sent and the bridge does not carry, or could not read. */
export function unsupportedText(name: string, feature: Feature, table: Capabilities = capabilities.whatsapp): string {
  const { noun, 'to-matrix': capability } = table[feature];
  if (carries(table, feature, 'to-matrix'))
    return `${name} sent something that could not be read here (${noun}). It may be seen on WhatsApp.`;
  const told = capability?.told ?? '{name} sent something that this bridge does not carry yet ({noun}).';
  return told
    .replace('{noun}', noun)
    .replace('{how}', '')
    .replace('{name}', () => name);
}

/** The sentence that stands in the room for a call. */
export function callText(name: string, video: boolean, table: Capabilities = capabilities.whatsapp): string {
  const told = table.call['to-matrix']?.told ?? '';
  return told.replace('{how}', video ? ' (video)' : '').replace('{name}', () => name);
}

/** The sentence under a message of the user that is not carried, or is outside the limits. */
export function refusedText(feature: Feature, table: Capabilities = capabilities.whatsapp): string {
  const { noun, 'to-whatsapp': capability } = table[feature];
  if (carries(table, feature, 'to-whatsapp'))
    return `This was not sent: for ${noun} there is a limit (${capability?.limit ?? 'readable ones'}). Trying again does not help; change it first.`;
  return capability?.told ?? `This was not sent: the bridge does not carry ${noun}. Trying again does not help.`;
}
