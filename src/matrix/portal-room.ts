// The state a portal is created with: encrypted, invite-only, labelled as bridged, and ruled by its ghost alone.
import type { JsonObject } from '../model/journal.ts';
import type { PortalRoomSpec } from '../model/matrix.ts';
import { closed, creatorOnly, initialState, ruledByCreator } from './closed-room.ts';

/** MSC2346: the type that clients read today, and the one it will have. */
export const bridgeInfoTypes = ['m.bridge', 'uk.half-shot.bridge'] as const;

/** Every one of these would let a member in, or weaken who may read: only the ghost may change them. */
const guarded = [
  'm.bridge',
  'm.room.avatar',
  'm.room.canonical_alias',
  'm.room.encryption',
  'm.room.guest_access',
  'm.room.history_visibility',
  'm.room.join_rules',
  'm.room.name',
  'm.room.power_levels',
  'm.room.server_acl',
  'm.room.tombstone',
  'm.room.topic',
  'uk.half-shot.bridge',
];

/** The body of `POST /createRoom`. */
export function createRoomRequest(spec: PortalRoomSpec): JsonObject {
  const { stateKey, content } = spec.bridgeInfo;
  return {
    visibility: 'private',
    name: spec.name,
    topic: spec.topic,
    is_direct: true,
    invite: [spec.invite],
    creation_content: { 'm.federate': spec.federate },
    initial_state: [
      initialState('m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' }),
      ...closed,
      ...bridgeInfoTypes.map((type) => initialState(type, content, stateKey)),
    ],
    power_level_content_override: {
      ...ruledByCreator,
      events_default: 0,
      notifications: { room: creatorOnly },
      events: Object.fromEntries(guarded.map((type) => [type, creatorOnly])),
    },
  };
}
