// What goes on beside the chats: taking up the journals, missed messages to devices, what counts against limits, and what has run out.
import type { PortalId, RoomId } from '../model/ids.ts';
import type { Portal } from '../model/portal.ts';
import type { BridgeContext } from './context.ts';
import { heldTooLong } from './held-messages.ts';
import { expireRequests } from './policy/requests.ts';
import { expireUnconfirmed, giveUpUnreadable } from './receipts.ts';
import { giveUpUnanswered } from './receive.ts';
import { Recovery } from './recovery.ts';
import type { MakeWorkers, Step, Workers } from './workers.ts';

export interface UpkeepEffects {
  /** Resolves when everything that the journals hold has been set in motion. */
  takeUp(): Promise<void>;
  /** Looks for events that the homeserver has not pushed. */
  readBack(): Promise<void>;
  /** Has the homeserver push something, so that it shows whether a transaction is missing. */
  provoke(): Promise<Step>;
  wakeRooms(rooms: readonly RoomId[]): Promise<void>;
  wakeLateEvents(room: RoomId): void;
  wakeInbox(portals: readonly PortalId[]): Promise<void>;
  wakeChat(portal: Portal): void;
}

const duties = ['taking-up', 'reading-back', 'provoking', 'recovery', 'housekeeping', 'limits', 'expiry'] as const;
type Duty = (typeof duties)[number];

const expiryCheckMs = 5 * 60 * 1000;
/** So much of what counts against limits is forgotten by a crash. */
const limitsFlushMs = 5_000;

export class Upkeep {
  readonly workers: Workers<Duty>;
  readonly #context: BridgeContext;
  readonly #effects: UpkeepEffects;
  readonly #recovery: Recovery;

  constructor(context: BridgeContext, workers: MakeWorkers, effects: UpkeepEffects) {
    this.#context = context;
    this.#effects = effects;
    this.#recovery = new Recovery(context);
    this.workers = workers('upkeep', (duty) => this.#keepUp(duty));
  }

  start(): void {
    for (const duty of duties) this.workers.wake(duty);
  }

  /** The homeserver has dropped messages to devices. */
  recover(): void {
    this.workers.wake('recovery');
  }

  /** The homeserver may have forgotten what it had to push. */
  readBack(): void {
    this.workers.wake('reading-back');
  }

  /** The homeserver may have left a transaction behind. */
  provoke(): void {
    this.workers.wake('provoking');
  }

  /** To be called when nothing counts any more. */
  async end(): Promise<void> {
    const { limits, logger } = this.#context;
    await limits.flush().catch((error: unknown) => {
      logger.warn({ err: error }, 'what counts against limits could not be written down');
    });
  }

  async #keepUp(duty: Duty): Promise<Step> {
    switch (duty) {
      case 'taking-up':
        await this.#effects.takeUp();
        return 'idle';
      case 'reading-back':
        await this.#effects.readBack();
        return 'idle';
      case 'provoking':
        return this.#effects.provoke();
      case 'recovery':
        return this.#recover();
      case 'housekeeping':
        return this.#recovery.next();
      case 'limits':
        await this.#context.limits.flush();
        return { waitMs: limitsFlushMs };
      case 'expiry':
        return this.#expire();
    }
  }

  /** The homeserver has dropped messages to devices and news of devices. Whose room key is missing asks for it when it is needed. */
  async #recover(): Promise<Step> {
    const { store } = this.#context;
    await this.#recovery.now();
    await this.#effects.wakeRooms(await store.events.roomsWithWork());
    // Device lists may have changed unseen: what was held for want of a device is looked at again.
    await this.#effects.wakeInbox(await store.inbox.portalsWithWork());
    return 'idle';
  }

  async #expire(): Promise<Step> {
    const { store, clock, settings } = this.#context;
    if ((await expireRequests(this.#context)) > 0) return 'again';
    for (const room of await store.events.lateRooms()) this.#effects.wakeLateEvents(room);
    for (const portal of await heldTooLong(this.#context)) this.#effects.wakeChat(portal);
    await this.#effects.wakeInbox(await giveUpUnanswered(this.#context));
    await this.#effects.wakeInbox(await giveUpUnreadable(this.#context));
    if ((await expireUnconfirmed(this.#context)) > 0) {
      await this.#effects.wakeInbox(await store.inbox.portalsWithWork());
      return 'again';
    }
    if ((await store.prune(clock.now() - settings.retentionMs)) > 0) return 'again';
    return { waitMs: expiryCheckMs };
  }
}
