// Transactions that the homeserver has written down and does not push: one that Synapse makes in the moment in which it finds us back stays there until we are
// away once more (1.163, `appservice/scheduler.py`). Its transactions are numbered without gaps; before a gap the next one is refused once, and then both come, in order.
import { BridgeError } from '../model/errors.ts';

export interface StrandedTransactionsOptions {
  /** Whether a transaction of this id was ever stored. */
  readonly isKnown: (id: string) => Promise<boolean>;
  /** Called when this one is refused: whether another has been stranded meanwhile is to be looked at. */
  readonly refused: (id: string) => void;
}

/** Numbers that went to another application service of the same homeserver are gaps as well: so often in vain, and no more is refused. */
const mostInVain = 3;

export class StrandedTransactions {
  readonly #options: StrandedTransactionsOptions;
  #last: number | undefined;
  #refused: number | undefined;
  #left = mostInVain;

  constructor(options: StrandedTransactionsOptions) {
    this.#options = options;
  }

  /** Rejects with BridgeError `bridge.transaction-missing` where the one before may be stranded, once for each. */
  async check(id: string): Promise<void> {
    if (!/^\d{1,15}$/.test(id)) return;
    const number = Number(id);
    // The homeserver had it, as supposed.
    if (this.#refused !== undefined && number === this.#refused - 1) this.#left = mostInVain;
    if (await this.#isBehindGap(number)) {
      this.#left -= 1;
      this.#refused = number;
      this.#options.refused(id);
      throw new BridgeError('bridge.transaction-missing', `the transaction before ${id} has not come yet`, {
        retry: 'later',
      });
    }
    this.#last = number;
  }

  async #isBehindGap(number: number): Promise<boolean> {
    if (this.#left === 0 || number <= 1 || number === this.#refused) return false;
    if (this.#last !== undefined && number <= this.#last + 1) return false;
    return !(await this.#options.isKnown(String(number - 1)));
  }
}
