// A portal is for the contact's ghost and one user. Whoever else gets in holds it, both ways, until they are gone or the user lets them stay.
import type { Change } from '../model/change.ts';
import type { PortalId, RoomId, UserId } from '../model/ids.ts';
import type { MatrixEvent } from '../model/journal.ts';
import type { Portal } from '../model/portal.ts';
import type { BridgeContext } from './context.ts';

export interface Visits {
  readonly changes: readonly Change[];
  /** What is to be looked at again once they are committed. */
  readonly chats: readonly {
    readonly portal: PortalId;
    readonly room: RoomId;
    readonly managementRoom: RoomId;
  }[];
}

const noticeKey = (portal: PortalId, visitor: string): string => `visitor:${portal}:${visitor}`;

/**
 * What the comings and goings among these events lead to. They are taken in as they are pushed, not in their turn: the one that ends a
 * hold may stand behind a message that is held.
 */
export async function visits(context: BridgeContext, events: readonly MatrixEvent[]): Promise<Visits> {
  const changes: Change[] = [];
  const chats: Visits['chats'][number][] = [];
  for (const event of events) {
    if (event.type !== 'm.room.member' || event.state_key === undefined) continue;
    const portal = await context.store.portals.byRoom(event.room_id);
    const account = portal && (await context.store.accounts.get(portal.account));
    if (portal === undefined || account === undefined) continue;
    const { managementRoom } = account;
    const isUser = event.state_key === account.user;
    const more = isUser
      ? await userMoved(context, portal, event)
      : await othersMoved(context, portal, managementRoom, event);
    if (more.length === 0) continue;
    changes.push(...more);
    chats.push({ portal: portal.id, room: event.room_id, managementRoom });
  }
  return { changes, chats };
}

/** Somebody has left, or was put out. */
export const hasGone = ({ type, content }: MatrixEvent): boolean =>
  type === 'm.room.member' && (content.membership === 'leave' || content.membership === 'ban');
const there = (event: MatrixEvent): boolean =>
  event.content.membership === 'join' || event.content.membership === 'invite';

/** A user who leaves closes the room, whoever stays in it. */
async function userMoved({ store }: BridgeContext, portal: Portal, event: MatrixEvent): Promise<Change[]> {
  if (!hasGone(event)) return [];
  const visitors = await store.visitors.of(portal.id);
  return visitors.flatMap(({ user }) => leaves(portal.id, user));
}

async function othersMoved(
  { store }: BridgeContext,
  portal: Portal,
  room: RoomId,
  event: MatrixEvent,
): Promise<Change[]> {
  const visitor = event.state_key as UserId;
  if ((await store.contacts.ghost(portal.contact))?.actor.user === visitor) return [];
  if (hasGone(event)) return leaves(portal.id, visitor);
  if (!there(event)) return [];
  return [
    { change: 'visitor.add', portal: portal.id, user: visitor },
    { change: 'bot-message.add', room, key: noticeKey(portal.id, visitor), text: told(visitor, event.room_id) },
  ];
}

/** Somebody else is not there any more. */
export const leaves = (portal: PortalId, user: UserId): Change[] => [
  { change: 'visitor.gone', portal, user },
  { change: 'bot-message.release', key: noticeKey(portal, user) },
];

/** Names no contact: the room may be unencrypted. */
const told = (visitor: UserId, room: RoomId): string =>
  [
    `${visitor} has been brought into one of your chats, where nobody belongs but you and the other person: https://matrix.to/#/${encodeURIComponent(room)}`,
    `Nothing is delivered there, in either direction, while they are in it or invited; what is written waits. Send "remove ${visitor}" and they are put out, or "allow ${visitor}" if they may stay: they get no keys to your messages, but see who writes when, and reactions.`,
  ].join('\n\n');
