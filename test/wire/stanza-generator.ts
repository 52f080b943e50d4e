/** Random stanzas, within what Baileys' encoder can express. */

import fc from 'fast-check';
import {
  broadcastJid,
  groupJid,
  hostedJid,
  hostedLidJid,
  type Jid,
  lidJid,
  newsletterJid,
  phoneJid,
  serverJid,
} from '../../src/model/jid.ts';
import { type AttributeValue, type Content, type Stanza, stanza } from '../../src/whatsapp/binary/index.ts';
import { DOUBLE_BYTE_TOKENS, SINGLE_BYTE_TOKENS } from '../../src/whatsapp/binary/tokens.data.ts';

const token = fc.constantFrom(...SINGLE_BYTE_TOKENS.slice(1), ...DOUBLE_BYTE_TOKENS.flat());
const letters = (alphabet: string, maxLength: number) =>
  fc.string({ unit: fc.constantFrom(...alphabet), minLength: 1, maxLength });
const free = fc.string({ unit: 'grapheme', maxLength: 40 });

/** Baileys turns text with an `@` into a JID and stumbles over what every object inherits. */
const text = fc
  .oneof(token, letters('0123456789-.', 140), letters('0123456789ABCDEF', 140), free)
  .filter((value) => !value.includes('@') && !(value in Object.prototype));
const name = text.filter((value) => value !== '');

const user = fc.oneof(letters('0123456789', 20), letters('0123456789ABCDEF', 20), letters('abcxyz0189', 12));
const device = fc.nat(255);
const jid: fc.Arbitrary<Jid> = fc.oneof(
  fc.tuple(user, device).map(([id, n]) => phoneJid(id, n)),
  fc.tuple(user, device).map(([id, n]) => lidJid(id, n)),
  // Without a device Baileys writes these as a pair, which means the same but is other bytes.
  fc.tuple(user, fc.integer({ min: 1, max: 255 })).map(([id, n]) => hostedJid(id, n)),
  fc.tuple(user, fc.integer({ min: 1, max: 255 })).map(([id, n]) => hostedLidJid(id, n)),
  user.map(groupJid),
  user.map(broadcastJid),
  user.map(newsletterJid),
  fc.constantFrom('s.whatsapp.net', 'g.us', 'call').map(serverJid),
  user.map((id): Jid => ({ kind: 'other', user: id, server: 'c.us' })),
);

const attributes = fc
  .uniqueArray(fc.tuple(name, fc.oneof<fc.Arbitrary<AttributeValue>[]>(text, jid)), {
    maxLength: 6,
    selector: ([key]) => key,
  })
  // A plain object sorts keys that look like numbers; Baileys has no other form.
  .map((entries) => new Map(Object.entries(Object.fromEntries(entries))));

const bytes = fc.oneof(
  { weight: 5, arbitrary: fc.uint8Array({ maxLength: 60 }) },
  { weight: 1, arbitrary: fc.uint8Array({ minLength: 250, maxLength: 400 }) },
);

const { tree } = fc.letrec<{ tree: Stanza }>((tie) => ({
  tree: fc
    .tuple(
      name,
      attributes,
      fc.oneof(
        { maxDepth: 4 },
        fc.constant(undefined),
        bytes,
        text,
        fc.array(tie('tree'), { maxLength: 4 }),
      ) as fc.Arbitrary<Content | undefined>,
    )
    .map(([tag, attrs, content]) => stanza(tag, attrs, content)),
}));

export const stanzas: fc.Arbitrary<Stanza> = tree;
