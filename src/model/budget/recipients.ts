// Who gets to see a field of the metadata budget (docs/privacy.md). The other files here say it of each field.

export const recipients = {
  network: 'Meta, which carries the messages between our users and their contacts',
  contact:
    "the person on the network, and their devices; what is inside the message's encryption, the network does not see",
  homeserver: 'the Matrix homeserver and its administrator',
  user: 'the Matrix user themself, behind the encryption of the room',
  operator: 'whoever reads the log or the metrics of the bridge',
  disk: 'whoever reads the database or a directory of the bridge',
} as const;

export type Recipient = keyof typeof recipients;

/** Fields that are disclosed together for one purpose. */
export interface Disclosure {
  /** Names, separated by spaces. */
  readonly fields: string;
  readonly to: readonly [Recipient, ...Recipient[]];
  readonly purpose: string;
  /** What people wrote, or its ciphertext: not metadata, and not counted as such. */
  readonly content?: true;
}

/** Names of fields, one by one. */
export const namesIn = (fields: string): readonly string[] => fields.split(/\s+/).filter((name) => name !== '');

/** Told how many bytes of metadata somebody has just been sent. */
export type Disclosed = (to: Recipient, bytes: number) => void;
