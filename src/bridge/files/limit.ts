// How large a file may be.
import type { BridgeContext } from '../context.ts';

/** Returns the largest file that is carried, in bytes: what is configured, or the homeserver's own limit where that is less. */
export async function fileLimit({ settings, matrixMedia }: BridgeContext): Promise<number> {
  return Math.min(settings.maxFileBytes, (await matrixMedia.uploadLimit()) ?? Number.POSITIVE_INFINITY);
}
