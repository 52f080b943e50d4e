// What each kind of content can do in each direction, as data: translators obey it, help texts and notices are made from it.

export type Direction = 'to-matrix' | 'to-whatsapp';

/** `full`: carried. `refused`: not carried; the sender or recipient is told so. */
export type Support = 'full' | 'refused';

export interface Capability {
  /** For people, in the plural: "pictures". */
  readonly noun: string;
  readonly 'to-matrix': Support;
  readonly 'to-whatsapp': Support;
}

export const capabilities = {
  text: { noun: 'text messages', 'to-matrix': 'full', 'to-whatsapp': 'full' },
  image: { noun: 'pictures', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  audio: { noun: 'voice notes and audio', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  video: { noun: 'videos', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  file: { noun: 'files', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  sticker: { noun: 'stickers', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  location: { noun: 'locations', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  contact: { noun: 'contact cards', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  poll: { noun: 'polls', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  reaction: { noun: 'reactions', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  edit: { noun: 'edits', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  deletion: { noun: 'deletions', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  call: { noun: 'calls', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
  unknown: { noun: 'messages of this kind', 'to-matrix': 'refused', 'to-whatsapp': 'refused' },
} as const satisfies Record<string, Capability>;

export type Feature = keyof typeof capabilities;

/** Returns the nouns of everything with this support in this direction, for sentences shown to users. */
export function nouns(direction: Direction, support: Support): string[] {
  return Object.entries<Capability>(capabilities)
    .filter(([feature, capability]) => feature !== 'unknown' && capability[direction] === support)
    .map(([, capability]) => capability.noun);
}
