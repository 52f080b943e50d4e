// Who is let in: what becomes of a contact's message, before anything else is done about it.
import type { Acceptance, Portal } from '../../model/portal.ts';
import type { BridgeContext } from '../context.ts';

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
  /** Undefined where the contact has never been heard of. */
  readonly acceptance: Acceptance | undefined;
  /** How many of their messages wait for the user's decision already, and how many may. */
  readonly waiting: number;
  readonly mostWaiting: number;
}

export function decide({ acceptance, waiting, mostWaiting }: Arrival): Admission {
  if (acceptance?.at === 'accepted') return 'deliver';
  if (acceptance?.at === 'declined') return 'ignore';
  return waiting < mostWaiting ? 'wait' : 'drop';
}

/** `portal`: that of the chat with the contact who has written, where there is one. */
export async function admission(context: BridgeContext, portal: Portal | undefined): Promise<Admission> {
  const acceptance = portal?.acceptance;
  const asks = portal !== undefined && acceptance?.at === 'requested';
  const waiting = asks ? await context.store.inbox.messagesWaiting(portal.id) : 0;
  const admitted = decide({ acceptance, waiting, mostWaiting: context.settings.requests.messages });
  if (admitted !== 'deliver') context.counters.delivered('to-matrix', admitted === 'wait' ? 'requested' : 'withheld');
  return admitted;
}
