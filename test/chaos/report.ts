// The outcome of runs as a table.
import type { Outcome } from './run.ts';

export interface Part {
  readonly part: string;
  readonly seed: number;
  readonly outcome: Outcome;
}

export function table(parts: readonly Part[]): Record<string, string | number>[] {
  return parts.map(({ part, seed, outcome: { account, kills, took } }) => ({
    part,
    seed,
    kills,
    messages: account.sent,
    lost: account.lost,
    doubled: account.doubled,
    'out of order': account.outOfOrder,
    undecryptable: account.undecryptable,
    stray: account.stray,
    unconfirmed: account.unconfirmed,
    late: account.late,
    seconds: Math.round(took / 1000),
  }));
}
