// Transfers count in bytes: at once as many as a file is said to have, so that what waits for a slot is seen, and in the end as many as have passed.
import type { FileBytes } from '../../model/media.ts';
import type { ActiveAccount, BridgeContext } from '../context.ts';

/** Runs `transfer`, which is to read files through what it is given. A file that fails half-way counts by half. */
export async function metered<Result>(
  { limits }: Pick<BridgeContext, 'limits'>,
  account: ActiveAccount,
  claimed: number,
  transfer: (passing: (bytes: FileBytes) => FileBytes) => Promise<Result>,
): Promise<Result> {
  let passed = 0;
  await limits.count('media', { account }, claimed);
  try {
    return await transfer(async function* (bytes) {
      for await (const chunk of bytes) {
        passed += chunk.length;
        yield chunk;
      }
    });
  } finally {
    await limits.count('media', { account }, passed - claimed);
  }
}
