// Portal rooms: the ghost, its name and its room are made as far as they are missing. Every step may be repeated after a crash.
import type { Account, Network } from '../model/account.ts';
import type { Change } from '../model/change.ts';
import type { Actor, Contact, Ghost } from '../model/contact.ts';
import { UnknownActor } from '../model/damaged-row.ts';
import { BridgeError } from '../model/errors.ts';
import type { MessageId, RoomId } from '../model/ids.ts';
import type { MatrixEvent } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import { passed } from '../observability/fail-points.ts';
import type { BridgeContext } from './context.ts';
import { bridgeInfo, displayName, labelNotice, portalTopic, requestText, roomName } from './labels.ts';
import { noticeId, noticeOnce } from './notices.ts';

/** Returns the contact's ghost, registered, with its device, its cross-signing identity and its current name. */
export async function readyGhost(context: BridgeContext, contact: Contact): Promise<Ghost | undefined> {
  const { store, homeserver, clock } = context;
  let ghost = await store.contacts.ghost(contact.id);
  if (ghost === undefined) return undefined;
  if (!ghost.ready) {
    await homeserver.prepare(ghost.actor);
    passed('W5-ghost-prepared');
    ghost = { ...ghost, ready: true };
    const picture: Change = { change: 'picture.due', contact: contact.id, at: clock.now() };
    await store.commit([{ change: 'ghost.put', ghost }, picture]);
    passed('W6-ghost-recorded');
  }
  return showName(context, contact, ghost);
}

/** Gives the ghost the contact's current name; returns it with that name. */
export async function showName(context: BridgeContext, contact: Contact, ghost: Ghost): Promise<Ghost> {
  const { store, homeserver } = context;
  const name = displayName(contact, await store.contacts.looksLikeAnother(contact.id));
  if (ghost.displayName === name) return ghost;
  await homeserver.setDisplayName(ghost.actor, name);
  passed('W7-ghost-named');
  const named: Ghost = { ...ghost, displayName: name };
  await store.commit([{ change: 'ghost.put', ghost: named }]);
  return named;
}

/** Returns the portal's room. A room that an earlier, killed attempt created is found by its bridge info and adopted. */
export async function openRoom(
  context: BridgeContext,
  account: Account,
  portal: Portal,
  ghost: Ghost,
): Promise<RoomId> {
  if (portal.state.at === 'open') return portal.state.room;
  const { store, homeserver, settings, bot } = context;
  const info = bridgeInfo(account, portal.id, bot.user);
  const find = () => homeserver.findPortalRoom(ghost.actor, info.stateKey);
  const make = async (): Promise<RoomId> => {
    try {
      return await homeserver.createPortalRoom(ghost.actor, {
        name: roomName(account.network, portal),
        topic: portalTopic(account.network),
        invite: account.user,
        federate: settings.federatePortals,
        bridgeInfo: info,
      });
    } catch (error) {
      // Only its invitation may have been refused: the room is there then, and who is to be in it is asked before anything is said.
      const made = error instanceof BridgeError && error.code === 'matrix.forbidden' ? await find() : undefined;
      if (made === undefined) throw error;
      return made;
    }
  };
  const room = (await find()) ?? (await make());
  passed('W8-room-created');
  await store.commit([{ change: 'portal.state', portal: portal.id, state: { at: 'open', room, labelled: false } }]);
  passed('W9-room-recorded');
  context.logger.debug({ portal: portal.id, room }, 'a chat has a room');
  return room;
}

/** Whether this room was made for a chat of the sender's which does not know that yet, for we were killed right then. It is found with what the chat is to show. */
export async function isToBeAdopted(context: BridgeContext, { room_id: room, sender }: MatrixEvent): Promise<boolean> {
  const { store, homeserver, bot } = context;
  for (const account of await store.accounts.ofUser(sender)) {
    if (account.managementRoom === room) return false;
    for (const portal of await store.portals.ofAccount(account.id)) {
      if (portal.state.at !== 'wanted' || (await store.inbox.next(portal.id)) === undefined) continue;
      const ghost = await store.contacts.ghost(portal.contact);
      const { stateKey } = bridgeInfo(account, portal.id, bot.user);
      if (ghost?.ready && (await homeserver.findPortalRoom(ghost.actor, stateKey)) === room) return true;
    }
  }
  return false;
}

/** Gives a room that exists the name that the user has chosen; one that is yet to be made gets it then. */
export async function renameRoom(context: BridgeContext, network: Network, portal: Portal): Promise<void> {
  const name = roomName(network, portal);
  const ghost = await context.store.contacts.ghost(portal.contact);
  if (portal.state.at !== 'open' || name === undefined || ghost === undefined) return;
  try {
    await context.homeserver.setRoomName(ghost.actor, portal.state.room, name);
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    // A room that the ghost has lost is replaced by one with this name.
    context.logger.warn({ portal: portal.id, code: error.code }, 'a room could not be renamed');
  }
}

/** The id of the row that holds a room's first notice. */
export function labelMessageId(room: RoomId): MessageId {
  return noticeId(`label:${room}`);
}

/** Writes the first notice of a room into the inbox, once. */
export async function writeLabel(
  context: BridgeContext,
  portal: Portal,
  contact: Contact,
  room: RoomId,
): Promise<void> {
  const { serverName } = context.settings;
  const label = labelNotice(contact, portal, serverName);
  const asks = portal.acceptance.at === 'requested';
  const text = asks
    ? `${requestText(contact, await context.store.inbox.messagesWaiting(portal.id))}\n\n${label.text}`
    : label.text;
  const notice = { ...label, text };
  await context.store.commit([noticeOnce(portal, `label:${room}`, context.clock.now(), notice)]);
  passed('W10-label-written');
}

/** The user has left: so does the ghost. To be committed: what the contact writes next opens another room. */
export async function closeRoom(context: BridgeContext, portal: Portal, ghost: Ghost, room: RoomId): Promise<Change> {
  await abandonRoom(context, ghost.actor, room);
  return { change: 'portal.state', portal: portal.id, state: { at: 'wanted' } };
}

/** The ghost, or the bot, leaves, and keeps no keys of the room: unless it has to stay, for then they are needed still. */
export async function abandonRoom(context: BridgeContext, actor: Actor, room: RoomId): Promise<void> {
  if (await leaveIfThere(context, actor, room)) await context.crypto.forgetRoom(actor, room);
}

/** The ghost, or the bot, leaves as far as it may, and keeps no keys of the room in any case: its user was promised that. */
export async function leaveForGood(context: BridgeContext, actor: Actor, room: RoomId): Promise<void> {
  await leaveIfThere(context, actor, room);
  await context.crypto.forgetRoom(actor, room);
}

/** The ghost leaves, and is out: a room that it is not in, or that is gone, is as good as left. */
export async function leaveIfThere(context: BridgeContext, actor: Actor, room: RoomId): Promise<boolean> {
  try {
    await context.homeserver.leave(actor, room);
    return true;
  } catch (error) {
    // Whom the homeserver does not know is in no room.
    if (error instanceof UnknownActor && error.code === 'matrix.unknown-user') return true;
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    context.logger.warn({ code: error.code, err: error }, 'the homeserver does not let a ghost leave its room');
    return false;
  }
}

/** Whether the ghost is in the room, as far as the homeserver lets it ask. */
export async function isInRoom({ homeserver }: BridgeContext, actor: Actor, room: RoomId): Promise<boolean> {
  try {
    return (await homeserver.state(actor, room)) !== undefined;
  } catch (error) {
    if (!(error instanceof BridgeError) || error.retry === 'later') throw error;
    return true;
  }
}
