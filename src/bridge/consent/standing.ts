// How an account stands: whether it may work, what its user has to be asked, when it ends. Decided from what is on record, without I/O.
import type { Account, Network } from '../../model/account.ts';
import type { ConsentEntry, Explanation, PauseReason } from '../../model/consent.ts';
import { sameExplanation } from './explanation.ts';

/** What the operator demands at present. Times in milliseconds. */
export interface Demands {
  readonly networks: readonly Network[];
  readonly mayOptIn: boolean;
  readonly attestationRequired: boolean;
  /** How long an account goes on without an answer that has become necessary. */
  readonly graceMs: number;
  /** How long it may be paused before it ends. */
  readonly endAfterMs: number;
}

export type Question = 'explanation' | 'attestation';

export interface Standing {
  /** Why the account may not work now. */
  readonly pause: PauseReason | undefined;
  /** What its user is to be asked now. */
  readonly ask: readonly Question[];
  /** When the account is paused without an answer, by question. */
  readonly deadlines: Readonly<Partial<Record<Question, number>>>;
  /** It has been paused for too long. */
  readonly end: boolean;
}

const day = 24 * 60 * 60 * 1000;
/** Nobody is asked the same more often. */
const askEveryMs = 7 * day;
/** How long before its end a statement is to be renewed. */
const renewBeforeMs = 30 * day;

/** `entries`: undefined where the record is damaged. */
export function standing(
  account: Pick<Account, 'network' | 'state'>,
  entries: readonly ConsentEntry[] | undefined,
  current: Explanation,
  demands: Demands,
  now: number,
): Standing {
  const deadlines: Partial<Record<Question, number>> = {};
  const ask: Question[] = [];
  const due = (question: Question, deadline: number, askedAt: number | undefined): void => {
    deadlines[question] = deadline;
    if (askedAt === undefined || now - askedAt >= askEveryMs) ask.push(question);
  };
  const given = entries && consentGiven(entries, account.network);
  const later = given && entries ? entries.slice(entries.indexOf(given) + 1) : (entries ?? []);
  if (given === undefined || !sameExplanation(given.explanation, current)) {
    const asked = later.filter(
      (entry) =>
        entry.what === 'asked-again' &&
        entry.network === account.network &&
        sameExplanation(entry.explanation, current),
    );
    due('explanation', given === undefined ? now : (asked[0]?.at ?? now) + demands.graceMs, asked.at(-1)?.at);
  }
  if (demands.attestationRequired) {
    const until = attestedUntil(entries ?? []);
    const asked = (entries ?? []).slice(1 + lastIndexOf(entries ?? [], 'attested'));
    const askedAt = asked.filter(({ what }) => what === 'attestation-asked');
    if (until === undefined || until - now < renewBeforeMs)
      due('attestation', until ?? (askedAt[0]?.at ?? now) + demands.graceMs, askedAt.at(-1)?.at);
  }
  const pause = reason(account, given !== undefined, deadlines, demands, now);
  const pausedAt = entries?.findLast((entry) => entry.what === 'paused' && entry.network === account.network)?.at;
  const end =
    account.state.at === 'paused' &&
    pause !== undefined &&
    pause !== 'record' &&
    pausedAt !== undefined &&
    now - pausedAt >= demands.endAfterMs;
  return { pause, ask: demands.mayOptIn && demands.networks.includes(account.network) ? ask : [], deadlines, end };
}

function reason(
  { network }: Pick<Account, 'network'>,
  isGiven: boolean,
  deadlines: Standing['deadlines'],
  demands: Demands,
  now: number,
): PauseReason | undefined {
  const isOver = (question: Question): boolean => (deadlines[question] ?? Number.POSITIVE_INFINITY) <= now;
  if (!demands.networks.includes(network)) return 'network';
  if (!demands.mayOptIn) return 'permission';
  if (!isGiven) return 'record';
  if (isOver('attestation')) return 'attestation';
  return isOver('explanation') ? 'explanation' : undefined;
}

/** The newest consent to this network that still holds. */
export function consentGiven(
  entries: readonly ConsentEntry[],
  network: Network,
): Extract<ConsentEntry, { readonly what: 'given' }> | undefined {
  const last = entries.findLast(
    (entry) =>
      (entry.what === 'given' || entry.what === 'withdrawn' || entry.what === 'ended') && entry.network === network,
  );
  return last?.what === 'given' ? last : undefined;
}

/** Until when the user's last statement of being in the European Economic Area holds. */
export function attestedUntil(entries: readonly ConsentEntry[]): number | undefined {
  const last = entries.findLast(({ what }) => what === 'attested');
  return last?.what === 'attested' ? last.until : undefined;
}

const lastIndexOf = (entries: readonly ConsentEntry[], what: ConsentEntry['what']): number =>
  entries.findLastIndex((entry) => entry.what === what);
