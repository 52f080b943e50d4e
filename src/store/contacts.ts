// Contacts, their addresses (sealed, beside a keyed hash by which they are found) and their ghosts.
import { type Selectable, sql } from 'kysely';
import type { Network } from '../model/account.ts';
import type { Contact, ContactName, Ghost } from '../model/contact.ts';
import type { ContactId } from '../model/ids.ts';
import { formatJid, isUserJid, parseJid, type UserJid, withoutDevice } from '../model/jid.ts';
import type { Store } from '../model/store.ts';
import { conflict, gone } from './errors.ts';
import { contactKey } from './keyring.ts';
import { eraseLimitUses } from './limit-uses.ts';
import { looksLikeAnother, putLooks } from './looks.ts';
import { type DataKey, lookupHash, type Place, seal, sealJson, unsealJson, unsealText } from './sealing.ts';
import { first, mustChange, run, type Steps } from './steps.ts';
import type { Tables } from './tables.ts';
import type { Reader, Unit } from './unit.ts';

/** Ghosts in one page. */
const GHOSTS_AT_ONCE = 100;

// Written out, not bound, so that the partial index serves.
const isReady = sql<boolean>`ready = 1`;

export const namePlace = (contact: ContactId): Place => ['contact', 'name', contact];
export const addressPlace = (contact: ContactId, hash: Uint8Array): Place => [
  'contact_address',
  'address',
  contact,
  Buffer.from(hash).toString('hex'),
];
const displayNamePlace = (contact: ContactId): Place => ['ghost', 'display_name', contact];

export function* createContact(unit: Unit, contact: Contact, ghost: Ghost): Steps {
  const { db, keys } = unit;
  const { id, network, name, addresses } = contact;
  const key = yield* keys.create(contactKey(id));
  yield* run(db.insertInto('contact').values({ id, network, name: name ? sealJson(key, namePlace(id), name) : null }));
  if (name) yield* putLooks(unit, id, name.looks);
  for (const address of addresses) yield* addAddress(unit, id, address);
  yield* run(db.insertInto('ghost').values({ contact: id, ...ghostRow(key, ghost) }));
}

/** Puts a new address behind those known. */
export function* addAddress({ db, keys, lookup }: Unit, contact: ContactId, address: UserJid): Steps {
  const owner = yield* first(db.selectFrom('contact').select('network').where('id', '=', contact));
  if (!owner) throw gone('the contact');
  const { network } = owner;
  const hash = addressHash(lookup, network, address);
  const known = yield* first(
    db.selectFrom('contact_address').select('contact').where('hash', '=', hash).where('network', '=', network),
  );
  if (known?.contact === contact) return;
  if (known) throw conflict('the address, as another contact’s,');
  const key = yield* keys.get(contactKey(contact));
  yield* run(
    db.insertInto('contact_address').values({
      network,
      hash,
      contact,
      address: seal(key, addressPlace(contact, hash), formatJid(withoutDevice(address))),
      position: yield* nextPosition(db, contact),
    }),
  );
}

export function* nextPosition(db: Unit['db'], contact: ContactId): Steps<number> {
  const last = yield* first(
    db
      .selectFrom('contact_address')
      .select((at) => at.fn.max('position').as('position'))
      .where('contact', '=', contact),
  );
  return (last?.position ?? -1) + 1;
}

export function* nameContact(unit: Unit, contact: ContactId, name: ContactName): Steps {
  const { db, keys } = unit;
  const key = yield* keys.get(contactKey(contact));
  const row = { name: sealJson(key, namePlace(contact), name) };
  yield* mustChange(db.updateTable('contact').set(row).where('id', '=', contact), 'the contact');
  yield* putLooks(unit, contact, name.looks);
}

export function* eraseContact(unit: Unit, contact: ContactId): Steps {
  const { db, keys } = unit;
  const used = yield* first(db.selectFrom('portal').select('id').where('contact', '=', contact).limit(1));
  if (used) throw conflict('a portal of the contact');
  yield* keys.destroy(contactKey(contact));
  yield* mustChange(db.deleteFrom('contact').where('id', '=', contact), 'the contact');
  yield* eraseLimitUses(unit, contact);
}

