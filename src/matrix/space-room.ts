// The state a Space is created with: invite-only, silent, and ruled by the bot alone.
import type { JsonObject } from '../model/journal.ts';
import type { SpaceSpec } from '../model/matrix.ts';
import { closed, creatorOnly, ruledByCreator } from './closed-room.ts';

/** In the creation of a Space: for which account it is. */
export const spaceAccount = 'matrix-appservice-whatsapp.account';

/** The body of `POST /createRoom`. */
export function createSpaceRequest({ name, topic, invite, federate, account }: SpaceSpec): JsonObject {
  return {
    visibility: 'private',
    name,
    topic,
    invite: [invite],
    creation_content: { type: 'm.space', 'm.federate': federate, [spaceAccount]: account },
    initial_state: closed,
    power_level_content_override: {
      ...ruledByCreator,
      // Nobody talks in a Space.
      events_default: creatorOnly,
      events: {},
    },
  };
}
