// Where an outbox row goes next: decisions about what its devices have confirmed, asked for again, or will never ask for.
import type { Change } from '../model/change.ts';
import type { OutboxRow } from '../model/journal.ts';

type RowChange = Change & { readonly change: 'outbox.state' };

/**
 * The network has the stanza. The row waits until each addressed device has confirmed, because any of them may still ask for it again;
 * devices that have asked get theirs next.
 */
export function afterSending(row: OutboxRow): RowChange {
  return settled(row, row.waitingFor, row.retryFor, true);
}

/** The network refused the stanza for a stale list of devices: encrypted anew, for all; or, if it had been sent before, for who waits. */
export function afterStaleList(row: OutboxRow): RowChange {
  if (row.retries > 0) return settled(row, row.waitingFor, row.waitingFor, true);
  return { change: 'outbox.state', id: row.id, state: { at: 'ready' } };
}

/**
 * A device confirms (delivered, read or played: all mean that it could decrypt the message). What the person has read on one device
 * counts as received by the person, but the payload stays for the others. Undefined where nothing changes.
 */
export function afterReceipt(row: OutboxRow, device: number): RowChange | undefined {
  if (!wasSent(row) || !row.waitingFor.includes(device)) return undefined;
  return { ...withoutDevice(row, device), confirmed: true };
}

/** A device will not have this message, or has it: nothing waits for it any longer. */
export function withoutDevice(row: OutboxRow, device: number): RowChange {
  const others = (devices: readonly number[]): number[] => devices.filter((each) => each !== device);
  return settled(row, others(row.waitingFor), others(row.retryFor), row.state.at !== 'encrypted');
}

/** A device asks again. What is on its way to the network goes first. */
export function afterRetry(row: OutboxRow, device: number): RowChange {
  const retryFor = row.retryFor.includes(device) ? row.retryFor : [...row.retryFor, device];
  const state = row.state.at === 'encrypted' ? row.state : ({ at: 'ready' } as const);
  return { change: 'outbox.state', id: row.id, state, retryFor, retries: row.retries + 1 };
}

/** Whether a device may ask for this message: it was addressed, has not confirmed, and the payload is kept. */
export function mayAsk(row: OutboxRow, device: number): boolean {
  return row.payload !== undefined && wasSent(row) && row.waitingFor.includes(device);
}

/** Sent, on its way, or about to be encrypted again for a device that has asked. */
function wasSent({ state, retryFor }: OutboxRow): boolean {
  return state.at === 'encrypted' || state.at === 'acknowledged' || (state.at === 'ready' && retryFor.length > 0);
}

function settled(
  { id }: OutboxRow,
  waitingFor: readonly number[],
  retryFor: readonly number[],
  sent: boolean,
): RowChange {
  const change = { change: 'outbox.state', id, waitingFor, retryFor } as const;
  if (!sent) return change;
  if (retryFor.length > 0) return { ...change, state: { at: 'ready' } };
  if (waitingFor.length > 0) return { ...change, state: { at: 'acknowledged' } };
  return { ...change, state: { at: 'done' }, erasePayload: true };
}
