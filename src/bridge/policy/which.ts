// Which chat a command means: by the number of a request, by phone number, or by name.
import type { Contact } from '../../model/contact.ts';
import type { UserId } from '../../model/ids.ts';
import type { Portal } from '../../model/portal.ts';
import { type ActiveAccount, type BridgeContext, isActive } from '../context.ts';
import { readPhoneNumber } from '../phone-numbers.ts';

export interface Chat {
  readonly account: ActiveAccount;
  readonly portal: Portal;
  readonly contact: Contact;
}

/** The chats of this user that `accepts` takes. */
export async function chatsOf(
  { store }: BridgeContext,
  user: UserId,
  accepts: (portal: Portal) => boolean,
): Promise<readonly Chat[]> {
  const chats: Chat[] = [];
  for (const account of await store.accounts.ofUser(user)) {
    if (!isActive(account)) continue;
    for (const portal of await store.portals.ofAccount(account.id)) {
      const contact = accepts(portal) ? await store.contacts.get(portal.contact) : undefined;
      if (contact !== undefined) chats.push({ account, portal, contact });
    }
  }
  return chats;
}

/** What somebody is named by. What names a person is for encrypted rooms only. */
export type Name =
  | { readonly by: 'request'; readonly number: number }
  | { readonly by: 'person'; readonly text: string };

/** Undefined for no words at all. */
export function readName(words: string): Name | undefined {
  const text = words.trim();
  if (text === '') return undefined;
  return /^\d{1,4}$/.test(text) ? { by: 'request', number: Number(text) } : { by: 'person', text };
}

export function fits({ settings }: BridgeContext, name: Name, { portal, contact }: Chat): boolean {
  if (name.by === 'request') return portal.acceptance.at === 'requested' && portal.acceptance.number === name.number;
  const digits = readPhoneNumber(settings, name.text)?.digits;
  if (digits !== undefined) return contact.addresses.some(({ kind, user }) => kind === 'phone' && user === digits);
  const alike = (other: string | undefined): boolean => other !== undefined && folded(other) === folded(name.text);
  return alike(portal.givenName) || alike(contact.name?.text);
}

/** For comparing names. */
export const folded = (text: string): string => text.normalize('NFKC').toLowerCase();
