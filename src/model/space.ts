// Spaces: whoever wants their chats apart from their other rooms gets a Space for them (Matrix spec, "Spaces"), which the bot keeps.
import type { AccountId, RoomId } from './ids.ts';

export type SpaceState =
  /** Wanted; the room may or may not exist already (an earlier attempt may have been killed). */
  | { readonly at: 'making' }
  | { readonly at: 'open'; readonly room: RoomId }
  /** Wanted no longer: its user is taken out, and the bot goes. */
  | { readonly at: 'closing'; readonly room: RoomId };

/** At most one for each account. */
export interface Space {
  readonly account: AccountId;
  readonly state: SpaceState;
}

/** Undefined where it is not known whether there is one. */
export function roomOfSpace({ state }: Space): RoomId | undefined {
  return state.at === 'making' ? undefined : state.room;
}

/** The room of a chat, as it stands in a Space. */
export interface SpaceChild {
  readonly room: RoomId;
  /** As which of the account's chats it began, counted from one. Never changes. */
  readonly position: number;
}

/** A child of which it is on record that it is in the Space, or may be. */
export interface ListedChild extends SpaceChild {
  /** Whether the homeserver has accepted it. */
  readonly put: boolean;
}

/** A Space that is left over after opt-out. */
export interface DepartingSpace {
  /** Undefined where it is not known whether it was made. */
  readonly room: RoomId | undefined;
}
