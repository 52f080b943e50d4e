// The state a Space is created with: invite-only, silent, and ruled by the bot alone.
import type { JsonObject } from '../model/journal.ts';
import type { SpaceSpec } from '../model/matrix.ts';

/** In the creation of a Space: for which account it is. */
export const spaceAccount = 'matrix-appservice-whatsapp.account';

const botOnly = 100;

/** The body of `POST /createRoom`. As in a portal the levels leave `users` alone. */
export function createSpaceRequest({ name, topic, invite, federate, account }: SpaceSpec): JsonObject {
  const state = (type: string, content: JsonObject) => ({ type, state_key: '', content });
  return {
    visibility: 'private',
    name,
    topic,
    invite: [invite],
    creation_content: { type: 'm.space', 'm.federate': federate, [spaceAccount]: account },
    initial_state: [
      state('m.room.join_rules', { join_rule: 'invite' }),
      state('m.room.guest_access', { guest_access: 'forbidden' }),
      state('m.room.history_visibility', { history_visibility: 'invited' }),
    ],
    power_level_content_override: {
      users_default: 0,
      // Nobody talks in a Space.
      events_default: botOnly,
      state_default: botOnly,
      invite: botOnly,
      kick: botOnly,
      ban: botOnly,
      redact: botOnly,
      events: {},
    },
  };
}
