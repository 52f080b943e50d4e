// Signals that ask the program to end, as a person means them: the first asks, a later one insists.

/** npm passes on a Ctrl-C that the terminal has sent us already: what comes so soon, in milliseconds, is the same one. */
const sameSignalMs = 1_000;
const signalNames = ['SIGTERM', 'SIGINT'] as const;
type SignalName = (typeof signalNames)[number];

/** Where signals come from: the process. */
export interface SignalSource {
  on(signal: SignalName, listener: () => void): unknown;
  off(signal: SignalName, listener: () => void): unknown;
}

/** Calls `ask` at the first signal and `insist` at each one that is not its echo. Returns how to stop listening. */
export function onEndSignals(source: SignalSource, ask: () => void, insist: () => void): () => void {
  let first: number | undefined;
  const onSignal = (): void => {
    if (first === undefined) {
      first = performance.now();
      ask();
    } else if (performance.now() - first > sameSignalMs) {
      insist();
    }
  };
  for (const name of signalNames) source.on(name, onSignal);
  return () => {
    for (const name of signalNames) source.off(name, onSignal);
  };
}