export function* putGhost({ db, keys }: Unit, ghost: Ghost): Steps {
  const key = yield* keys.get(contactKey(ghost.contact));
  const update = db.updateTable('ghost').set(ghostRow(key, ghost)).where('contact', '=', ghost.contact);
  yield* mustChange(update, 'the ghost');
}

export function contactReads(reader: Reader): Store['contacts'] {
  const { db, keys, lookup } = reader;
  async function get(id: ContactId): Promise<Contact | undefined> {
    const row = await db.selectFrom('contact').select(['network', 'name']).where('id', '=', id).executeTakeFirst();
    const addresses = await db
      .selectFrom('contact_address')
      .select(['hash', 'address'])
      .where('contact', '=', id)
      .orderBy('position')
      .execute();
    const key = await keys.find(contactKey(id));
    if (!row || !key) return undefined;
    return {
      id,
      network: row.network,
      name: row.name ? unsealJson<ContactName>(key, namePlace(id), row.name) : undefined,
      addresses: addresses.map(({ hash, address }) => toUserJid(unsealText(key, addressPlace(id, hash), address))),
    };
  }

  async function openGhost(row: Selectable<Tables['ghost']> | undefined): Promise<Ghost | undefined> {
    const key = row && (await keys.find(contactKey(row.contact)));
    return key && toGhost(row, key);
  }

  const ghosts = db.selectFrom('ghost').selectAll();

  return {
    get,
    byAddress: async (network, addresses) => {
      if (addresses.length === 0) return [];
      const hashes = addresses.map((address) => addressHash(lookup, network, address));
      const owners = await db
        .selectFrom('contact_address')
        .innerJoin('contact', 'contact.id', 'contact_address.contact')
        .select(['contact.id', 'contact.seq'])
        .distinct()
        .where('contact_address.hash', 'in', hashes)
        .where('contact_address.network', '=', network)
        .orderBy('contact.seq')
        .execute();
      return (await Promise.all(owners.map(({ id }) => get(id)))).filter((contact) => contact !== undefined);
    },
    ghost: async (contact) => openGhost(await ghosts.where('contact', '=', contact).executeTakeFirst()),
    ghostByUser: async (user) => openGhost(await ghosts.where('user', '=', user).executeTakeFirst()),
    readyGhosts: async (after) => {
      const ready = db.selectFrom('ghost').select(['actor', 'user', 'device']).where(isReady);
      const next = after === undefined ? ready : ready.where('actor', '>', after);
      const rows = await next.orderBy('actor').limit(GHOSTS_AT_ONCE).execute();
      return rows.map(({ actor, user, device }) => ({ id: actor, user, device }));
    },
    accountsUsing: async (contact) => {
      const count = db.fn.countAll<number>().as('count');
      const row = await db.selectFrom('portal').select(count).where('contact', '=', contact).executeTakeFirstOrThrow();
      return row.count;
    },
    looksLikeAnother: looksLikeAnother(reader),
  };
}

function addressHash(lookup: DataKey, network: Network, address: UserJid): Buffer {
  return lookupHash(lookup, 'contact_address', network, formatJid(withoutDevice(address)));
}

function toUserJid(text: string): UserJid {
  const jid = parseJid(text);
  if (!isUserJid(jid)) throw new TypeError('an address of a contact is a user');
  return jid;
}

function ghostRow(key: DataKey, { contact, actor, ready, displayName }: Ghost) {
  return {
    actor: actor.id,
    user: actor.user,
    device: actor.device,
    ready: ready ? (1 as const) : (0 as const),
    display_name: displayName === undefined ? null : seal(key, displayNamePlace(contact), displayName),
  };
}

function toGhost(row: Selectable<Tables['ghost']>, key: DataKey): Ghost {
  const { contact, actor, user, device, display_name: sealed } = row;
  return {
    contact,
    actor: { id: actor, user, device },
    ready: row.ready === 1,
    displayName: sealed ? unsealText(key, displayNamePlace(contact), sealed) : undefined,
  };
}
