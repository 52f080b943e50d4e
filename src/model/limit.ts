// Rate limits: what is counted, for whom, and how much of it may be in a window of time.
import type { AccountId, ContactId } from './ids.ts';

/** Those that make a chat wait: messages of users, requests of contacts, bytes of files either way. */
export const heldLimits = ['messages', 'requests', 'media'] as const;
export type HeldLimit = (typeof heldLimits)[number];

/** `new-chats`: numbers that users look for. The bot refuses more of them. */
export type LimitName = HeldLimit | 'new-chats';

export type LimitScope = 'account' | 'contact' | 'everybody';

/** Whom a count is about; `everybody`: all accounts of this server together. */
export type LimitSubject = AccountId | ContactId | 'everybody';

/** What has been counted for somebody. */
export interface LimitUse {
  readonly limit: LimitName;
  readonly scope: LimitScope;
  readonly subject: LimitSubject;
  /** Messages, chats, requests or bytes. */
  readonly points: number;
  /** When it counts no longer, in milliseconds since the Unix epoch. */
  readonly until: number;
}

/** How much there may be in one window, which begins with the first that is counted. */
export interface LimitRate {
  readonly perMs: number;
  readonly account: number;
  /** In place of `account` while the account is young. */
  readonly young: number;
  /** Undefined where contacts are not counted apart. */
  readonly contact?: number;
  readonly everybody: number;
}

export interface LimitSettings {
  /** For how long an account is young, in milliseconds. */
  readonly youngMs: number;
  readonly rates: Readonly<Record<LimitName, LimitRate>>;
}
