// Who is let in: what becomes of a contact's message, before anything else is done about it.

import type { Reach } from '../../model/account.ts';
import type { Contact } from '../../model/contact.ts';
import type { AccountId } from '../../model/ids.ts';
import type { InboxRow } from '../../model/journal.ts';
import type { Acceptance, Portal } from '../../model/portal.ts';
import type { BridgeContext } from '../context.ts';
import type { Wait } from '../limits/limits.ts';
import { blockerOf } from './blocks.ts';
import { nextOfRequest } from './requests.ts';

export type Admission =
  /** Shown, and confirmed to the contact. */
  | 'deliver'
  /** Kept until the user has decided; the contact learns nothing. */
  | 'wait'
  /** Not kept. The user is told how many there were; the contact learns nothing. */
  | 'drop'
  /** As if it had never come. */
  | 'ignore';

export interface Arrival {
  /** Who may write to the user. */
  readonly reach: Reach;
  /** Undefined where the contact has never been heard of. */
  readonly acceptance: Acceptance | undefined;
  /** How many of their messages wait for the user's decision already, and how many may. */
  readonly waiting: number;
  readonly mostWaiting: number;
  /** How many people ask this user already, and how many may at the same time. */
  readonly asking: number;
  readonly mostAsking: number;
}

export function decide(arrival: Arrival): Admission {
  const { reach, acceptance, waiting, mostWaiting, asking, mostAsking } = arrival;
  if (acceptance?.at === 'accepted') return 'deliver';
  if (acceptance?.at === 'declined') return 'ignore';
  // Who asked before goes on asking.
  if (reach !== 'everyone') return acceptance === undefined ? 'ignore' : 'drop';
  if (acceptance === undefined && asking >= mostAsking) return 'ignore';
  return waiting < mostWaiting ? 'wait' : 'drop';
}

/** `portal`: that of the chat with the contact who has written, where there is one. */
export async function admission(
  context: BridgeContext,
  account: AccountId,
  contact: Contact,
  portal: Portal | undefined,
): Promise<Admission> {
  if ((await blockerOf(context, account, contact)) !== undefined) return 'ignore';
  const acceptance = portal?.acceptance;
  if (acceptance?.at === 'accepted') return 'deliver';
  const { store, settings } = context;
  const { messages: mostWaiting, people: mostAsking } = settings.requests;
  const { reach } = await store.accounts.preferences(account);
  const asks = portal !== undefined && acceptance?.at === 'requested';
  const waiting = asks ? await store.inbox.messagesWaiting(portal.id) : 0;
  const asking = portal === undefined ? (await store.portals.requests(account)).length : 0;
  const admitted = decide({ reach, acceptance, waiting, mostWaiting, asking, mostAsking });
  context.counters.delivered('to-matrix', admitted === 'wait' ? 'requested' : 'withheld');
  return admitted;
}

/** Whether the next row of a portal goes into its room, waits, or is left out for good. Notices of ours always go on. */
export async function whatToShow(
  context: BridgeContext,
  portal: Portal,
  row: InboxRow,
): Promise<'show' | 'wait' | 'skip' | Wait> {
  const contact = row.isNotice ? undefined : await context.store.contacts.get(portal.contact);
  if (contact !== undefined && (await blockerOf(context, portal.account, contact)) !== undefined) return 'skip';
  return portal.acceptance.at === 'requested' ? nextOfRequest(context, portal, row) : 'show';
}
