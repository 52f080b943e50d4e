// Contacts: who an address belongs to. One person keeps one contact, whatever addresses turn up later.
import { randomBytes } from 'node:crypto';
import type { Network } from '../model/account.ts';
import type { Change } from '../model/change.ts';
import type { Contact, ContactName, Ghost } from '../model/contact.ts';
import { type ContactId, type DeviceId, ghostActorId, newContactId, type UserId } from '../model/ids.ts';
import { sameUser, type UserJid, withoutDevice } from '../model/jid.ts';
import type { Store } from '../model/store.ts';
import { looksOf } from '../translate/look-alikes.ts';
import { cleanName } from '../translate/names.ts';
import type { BridgeContext, BridgeSettings } from './context.ts';

export interface ResolvedContact {
  readonly contact: Contact;
  /** To be committed with whatever the contact was resolved for. */
  readonly changes: readonly Change[];
}

/**
 * Returns the contact that owns these addresses (of one person), made or merged as needed, and records the name by which the person
 * goes on the network. Nothing is stored until `changes` is committed.
 */
async function resolveContact(
  store: Store,
  settings: BridgeSettings,
  network: Network,
  addresses: readonly UserJid[],
  networkName?: string,
): Promise<ResolvedContact> {
  const bare = addresses.map((address) => withoutDevice(address));
  const [known, other] = await store.contacts.byAddress(network, bare);
  if (known === undefined) return createContact(settings, network, bare, networkName);
  const changes: Change[] = [];
  if (other !== undefined) changes.push({ change: 'contact.merge', into: known.id, from: other.id });
  const owned = [...known.addresses, ...(other?.addresses ?? [])];
  const added = bare.filter((address) => !owned.some((have) => sameUser(have, address)));
  for (const address of added) changes.push({ change: 'contact.address', contact: known.id, address });
  const name = nameOf(settings, networkName) ?? known.name;
  if (name !== undefined && name.text !== known.name?.text) {
    changes.push({ change: 'contact.name', contact: known.id, name });
  }
  const contact: Contact = { ...known, addresses: [...owned, ...added], name };
  return { contact, changes };
}

/**
 * Like `resolveContact`, but contacts that turn out to be one person are merged first, in a commit of their own: the merged one's chat
 * and session are looked up afterwards.
 */
export async function settledContact(
  { store, settings }: BridgeContext,
  network: Network,
  addresses: readonly UserJid[],
  networkName?: string,
): Promise<ResolvedContact> {
  const resolved = await resolveContact(store, settings, network, addresses, networkName);
  const merges = resolved.changes.filter(({ change }) => change === 'contact.merge');
  if (merges.length === 0) return resolved;
  await store.commit(merges);
  return resolveContact(store, settings, network, addresses, networkName);
}

function createContact(
  settings: BridgeSettings,
  network: Network,
  addresses: readonly UserJid[],
  networkName: string | undefined,
): ResolvedContact {
  const contact: Contact = { id: newContactId(), network, name: nameOf(settings, networkName), addresses };
  return { contact, changes: [{ change: 'contact.create', contact, ghost: newGhost(settings, contact.id) }] };
}

function newGhost(settings: BridgeSettings, contact: ContactId): Ghost {
  return {
    contact,
    actor: {
      id: ghostActorId(contact),
      user: ghostUser(settings, contact),
      device: randomBytes(6).toString('hex').toUpperCase() as DeviceId,
    },
    ready: false,
    displayName: undefined,
  };
}

/** The Matrix user that stands, or will stand, for a new contact. */
export function ghostUser({ ghostPrefix, serverName }: BridgeSettings, contact: ContactId): UserId {
  return `@${ghostPrefix}${contact}:${serverName}` as UserId;
}

function nameOf(settings: BridgeSettings, networkName: string | undefined): ContactName | undefined {
  const text = networkName === undefined ? undefined : shownName(settings, networkName);
  return text === undefined ? undefined : { text, looks: looksOf(text) };
}

/** The name as it may be shown on this server; undefined where nothing of it may. */
export function shownName({ botName, serverName }: BridgeSettings, name: string): string | undefined {
  return cleanName(name, { bot: botName, server: serverName });
}

/** The address to write to: the network's own hidden id where it is known, for it survives a change of number. */
export function preferredAddress(contact: Contact): UserJid | undefined {
  return contact.addresses.find((address) => address.kind === 'lid') ?? contact.addresses[0];
}
