// Waiting for something to become true in a Matrix client: by its events, within a limit, and saying what was seen if it did not.

/** A condition that did not become true in time; the message names it and lists what was seen instead. */
export class WaitTimeout extends Error {
  override readonly name = 'WaitTimeout';
}

export type Wait<T> = {
  /** What is waited for, as in "Waited 30 s for <this>". */
  what: string;
  timeoutMs: number;
  /** Calls `check` whenever the answer may have changed; returns what ends that. */
  watch: (check: () => void) => () => void;
  /** The answer, or undefined as long as there is none. Never run twice at once. */
  probe: () => T | undefined | Promise<T | undefined>;
  /** One line for each thing that was there, for the error. */
  seen: () => string[];
};

export async function waitFor<T>({ what, timeoutMs, watch, probe, seen }: Wait<T>): Promise<T> {
  let wake = () => {};
  let changed = true;
  let expired = false;
  const unwatch = watch(() => {
    changed = true;
    wake();
  });
  const timer = setTimeout(() => {
    expired = true;
    wake();
  }, timeoutMs);
  try {
    while (!expired) {
      changed = false;
      const answer = await probe();
      if (answer !== undefined) return answer;
      if (!changed && !expired) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    }
  } finally {
    clearTimeout(timer);
    unwatch();
  }
  const lines = seen();
  const list = lines.length === 0 ? 'Nothing was seen.' : `Seen:\n${lines.map((line) => `  ${line}`).join('\n')}`;
  throw new WaitTimeout(`Waited ${timeoutMs / 1000} s for ${what}. ${list}`);
}
