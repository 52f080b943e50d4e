// Messages of a Matrix user that will not be delivered: set aside, and their sender is told under the message, or under the one that they are about.
// One that has been read on one of the contact's devices only ends.
import type { Change } from '../model/change.ts';
import type { OutboxRow } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { type Deed, deedOf } from '../translate/references.ts';
import { parseMessage } from '../translate/to-matrix.ts';
import type { BridgeContext } from './context.ts';
import { notSent } from './notices.ts';
import { afterGivingUp, type Parking } from './outbox-steps.ts';

const notDelivered = {
  message: 'Not delivered.',
  reaction: 'Your reaction was not delivered.',
  edit: 'Your edit was not delivered.',
  deletion: 'What you deleted is still there on the other side.',
};

/** `row`: as it was found. If its devices have moved it on since, it is left alone. `also`: what is committed, too, where its sender is told. */
export async function parkRow(
  context: BridgeContext,
  portal: Portal,
  row: OutboxRow,
  { code, text }: Pick<Parking, 'code' | 'text'>,
  also: readonly Change[] = [],
): Promise<void> {
  const now = await context.store.outbox.progress(row.id);
  if (now?.at !== row.state.at) return;
  const { change, told } = afterGivingUp({ id: row.id, confirmed: now.confirmed }, code);
  if (!told) {
    context.logger.warn({ portal: portal.id, code }, 'one of several devices does not get a message');
    return context.store.commit([change]);
  }
  context.logger.warn({ portal: portal.id, code }, 'a message could not be delivered to the network');
  context.counters.delivered('to-whatsapp', 'failed');
  const deed = done(row);
  const { messageId, fromUser } = deed?.target ?? {};
  const target = messageId && (await context.store.references.byMessage(portal.id, messageId, fromUser));
  const words = `${notDelivered[deed?.kind ?? 'message']} ${text}`;
  await context.store.commit([
    change,
    notSent(portal, row.event, context.clock.now(), 'not-delivered', words, { about: target?.event }),
    ...also,
  ]);
}

function done({ payload }: OutboxRow): Deed | undefined {
  try {
    return payload && deedOf(parseMessage(payload));
  } catch {
    // A payload that cannot be read may be just why it is parked.
    return undefined;
  }
}
