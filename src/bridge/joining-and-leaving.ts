// Users join and leave: enlistment after an opt-in, departure after an opt-out, erasure of whatever is about them. Each has a worker of its own.
import type { AccountId, RoomId, UserId } from '../model/ids.ts';
import type { BridgeContext } from './context.ts';
import { depart } from './departures.ts';
import { type Enlisted, enlist } from './enlistments.ts';
import { beginErasure, type ErasureEffects, eraseNext } from './erasures.ts';
import type { MakeWorkers, Step, Workers } from './workers.ts';

export interface JoiningAndLeavingEffects extends Omit<Enlisted, 'keys'>, Pick<ErasureEffects, 'silence'> {
  /** What only this account wanted may not be wanted any more. */
  readonly departed: () => Promise<void>;
}

export class JoiningAndLeaving {
  readonly enlistments: Workers<AccountId>;
  readonly departures: Workers<AccountId>;
  readonly erasures: Workers<UserId>;
  readonly #context: BridgeContext;
  readonly #goodbyes = new Map<RoomId, number>();

  constructor(context: BridgeContext, workers: MakeWorkers, effects: JoiningAndLeavingEffects) {
    const { connect, wakeBot, departed, silence } = effects;
    this.#context = context;
    const keys: Enlisted['keys'] = new Map();
    this.enlistments = workers('enlistments', (account, halted) =>
      enlist(context, account, { connect, wakeBot, keys }, halted),
    );
    this.departures = workers('departures', async (account): Promise<Step> => {
      const step = await depart(context, account, wakeBot);
      if (step === 'idle') await departed();
      return step;
    });
    const wakeDeparture = (account: AccountId): void => this.departures.wake(account);
    this.erasures = workers('erasures', (user) =>
      eraseNext(context, user, this.#goodbyes, { silence, wakeDeparture, wakeBot }),
    );
  }

  get workers(): readonly Pick<Workers<unknown>, 'stop' | 'resumeAll'>[] {
    return [this.enlistments, this.departures, this.erasures];
  }

  /** Whoever was leaving when the process ended. Enlistments are taken up with what was agreed to. */
  async wakeAll(): Promise<void> {
    const { accounts, erasures } = this.#context.store;
    await Promise.all([
      this.departures.wakeAll((await accounts.departures()).map(({ account }) => account)),
      this.erasures.wakeAll((await erasures.all()).map(({ user }) => user)),
    ]);
  }

  async erase(user: UserId): Promise<void> {
    await beginErasure(this.#context.store, user);
    this.erasures.wake(user);
  }
}
