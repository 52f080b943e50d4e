// A file beyond a limit, whoever set it.
import { BridgeError } from '../../model/errors.ts';

const megabyte = 1024 * 1024;
const inMegabytes = (bytes: number): string => `${(bytes / megabyte).toFixed(1)} MB`;

/** Sizes in bytes, where they are known. */
export function tooLarge(size: number | undefined, limit: number | undefined): BridgeError {
  const has = size === undefined ? '' : ` It has ${inMegabytes(size)}.`;
  const may = limit === undefined ? '' : ` The limit is ${inMegabytes(limit)}.`;
  return new BridgeError('media.too-large', 'a file is larger than the limit', {
    userText: `The file is too large.${has}${may}`,
  });
}
