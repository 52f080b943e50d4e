// Reports under way: one worker per account, and whether the moderation room can be used, for who watches over the bridge.
import type { AccountId, RoomId } from '../../model/ids.ts';
import type { InteropClient } from '../../model/interop.ts';
import type { ActiveAccount, BridgeContext } from '../context.ts';
import type { MakeWorkers, Step, Workers } from '../workers.ts';
import { moderationRoom } from './moderation-room.ts';
import { passOnNext } from './pass-on.ts';

const lookAgainMs = 60 * 60 * 1000;

export interface ReportsOptions {
  readonly context: BridgeContext;
  readonly workers: MakeWorkers;
  readonly wakeBot: (room: RoomId) => void;
  readonly client: (account: ActiveAccount) => InteropClient | undefined;
}

export class Reports {
  readonly #context: BridgeContext;
  readonly #room: Workers<'moderation'>;
  /** One step after another for each account. */
  readonly ofAccount: Workers<AccountId>;
  #usable = true;

  constructor({ context, workers, wakeBot, client }: ReportsOptions) {
    this.#context = context;
    this.ofAccount = workers('reports', (account) => passOnNext(context, account, { wakeBot, client }), 2);
    this.#room = workers('moderation', () => this.#look());
  }

  /** Whether reports can be taken, where they are to be. */
  get usable(): boolean {
    return this.#usable;
  }

  get workers(): readonly Pick<Workers<unknown>, 'stop' | 'resumeAll'>[] {
    return [this.ofAccount, this.#room];
  }

  /** Takes up what is under way. */
  async start(): Promise<void> {
    this.#room.wake('moderation');
    await this.ofAccount.wakeAll(await this.#context.store.reports.accountsWithWork());
  }

  /** The moderation room may have changed. */
  look(): void {
    this.#room.wake('moderation');
  }

  async #look(): Promise<Step> {
    const { settings, store, logger } = this.#context;
    if (settings.moderationRoom === undefined) return 'idle';
    const place = await moderationRoom(this.#context);
    const usable = place.is === 'ready';
    if (!usable) logger.error({ why: place.is === 'none' ? place.is : place.why }, unusable);
    if (usable && !this.#usable) logger.info({}, 'the moderation room can be used again');
    this.#usable = usable;
    if (usable) await this.ofAccount.wakeAll(await store.reports.accountsWithWork());
    return { waitMs: lookAgainMs };
  }
}

const unusable = 'the moderation room cannot be used, and no reports are taken; doctor says what to do';
