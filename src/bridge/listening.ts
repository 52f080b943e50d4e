// For how long an answer could have reached us. A process that was not there, or had no connection, has not listened: what was said meanwhile still lies
// with the network. Measured by a clock that does not jump.
import type { Clock } from '../model/clock.ts';
import type { AccountId, OutboxId } from '../model/ids.ts';
import { answerWaitMs } from './inbox-steps.ts';

/** For what an answer is waited: a message that was sent again, or (by a name of its own) one that was asked for again. */
type Question = OutboxId | string;

export class Listening {
  readonly #clock: Pick<Clock, 'elapsed'>;
  /** Since when each account has a connection, without a break. */
  readonly #since = new Map<AccountId, number>();
  /** When each question was asked last, the oldest first. */
  readonly #asked = new Map<Question, number>();

  constructor(clock: Pick<Clock, 'elapsed'>) {
    this.#clock = clock;
  }

  begins(account: AccountId): void {
    this.#since.set(account, this.#clock.elapsed());
  }

  ends(account: AccountId): void {
    this.#since.delete(account);
  }

  /** The answer takes its time from now on. */
  asked(question: Question): void {
    const now = this.#clock.elapsed();
    for (const [earlier, at] of this.#asked) {
      if (now - at < answerWaitMs) break;
      this.#asked.delete(earlier);
    }
    this.#asked.delete(question);
    this.#asked.set(question, now);
  }

  /** Whether an answer to this question would have come. What this process has not asked was asked before it listened. */
  isInVain(account: AccountId, question: Question): boolean {
    const since = this.#since.get(account);
    if (since === undefined) return false;
    return this.#clock.elapsed() - Math.max(since, this.#asked.get(question) ?? since) >= answerWaitMs;
  }
}
