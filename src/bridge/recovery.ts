// Messages to our devices that the homeserver dropped, or keeps until they are acknowledged: fetched by `/sync` as the device.
import type { Actor } from '../model/contact.ts';
import type { ActorId } from '../model/ids.ts';
import type { BridgeContext } from './context.ts';
import type { Step } from './workers.ts';

/** Between two ghosts, so that thousands of them do not come between people and their messages. */
const pauseMs = 500;
const periodMs = 24 * 60 * 60 * 1000;

export class Recovery {
  readonly #context: BridgeContext;
  #page: readonly Actor[] = [];
  #last: ActorId | undefined;

  constructor(context: BridgeContext) {
    this.#context = context;
  }

  /** For the bot, and for those whose machines are open: others ask for what they lack when they open. */
  async now(): Promise<void> {
    const { bot, crypto } = this.#context;
    const others = crypto.openActors().filter(({ id }) => id !== bot.id);
    for (const actor of [bot, ...others]) await this.#recover(actor);
  }

  /**
   * For one more of all ghosts that have a device, each once a day: what was fetched is acknowledged only by the next fetching, and would
   * pile up at the homeserver otherwise.
   */
  async next(): Promise<Step> {
    if (this.#page.length === 0) this.#page = await this.#context.store.contacts.readyGhosts(this.#last);
    const [actor, ...rest] = this.#page;
    this.#page = rest;
    this.#last = actor?.id;
    if (actor === undefined) return { waitMs: periodMs };
    await this.#recover(actor);
    return { waitMs: pauseMs };
  }

  async #recover(actor: Actor): Promise<void> {
    const { crypto, logger } = this.#context;
    try {
      await crypto.recover(actor);
    } catch (error) {
      logger.warn(
        { actor: actor.id, err: error },
        'could not fetch missed to-device messages; done again when a key is missing',
      );
    }
  }
}
