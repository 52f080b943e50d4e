// Why a file cannot be fetched from the network, with what that means for the next try.
import { BridgeError } from '../../model/errors.ts';

/** The network has dropped the file; its sender may still have it. */
export function gone(status: number): BridgeError {
  return new BridgeError('media.gone', `the network does not have the file any more (${status})`, {
    userText: 'The network does not have the file any more.',
  });
}

/** `why` names no address: those lead to files. */
export function refused(why: string): BridgeError {
  return new BridgeError('media.refused', `a file was not fetched: ${why}`, {
    userText: 'The file is not where the network keeps its files, so it was not fetched.',
  });
}

export function unavailable(
  why: string,
  details: { readonly cause?: unknown; readonly retryAfterMs?: number } = {},
): BridgeError {
  return new BridgeError('media.unavailable', `a file could not be fetched: ${why}`, {
    retry: 'later',
    userText: 'The file could not be fetched from the network.',
    ...details,
  });
}
