// Memory of files that only pass through. Their buffers are used once, and V8 lets tens of megabytes of them wait before it looks at them.
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/** Bytes in new buffers after which they are looked at: takes a millisecond or so, and keeps the memory of transfers flat. */
const lookEvery = 4 * 1024 * 1024;

let collectYoung: (() => void) | undefined;
let unlooked = 0;

/** To be called with the length of each buffer that was made for bytes that pass, by whoever made it. */
export function madeForPassing(bytes: number): void {
  unlooked += bytes;
  if (unlooked < lookEvery) return;
  unlooked = 0;
  collectYoung ??= youngCollector();
  collectYoung();
}

/** Node shows its collector only to contexts that are made while the flag is set. */
function youngCollector(): () => void {
  setFlagsFromString('--expose-gc');
  const collect: unknown = runInNewContext('gc');
  setFlagsFromString('--no-expose-gc');
  return typeof collect === 'function' ? () => void collect({ type: 'minor' }) : () => undefined;
}
