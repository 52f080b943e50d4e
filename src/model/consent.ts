// Consent on record: every step of a user towards it and away from it, and what that rested on. No word of any message, no contact.
import type { Network } from './account.ts';
import type { RecordId, UserId } from './ids.ts';

/** Which explanation somebody was shown. */
export interface Explanation {
  /** Raised by hand when the words say something new in substance. */
  readonly version: number;
  /** Of what this server's configuration makes of it, in hex. */
  readonly digest: string;
}

/** Why an account carries nothing until somebody acts. */
export type PauseReason =
  /** The network is not in the configuration any more. */
  | 'network'
  /** The operator does not let this user opt in any more. */
  | 'permission'
  /** Consent is not on record, or the record is damaged. */
  | 'record'
  /** The statement of being in the European Economic Area is missing or has expired. */
  | 'attestation'
  /** The explanation has changed, and the user has not agreed to it. */
  | 'explanation';

export type ConsentEvent =
  /** The user asked to opt in, and was shown the explanation. */
  | { readonly what: 'explained'; readonly network: Network; readonly explanation: Explanation }
  | { readonly what: 'given'; readonly network: Network; readonly explanation: Explanation }
  /** Shown a changed explanation, or reminded of it, without having asked. */
  | { readonly what: 'asked-again'; readonly network: Network; readonly explanation: Explanation }
  | { readonly what: 'withdrawn'; readonly network: Network }
  /** Ended without the user: refused by the network, or paused for too long. */
  | { readonly what: 'ended'; readonly network: Network; readonly why: 'refused' | PauseReason }
  | { readonly what: 'paused'; readonly network: Network; readonly why: PauseReason }
  | { readonly what: 'resumed'; readonly network: Network }
  /** Told that this network is available here. */
  | { readonly what: 'announced'; readonly network: Network }
  /** Said to be in the European Economic Area; holds until then, in milliseconds since the Unix epoch. */
  | { readonly what: 'attested'; readonly until: number }
  /** Asked to say so, or to say so again. */
  | { readonly what: 'attestation-asked' }
  /** The record before this one was damaged, and was given up. */
  | { readonly what: 'begun-anew' }
  /** All that is left of a record that was erased. */
  | { readonly what: 'erased' };

/** `at`: milliseconds since the Unix epoch. */
export type ConsentEntry = ConsentEvent & { readonly at: number };

/** What is wrong with a record. */
export type RecordDamage =
  /** An entry was altered, taken out or put in. */
  | 'altered'
  /** Its newest entries are missing, or there are more than were written. */
  | 'cut'
  /** All of it is missing. */
  | 'missing';

export interface DamagedRecord {
  readonly record: RecordId;
  /** Undefined where that cannot be read any more. */
  readonly user: UserId | undefined;
  readonly damage: RecordDamage;
}

export interface ConsentCheck {
  /** How many records there are. */
  readonly records: number;
  readonly damaged: readonly DamagedRecord[];
  /** False where the list of all records itself was altered: then none of them can be relied on. */
  readonly headIntact: boolean;
}
