// The Spaces of all accounts: one worker for each account whose Space is not as it is to be.
import type { AccountId, RoomId } from '../../model/ids.ts';
import type { Store } from '../../model/store.ts';
import type { BridgeContext } from '../context.ts';
import type { MakeWorkers, Workers } from '../workers.ts';
import { keepSpace } from './keep-space.ts';

/** A Space is nobody's hurry: chats come first. */
const atOnce = 4;

export class Spaces {
  readonly workers: Workers<AccountId>;
  readonly #store: Store;
  readonly #context: BridgeContext;

  constructor(context: BridgeContext, workers: MakeWorkers, wakeBot: (room: RoomId) => void) {
    this.#context = context;
    this.#store = context.store;
    this.workers = workers('spaces', (account, halted) => keepSpace(context, account, wakeBot, halted), atOnce);
  }

  wake(account: AccountId): void {
    this.workers.wake(account);
  }

  /** Whatever a crash or another configuration has left undone. */
  async wakeAll(): Promise<void> {
    await this.workers.wakeAll(await this.#store.spaces.toArrange(this.#context.settings.arrangement));
  }
}
