// A panic inside the crypto library surfaces as an uncaught `RuntimeError: unreachable`, far from the call that caused it.
import { BridgeError } from '../../model/errors.ts';

const listeners = new Set<(error: Error) => void>();

function handle(error: unknown): void {
  if (error instanceof WebAssembly.RuntimeError && error.message === 'unreachable') {
    const panic = new BridgeError('crypto.panic', 'the crypto library has panicked', { cause: error });
    for (const report of listeners) report(panic);
  } else if (process.listenerCount('uncaughtException') === 1) {
    // Being the only listener suppresses the default, which is to print the error and exit.
    throw error;
  }
}

/** Reports exactly such panics to `onFatal`; every other uncaught error ends the process as before. Returns how to stop. */
export function reportPanics(onFatal: (error: Error) => void): () => void {
  // One of its own for each caller, though the function be the same.
  const report = (error: Error): void => onFatal(error);
  if (listeners.size === 0) process.on('uncaughtException', handle);
  listeners.add(report);
  return () => {
    if (listeners.delete(report) && listeners.size === 0) process.off('uncaughtException', handle);
  };
}
