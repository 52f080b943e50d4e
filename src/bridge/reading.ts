// Matrix to WhatsApp: what the user has read is told to the contact, if the user has switched that on. Durable from the push on.
import type { Change } from '../model/change.ts';
import type { EventId, MessageId, RoomId } from '../model/ids.ts';
import type { InteropClient } from '../model/interop.ts';
import type { ReadReceipt } from '../model/matrix.ts';
import type { Portal } from '../model/portal.ts';
import type { Reading } from '../model/reading.ts';
import type { KeptReference } from '../model/reference.ts';
import { passed } from '../observability/fail-points.ts';
import { preferredAddress } from './contacts.ts';
import { type ActiveAccount, type BridgeContext, isActive, isOurs } from './context.ts';
import { blockerOf } from './policy/blocks.ts';
import { isHeld } from './send.ts';
import { type Progress, tryEach } from './try-each.ts';

/** Messages named in one receipt. */
const largestReceipt = 100;

/** What follows from read receipts that the homeserver has pushed: changes to commit with the push, and whom they concern. */
export async function readingChanges(
  context: BridgeContext,
  receipts: readonly ReadReceipt[],
): Promise<{ readonly changes: readonly Change[]; readonly accounts: readonly ActiveAccount[] }> {
  const { store, settings } = context;
  const changes: Change[] = [];
  const accounts: ActiveAccount[] = [];
  for (const { room, user, event } of receipts) {
    if (isOurs(context, user)) continue;
    const portal = await store.portals.byRoom(room);
    const account = portal && (await store.accounts.get(portal.account));
    if (portal === undefined || !isActive(account) || account.user !== user) continue;
    const told =
      settings.readReceipts.has(account.network) && (await store.accounts.preferences(account.id)).readReceipts;
    changes.push({ change: told ? 'reading.user' : 'reading.withheld', portal: portal.id, event });
    if (told) accounts.push(account);
  }
  return { changes, accounts };
}

export interface Confirmation {
  readonly ids: readonly MessageId[];
  /** Up to here the contact knows once these have been sent. */
  readonly upTo: number;
  /** Nothing more is to be told of this event. */
  readonly complete: boolean;
}

/**
 * Which messages the next receipt names. `messages` are the contact's that have not been confirmed, oldest first, one more than `most`
 * where there are as many; the user has read up to the position `read`.
 */
export function confirmation(
  messages: readonly Pick<KeptReference, 'messageId' | 'position'>[],
  read: number,
  most: number,
): Confirmation {
  const unconfirmed = messages.filter(({ position }) => position <= read);
  const named = unconfirmed.slice(0, most);
  const complete = named.length === unconfirmed.length;
  return {
    ids: named.map(({ messageId }) => messageId),
    upTo: complete ? read : (named.at(-1)?.position ?? 0),
    complete,
  };
}

/** Sends the next read receipt of each chat of this account, once its delivery receipts are out. */
export async function confirmReading(
  context: BridgeContext,
  account: ActiveAccount,
  client: InteropClient,
): Promise<Progress> {
  const readings = await context.store.reading.toConfirm(account.id);
  return tryEach(readings, (reading) => confirmNext(context, account, client, reading));
}

async function confirmNext(
  context: BridgeContext,
  account: ActiveAccount,
  client: InteropClient,
  { portal: id, userRead, confirmed }: Reading,
): Promise<Progress> {
  const { store } = context;
  const portal = await store.portals.get(id);
  const contact = portal && (await store.contacts.get(portal.contact));
  const address = contact && preferredAddress(contact);
  if (portal === undefined || contact === undefined || userRead === undefined) return 'idle';
  const settle = async (upTo: number, settled: EventId | undefined): Promise<Progress> => {
    await store.commit([{ change: 'reading.confirmed', portal: id, upTo, settled }]);
    return 'again';
  };
  // In another room there is nothing that this event could be about.
  if (portal.state.at !== 'open' || address === undefined) return settle(confirmed, userRead);
  if (await isHeld(context, { account, contact, portal })) return 'idle';
  const { room } = portal.state;
  const read = await positionOf(context, portal, room, userRead);
  // Woken when the message that is on its way has been noted.
  if (read === 'unknown yet') return 'idle';
  const messages = await store.references.shownAfter(id, room, confirmed, largestReceipt + 1);
  const { ids, upTo, complete } = confirmation(messages, read, largestReceipt);
  const [first, ...others] = ids;
  if (first === undefined) return settle(upTo, userRead);
  // A message is delivered before it is read.
  if (await store.inbox.isReceiptDue(account.id, id)) return 'again';
  // Asked last: switching it off takes effect before the next packet.
  const { readReceipts } = await store.accounts.preferences(account.id);
  if (!readReceipts || (await blockerOf(context, account.id, contact)) !== undefined) {
    await store.commit([{ change: 'reading.withheld', portal: id, event: userRead }]);
    return settle(confirmed, userRead);
  }
  await client.sendReadReceipt([first, ...others], address);
  passed('MC2-reading-told');
  const step = await settle(upTo, complete ? userRead : undefined);
  passed('MC3-told-reading-recorded');
  return step;
}

/** The position up to which somebody has read who has read this event: that of the contact's last message before or at it. */
async function positionOf(
  { store, homeserver }: BridgeContext,
  portal: Portal,
  room: RoomId,
  event: EventId,
): Promise<number | 'unknown yet'> {
  const reference = await store.references.byEvent(portal.id, event);
  if (reference !== undefined && !reference.fromUser) return reference.position;
  if (await store.inbox.isSending(portal.id)) return 'unknown yet';
  const ghost = await store.contacts.ghost(portal.contact);
  // Something else in the room: a notice, a reaction, a message of the user's own.
  const found = ghost && (await homeserver.event(ghost.actor, room, event));
  return (found && (await store.references.shownAt(portal.id, room, found.origin_server_ts))?.position) ?? 0;
}
