// WhatsApp to Matrix: marks that the contact has received and read what the user wrote. A crash loses none, and sets none twice.
import type { Ghost } from '../model/contact.ts';
import { BridgeError } from '../model/errors.ts';
import type { PortalId, RoomId } from '../model/ids.ts';
import type { DeliveryMark, Reading } from '../model/reading.ts';
import { passed } from '../observability/fail-points.ts';
import { deliveryMark } from '../translate/capabilities.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { sendId } from './send-ids.ts';
import type { Step } from './workers.ts';

interface Chat {
  readonly account: ActiveAccount;
  readonly ghost: Ghost;
  readonly room: RoomId;
}

/** Sets the next mark of this portal, or forgets it where it has no place (any more). */
export async function setNextMark(context: BridgeContext, portal: PortalId): Promise<Step> {
  const { store } = context;
  if (await store.visitors.hold(portal)) return 'idle';
  if (await isPaused(context, portal)) return 'idle';
  const mark = await store.reading.nextMark(portal);
  if (mark !== undefined) {
    const chat = await openChat(context, portal);
    if (chat !== undefined) await tolerant(context, portal, () => markDelivered(context, chat, mark));
    await store.commit([{ change: 'delivery-mark.done', mark }]);
    passed('WM2-delivery-mark-recorded');
    return 'again';
  }
  const reading = await store.reading.of(portal);
  if (reading === undefined || reading.contactRead <= reading.contactShown) return 'idle';
  const chat = await openChat(context, portal);
  if (chat !== undefined) await tolerant(context, portal, () => markRead(context, chat, reading));
  await store.commit([{ change: 'reading.shown', portal, upTo: reading.contactRead }]);
  passed('WM4-shown-reading-recorded');
  return 'again';
}

async function isPaused({ store }: BridgeContext, id: PortalId): Promise<boolean> {
  const portal = await store.portals.get(id);
  const account = portal && (await store.accounts.get(portal.account));
  return account?.state.at === 'paused';
}

async function openChat({ store }: BridgeContext, id: PortalId): Promise<Chat | undefined> {
  const portal = await store.portals.get(id);
  const account = portal && (await store.accounts.get(portal.account));
  const ghost = portal && (await store.contacts.ghost(portal.contact));
  if (portal?.state.at !== 'open' || !isActive(account) || !ghost?.ready) return undefined;
  return { account, ghost, room: portal.state.room };
}

async function markDelivered(
  context: BridgeContext,
  { account, ghost, room }: Chat,
  mark: DeliveryMark,
): Promise<void> {
  const { store, homeserver, settings } = context;
  const { actor } = ghost;
  const reference = await store.references.byEvent(mark.portal, mark.event);
  // What is not a message (a reaction, an edit) has no reference.
  if (reference === undefined || !reference.fromUser || reference.room !== room) return;
  // Asked last: switching it off takes effect at once.
  if (!(await store.accounts.preferences(account.id)).deliveryMarks) return;
  const content = { 'm.relates_to': { rel_type: 'm.annotation', event_id: mark.event, key: deliveryMark } };
  const id = sendId(settings.instanceId, actor.id, room, `delivered:${mark.event}`);
  await homeserver.send(actor, room, 'm.reaction', id, content);
  passed('WM1-delivery-mark-set');
}

async function markRead({ store, homeserver }: BridgeContext, { ghost, room }: Chat, reading: Reading): Promise<void> {
  const reference = await store.references.byPosition(reading.portal, reading.contactRead);
  if (reference?.room !== room) return;
  await homeserver.sendReadReceipt(ghost.actor, room, reference.event);
  passed('WM3-reading-shown');
}

/** A mark that the homeserver will not take, ever, is left out: nobody is told of it. */
async function tolerant({ logger }: BridgeContext, portal: PortalId, set: () => Promise<void>): Promise<void> {
  try {
    await set();
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    logger.info({ portal, code: error.code }, 'the homeserver refused a mark');
  }
}
