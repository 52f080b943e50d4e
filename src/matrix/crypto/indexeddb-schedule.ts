// When the IndexedDB in memory goes on: as soon as its caller has asked for what comes next, not after a turn of the event loop each time.
import { IDBDatabase } from 'fake-indexeddb';

type Task = () => void;

/** Some ten messages' worth; then everything else has its turn. */
const stepsInARow = 100;
let steps = 0;

const turn = globalThis.setImmediate;

/**
 * fake-indexeddb lets a turn of the event loop pass between the requests of a transaction, so that promises go on first and ask for more.
 * A tick that is set in a microtask does not come before they have either, and costs less.
 */
function schedule(task: Task): void {
  const step = (): void => scheduling(task);
  steps += 1;
  if (steps % stepsInARow === 0) turn(step);
  else queueMicrotask(() => process.nextTick(step));
}

/** The library takes `setImmediate` from the global object whenever it schedules something: what it schedules within `task` comes to us. */
function scheduling<Result>(task: () => Result): Result {
  const before = globalThis.setImmediate;
  Object.assign(globalThis, { setImmediate: schedule });
  try {
    return task();
  } finally {
    globalThis.setImmediate = before;
  }
}

/** To be called once, before a database is opened. */
export function hastenTransactions(): void {
  const { transaction } = IDBDatabase.prototype;
  IDBDatabase.prototype.transaction = function (...args) {
    return scheduling(() => transaction.apply(this, args));
  };
}
