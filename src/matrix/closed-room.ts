// What every room has in common that one of ours creates: invite-only, nobody looks in, and ruled by its creator alone.
import type { JsonObject } from '../model/journal.ts';

/** The level of the creator: homeservers give it to them, and since room version 12 a creator must not be named among the users. */
export const creatorOnly = 100;

export const initialState = (type: string, content: JsonObject, state_key = '') => ({ type, state_key, content });

export const closed = [
  initialState('m.room.join_rules', { join_rule: 'invite' }),
  initialState('m.room.guest_access', { guest_access: 'forbidden' }),
  // `joined` would hide from the user what came before they accepted; `shared` would show everything to any later member.
  initialState('m.room.history_visibility', { history_visibility: 'invited' }),
];

export const ruledByCreator = {
  users_default: 0,
  state_default: creatorOnly,
  invite: creatorOnly,
  kick: creatorOnly,
  ban: creatorOnly,
  redact: creatorOnly,
};
