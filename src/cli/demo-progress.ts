// Progress lines with the time since the start; a step that takes long says so as long as it lasts.

const heartbeatMs = 5_000;

export interface Progress {
  readonly say: (text: string) => void;
  /** Announces a step, runs it, and repeats itself with the step's own time while it lasts. */
  readonly step: <T>(text: string, run: () => Promise<T>) => Promise<T>;
}

export function createProgress(write: (line: string) => void): Progress {
  const started = performance.now();
  const seconds = (since: number): string => `${((performance.now() - since) / 1000).toFixed(1)} s`;
  const say = (text: string): void => write(`${seconds(started).padStart(8)}  ${text}`);
  return {
    say,
    step: async (text, run) => {
      const begun = performance.now();
      say(text);
      const heartbeat = setInterval(() => say(`${text}: still at it after ${seconds(begun)}`), heartbeatMs);
      return run().finally(() => clearInterval(heartbeat));
    },
  };
}
