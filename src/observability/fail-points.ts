// Fail points: where a step of delivery is done, a test may let the process die. Without the variables below they do nothing.
import { type DeliveryStep, deliverySteps } from '../model/delivery-steps.ts';

/**
 * For tests only: `<step>`, or `<step>:<n>`: SIGKILL when this step has been done for the n-th time. As at a power cut nothing is
 * flushed and nobody is told.
 */
export const killVariable = 'MATRIX_WHATSAPP_KILL_AT';

/** For tests only: `1` acknowledges everything before it is durable, as bridges do that lose messages; shows that the tests see the loss. */
export const naiveVariable = 'MATRIX_WHATSAPP_ACKNOWLEDGE_FIRST';

/** For tests only: the network connection's own waits and limits (keep-alive, back-off) are so many times shorter. */
export const hasteVariable = 'MATRIX_WHATSAPP_HASTE';

/** What `db copy` has done; every other step is one of delivery. */
const copySteps = ['copy-committed', 'copy-marked'] as const;

type Step = DeliveryStep | (typeof copySteps)[number];

/** Says that this step has been done. */
export const passed: (step: Step) => void = killer(process.env[killVariable]);

export const acknowledgesFirst: boolean = process.env[naiveVariable] === '1';

export const haste: number = factor(process.env[hasteVariable]);

function factor(value = '1'): number {
  const number = Number(value);
  if (number >= 1 && number <= 1_000) return number;
  throw new Error(`${hasteVariable}: expected a number from 1 to 1000, not ${value}`);
}

function killer(value: string | undefined): (step: Step) => void {
  if (value === undefined) return () => undefined;
  const [name, count = '1'] = value.split(':');
  const fatal = [...deliverySteps, ...copySteps].find((step) => step === name);
  let left = Number(count);
  if (fatal === undefined || !Number.isInteger(left) || left < 1) {
    throw new Error(`${killVariable}: expected the name of a step and perhaps how often, not ${value}`);
  }
  return (step) => {
    if (step !== fatal) return;
    left -= 1;
    if (left === 0) process.kill(process.pid, 'SIGKILL');
  };
}
