// What the user takes back before anything has been done about it never leaves: nothing is encrypted, and nobody hears of it.
import type { MessageId } from '../model/ids.ts';
import type { OutboxEnvelope, OutboxRow, OutboxRowProgress } from '../model/journal.ts';
import { contextOf } from '../translate/quotations.ts';
import { deedOf } from '../translate/references.ts';
import { parseMessage } from '../translate/to-matrix.ts';
import type { BridgeContext } from './context.ts';

/** With more than this waiting behind it, it is sent and deleted there: whether any of them refers to it is not looked for. */
const mostBehind = 50;

/** Whether the message of this row may go without a trace. */
export async function isWithdrawable({ store }: BridgeContext, row: OutboxEnvelope): Promise<boolean> {
  return isUntouched(row) && !isReferredTo(row, await store.outbox.waitingAfter(row, mostBehind + 1));
}

/** One that was encrypted once may have been sent. */
export function isUntouched({ at, retries, waitingFor, retryFor }: OutboxRowProgress): boolean {
  return at === 'ready' && retries === 0 && waitingFor.length + retryFor.length === 0;
}

/** `behind`: rows of its chat that wait behind it. Where there are more than can be looked at, one of them is taken to refer to it. */
export function isReferredTo({ messageId }: OutboxEnvelope, behind: readonly OutboxRow[]): boolean {
  return behind.length > mostBehind || behind.some((row) => refersTo(row, messageId));
}

function refersTo({ state, payload }: OutboxRow, id: MessageId): boolean {
  if (state.at === 'transfer') return state.file.quoted?.known === true && state.file.quoted.id === id;
  if (payload === undefined) return false;
  const message = parseMessage(payload);
  return contextOf(message)?.stanzaId === id || deedOf(message)?.target.messageId === id;
}
