// matrix-js-sdk, the library inside Element, loaded only when a Matrix user is needed: it is a development dependency.
import type { Logger } from 'matrix-js-sdk/lib/logger.js';
import { BridgeError } from '../model/errors.ts';

/** Loads the library, silenced. Throws BridgeError `demo.matrix-sdk` where it is not installed. */
export async function loadMatrixSdk() {
  try {
    // First the logger: parts of the library log past the client's own, and keep what they find here when they load.
    const { logger } = await import('matrix-js-sdk/lib/logger.js');
    Object.assign(logger, silent, { log: nothing });
    const sdk = await import('matrix-js-sdk');
    const crypto = await import('matrix-js-sdk/lib/crypto-api/index.js');
    const { RustBackupManager } = await import('matrix-js-sdk/lib/rust-crypto/backup.js');
    // It waits up to ten seconds before it backs up a key, so that many clients spread their load; we are one.
    Reflect.set(RustBackupManager, 'maxBackupLoopStartDelayMillis', 0);
    return { sdk, crypto, logger: silent };
  } catch (cause) {
    const advice = 'The Matrix user of the demo and the tests needs matrix-js-sdk: run "npm ci" without --omit=dev.';
    throw new BridgeError('demo.matrix-sdk', advice, { cause });
  }
}

const nothing = () => {};
const silent: Logger = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing,
  getChild: () => silent,
};

export type MatrixSdk = Awaited<ReturnType<typeof loadMatrixSdk>>;
