// Loaded into a process before its program: its clock is off by as many milliseconds as a file says, from one moment to the next.
import { readFileSync } from 'node:fs';

export const shiftVariable = 'SHIFTED_CLOCK_FILE';

const file = process.env[shiftVariable];
const RealDate = Date;
const lookEveryMs = 1;
let shift = 0;
let lookedAt = Number.NEGATIVE_INFINITY;

function now(): number {
  if (file !== undefined && performance.now() - lookedAt > lookEveryMs) {
    lookedAt = performance.now();
    const text = readFileSync(file, 'utf8');
    // Nothing is in it in the moment in which it is written.
    if (text !== '') shift = Number(text);
  }
  return RealDate.now() + shift;
}

if (file !== undefined) {
  globalThis.Date = new Proxy(RealDate, {
    construct: (target, args, self) => Reflect.construct(target, args.length === 0 ? [now()] : args, self),
    get: (target, name, self) => (name === 'now' ? now : Reflect.get(target, name, self)),
  });
}
