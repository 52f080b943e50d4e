// The state a portal is created with: encrypted, invite-only, labelled as bridged, and ruled by its ghost alone.
import type { JsonObject } from '../model/journal.ts';
import type { PortalRoomSpec } from '../model/matrix.ts';

/** MSC2346: the type that clients read today, and the one it will have. */
export const bridgeInfoTypes = ['m.bridge', 'uk.half-shot.bridge'] as const;

const ghostOnly = 100;

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

/**
 * The body of `POST /createRoom`. The levels leave `users` alone: the ghost, as creator, gets 100 from the homeserver, and since room
 * version 12 a creator must not be named there.
 */
export function createRoomRequest(spec: PortalRoomSpec): JsonObject {
  const { stateKey, content } = spec.bridgeInfo;
  const state = (type: string, value: JsonObject, state_key = '') => ({ type, state_key, content: value });
  return {
    visibility: 'private',
    name: spec.name,
    topic: spec.topic,
    is_direct: true,
    invite: [spec.invite],
    creation_content: { 'm.federate': spec.federate },
    initial_state: [
      state('m.room.encryption', { algorithm: 'm.megolm.v1.aes-sha2' }),
      state('m.room.join_rules', { join_rule: 'invite' }),
      state('m.room.guest_access', { guest_access: 'forbidden' }),
      // `joined` would hide from the user what came before they accepted; `shared` would show everything to any later member.
      state('m.room.history_visibility', { history_visibility: 'invited' }),
      ...bridgeInfoTypes.map((type) => state(type, content, stateKey)),
    ],
    power_level_content_override: {
      users_default: 0,
      events_default: 0,
      state_default: ghostOnly,
      invite: ghostOnly,
      kick: ghostOnly,
      ban: ghostOnly,
      redact: ghostOnly,
      notifications: { room: ghostOnly },
      events: Object.fromEntries(guarded.map((type) => [type, ghostOnly])),
    },
  };
}
