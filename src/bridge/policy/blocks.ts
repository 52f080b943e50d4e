// Blocks: whoever a user, or the administrator for all of them, does not want to hear of. Asked right before anything goes either way.
import { randomBytes } from 'node:crypto';
import type { Block, BlockPattern } from '../../model/block.ts';
import type { Change } from '../../model/change.ts';
import type { Contact } from '../../model/contact.ts';
import type { AccountId } from '../../model/ids.ts';
import { formatJid, type UserJid, withoutDevice } from '../../model/jid.ts';
import type { BridgeContext } from '../context.ts';
import { phoneNumberOf } from '../phone-numbers.ts';
import { policyRoomBlocking } from './policy-rooms.ts';

/** Numbers that the administrator has blocked: `+491701234567`, or `+99*` for all that begin so. */
export type BlockedNumbers = readonly string[];

/** By whom a contact is blocked. */
export type Blocker = 'user' | 'policy-room' | 'server';

export async function blockerOf(
  context: BridgeContext,
  account: AccountId,
  { id, addresses }: Pick<Contact, 'id' | 'addresses'>,
): Promise<Blocker | undefined> {
  const { store, settings } = context;
  if (addresses.some((address) => address.kind === 'phone' && isBlockedNumber(settings.blocked, address.user))) {
    return 'server';
  }
  const blocks = await store.blocks.matching(account, addresses.flatMap(patternsOf));
  return blocks.length > 0 ? 'user' : policyRoomBlocking(context, account, id);
}

/** `digits`: country code and number. */
export function isBlockedNumber(blocked: BlockedNumbers, digits: string): boolean {
  const number = `+${digits}`;
  return blocked.some((entry) => (entry.endsWith('*') ? number.startsWith(entry.slice(0, -1)) : number === entry));
}

/** Every pattern under which an address may be blocked. */
export function patternsOf(address: UserJid): BlockPattern[] {
  if (address.kind !== 'phone') return [addressPattern(address)];
  const { user } = address;
  const prefixes = Array.from(
    { length: user.length },
    (_, index): BlockPattern => `prefix:${user.slice(0, index + 1)}`,
  );
  return [`phone:${user}`, ...prefixes];
}

const addressPattern = (address: UserJid): BlockPattern =>
  address.kind === 'phone' ? `phone:${address.user}` : `address:${formatJid(withoutDevice(address))}`;

/** Blocks everything by which a contact is known. */
export function blockContact(context: BridgeContext, account: AccountId, contact: Contact, name?: string): Change {
  const called = name ?? contact.name?.text;
  const label = [called && `"${called}"`, phoneNumberOf(contact)].filter((part) => part !== undefined).join(', ');
  return added(context, account, label || 'somebody without a name', contact.addresses.map(addressPattern));
}

export function blockNumber(
  context: BridgeContext,
  account: AccountId,
  { digits, international }: { readonly digits: string; readonly international: string },
): Change {
  return added(context, account, international, [`phone:${digits}`]);
}

/** All numbers that begin with these digits. */
export function blockPrefix(context: BridgeContext, account: AccountId, digits: string): Change {
  return added(context, account, `+${digits}*`, [`prefix:${digits}`]);
}

function added({ clock }: BridgeContext, account: AccountId, label: string, patterns: readonly BlockPattern[]): Change {
  const block: Block = { id: randomBytes(16).toString('hex'), label, createdAt: clock.now() };
  return { change: 'block.add', account, block, patterns };
}

/** Why nothing is sent to a contact, for the user. */
export function blockedText(blocker: Blocker): string {
  switch (blocker) {
    case 'user':
      return 'You have blocked this contact. "unblock" in the chat with the bot takes that back.';
    case 'policy-room':
      return 'A policy room to which you subscribe blocks this contact. "blocks" in the chat with the bot lists these rooms, "unsubscribe" ends it.';
    case 'server':
      return 'The administrator of this server has blocked this contact.';
  }
}
