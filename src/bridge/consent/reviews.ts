// Reviews of all accounts: at the start, every hour, and of one whenever its user has answered something.
import type { Account } from '../../model/account.ts';
import type { AccountId, UserId } from '../../model/ids.ts';
import { Serial } from '../../model/serial.ts';
import { type ActiveAccount, type BridgeContext, isActive } from '../context.ts';
import type { MakeWorkers, Step, Workers } from '../workers.ts';
import { type ReviewEffects, review } from './review.ts';

export interface ReviewsEffects extends ReviewEffects {
  connect(account: ActiveAccount): void;
  wakeEnlistment(account: Account['id']): void;
  wakeUser(user: UserId): Promise<void>;
}

const reviewPeriodMs = 60 * 60 * 1000;

export class Reviews {
  readonly #context: BridgeContext;
  readonly #effects: () => ReviewsEffects;
  readonly #accounts: Workers<AccountId>;
  readonly #audits: Workers<'all'>;
  readonly #byUser = new Serial<UserId>();
  #audited = false;
  #recordsDamaged = false;

  constructor(context: BridgeContext, workers: MakeWorkers, effects: () => ReviewsEffects) {
    this.#context = context;
    this.#effects = effects;
    this.#accounts = workers('reviews', (account) => this.#review(account), 4);
    this.#audits = workers('audits', () => this.#reviewAll());
  }

  get workers(): readonly Pick<Workers<unknown>, 'stop' | 'resumeAll'>[] {
    return [this.#accounts, this.#audits];
  }

  /** Whether what is on record about consent was found damaged at the start. */
  get recordsDamaged(): boolean {
    return this.#recordsDamaged;
  }

  wake(account: AccountId): void {
    this.#accounts.wake(account);
  }

  wakeAll(): void {
    this.#audits.wake('all');
  }

  /** Whoever may work is connected afterwards. */
  async #review(id: AccountId): Promise<Step> {
    const { accounts } = this.#context.store;
    const effects = this.#effects();
    const before = await accounts.get(id);
    if (before === undefined) return 'idle';
    // Whoever has two accounts is asked once: what the first review asks is on record before the second looks.
    await this.#byUser.run(before.user, () => review(this.#context, id, effects));
    const account = await accounts.get(id);
    if (isActive(account)) effects.connect(account);
    if (account?.state.at === 'enlisting') effects.wakeEnlistment(id);
    if (isActive(account) && before.state.at === 'paused') await effects.wakeUser(account.user);
    return 'idle';
  }

  async #reviewAll(): Promise<Step> {
    if (!this.#audited) await this.#checkRecords();
    // The last active first.
    await this.#accounts.wakeAll(await this.#context.store.accounts.ids());
    return { waitMs: reviewPeriodMs };
  }

  /** Damage is named once; whose record is damaged is paused by the review. */
  async #checkRecords(): Promise<void> {
    const { store, logger } = this.#context;
    const { damaged, headIntact } = await store.consent.check();
    this.#audited = true;
    this.#recordsDamaged = damaged.length > 0 || !headIntact;
    for (const { record, damage } of damaged) {
      logger.error({ record, reason: damage }, 'a record of consent is damaged; doctor says whose');
    }
    if (!headIntact) logger.error({}, 'the head of all records of consent is damaged');
  }
}
