// Policy rooms: rooms whose state says whom others advise to block (Matrix spec, "Moderation policy lists").
import type { AccountId, RoomId } from './ids.ts';

/** Somebody is to be kept away: `entity` is a glob over Matrix IDs or server names. */
export interface PolicyRule {
  readonly about: 'user' | 'server';
  readonly entity: string;
}

/** Whose contacts the rules of a room are about: an account's, or everybody's. */
export type Subscriber = AccountId | 'operator';

export interface PolicySubscription {
  readonly id: string;
  readonly subscriber: Subscriber;
  readonly room: RoomId;
  /** The room id or alias by which it was asked for. */
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  readonly createdAt: number;
}

export interface PolicyRoom {
  readonly room: RoomId;
  /** `unreadable`: the bot is not let in, or not any more; the rules are the last that it saw. */
  readonly state: 'unread' | 'read' | 'unreadable';
  /** Those that can be about somebody on this server. */
  readonly rules: readonly PolicyRule[];
  /** How many more of those there are, beyond what is taken from one room. */
  readonly leftOut: number;
}
