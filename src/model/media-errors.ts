// The errors of files that mean the same whichever side a file comes from.
import { BridgeError } from './errors.ts';

const megabyte = 1024 * 1024;
const inMegabytes = (bytes: number): string => `${(bytes / megabyte).toFixed(1)} MB`;

/** A file beyond a limit, whoever set it: `media.too-large`. Sizes in bytes, where they are known. */
export function tooLarge(size: number | undefined, limit: number | undefined): BridgeError {
  const has = size === undefined ? '' : ` It has ${inMegabytes(size)}.`;
  const may = limit === undefined ? '' : ` The limit is ${inMegabytes(limit)}.`;
  return new BridgeError('media.too-large', 'a file is larger than the limit', {
    userText: `The file is too large.${has}${may}`,
  });
}

/** What was fetched is not what its message describes: `media.corrupt`. */
export function corrupt(why: string): BridgeError {
  return new BridgeError('media.corrupt', `a file cannot be decrypted: ${why}`, {
    userText: 'The file is damaged: it is not what its message describes. Sending it again helps.',
  });
}
