// A panic inside the crypto library surfaces as an uncaught `RuntimeError: unreachable`, far from the call that caused it.
import { BridgeError } from '../../model/errors.ts';

/** Reports exactly such panics to `onFatal`; every other uncaught error ends the process as before. Returns how to stop. */
export function reportPanics(onFatal: (error: Error) => void): () => void {
  const handler = (error: unknown): void => {
    if (error instanceof WebAssembly.RuntimeError && error.message === 'unreachable') {
      onFatal(new BridgeError('crypto.panic', 'the crypto library has panicked', { cause: error }));
    } else if (process.listenerCount('uncaughtException') === 1) {
      // Being the only listener suppresses the default, which is to print the error and exit.
      throw error;
    }
  };
  process.on('uncaughtException', handler);
  return () => process.off('uncaughtException', handler);
}
