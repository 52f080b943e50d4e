// Every action carries its number, so that it is known again on the other side.
import type { Action } from './plan.ts';

/** What is written for a text, a reply or an edit. */
export function textOf({ number, chat, kind, about }: Action): string {
  return `#${number} ${kind} in chat ${chat}${about === undefined ? '' : ` about ${about}`}`;
}

/** What is in the file of this number. */
export function bytesOf(number: number): Buffer {
  return Buffer.from(`the file of ${number}\n`.repeat(500));
}

export function numberIn(text: unknown): number | undefined {
  const [, digits] = (typeof text === 'string' && /^(?:\* )?#(\d+) /.exec(text)) || [];
  return digits === undefined ? undefined : Number(digits);
}

/** What is known by a number, both ways; may be waited for. */
export class Numbers<Value> {
  readonly #values = new Map<number, Value>();
  readonly #numbers = new Map<Value, number>();
  readonly #waiting = new Map<number, ((value: Value) => void)[]>();
  readonly #came: () => void;

  /** `came` is called for each that becomes known. */
  constructor(came: () => void) {
    this.#came = came;
  }

  set(number: number, value: Value): void {
    this.#numbers.set(value, number);
    if (this.#values.has(number)) return;
    this.#values.set(number, value);
    this.#came();
    for (const resolve of this.#waiting.get(number) ?? []) resolve(value);
    this.#waiting.delete(number);
  }

  get(number: number): Value | undefined {
    return this.#values.get(number);
  }

  numberOf(value: Value): number | undefined {
    return this.#numbers.get(value);
  }

  /** Resolves once it is known; undefined where `over` is aborted before. */
  async wait(number: number, over: AbortSignal): Promise<Value | undefined> {
    const known = this.#values.get(number);
    if (known !== undefined || over.aborted) return known;
    return new Promise((resolve) => {
      const giveUp = (): void => resolve(undefined);
      over.addEventListener('abort', giveUp, { once: true });
      const found = (value: Value): void => {
        over.removeEventListener('abort', giveUp);
        resolve(value);
      };
      this.#waiting.set(number, [...(this.#waiting.get(number) ?? []), found]);
    });
  }
}
