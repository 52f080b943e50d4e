// WhatsApp to Matrix: that a contact types is shown in the room. Best effort: nothing is kept, the last state counts, what comes too late is dropped.
import { BridgeError } from '../model/errors.ts';
import type { IncomingTyping } from '../model/interop.ts';
import { formatJid, type UserJid } from '../model/jid.ts';
import type { ActiveAccount, BridgeContext } from './context.ts';
import { chatWith } from './receipts.ts';
import { type Step, Workers } from './workers.ts';

/** How long it is shown without another word. */
const shownMs = 15_000;
/** Said again while it is shown for longer than this, it needs no request. */
const freshMs = 10_000;
/** What has waited longer for its turn is not true any more. */
const staleMs = 5_000;

interface Said {
  readonly account: ActiveAccount;
  readonly from: UserJid;
  readonly typing: boolean;
  readonly at: number;
}

const keyOf = (account: ActiveAccount, from: UserJid): string => `${account.id} ${formatJid(from)}`;

export class ContactTyping {
  readonly #context: BridgeContext;
  readonly #workers: Workers<string>;
  /** The last word of each contact that has not had its turn. */
  readonly #said = new Map<string, Said>();
  /** Until when the room shows each of them as typing. */
  readonly #shown = new Map<string, number>();

  constructor(context: BridgeContext) {
    this.#context = context;
    const { clock, logger } = context;
    this.#workers = new Workers({ name: 'contact-typing', step: (key) => this.#step(key), parallel: 4, clock, logger });
  }

  told(account: ActiveAccount, { from, state }: IncomingTyping): void {
    const key = keyOf(account, from);
    const at = this.#context.clock.elapsed();
    const typing = state !== 'paused';
    const until = this.#shown.get(key) ?? 0;
    if (typing ? until - at > freshMs && !this.#said.has(key) : until <= at && !this.#said.has(key)) return;
    this.#said.set(key, { account, from, typing, at });
    this.#workers.wake(key);
  }

  /** A message has come from this person, who therefore types no more, whatever their client says of it. */
  wrote(account: ActiveAccount, addresses: readonly UserJid[]): void {
    for (const from of addresses) {
      if (this.#shown.has(keyOf(account, from))) this.told(account, { from, state: 'paused' });
    }
  }

  stop(): Promise<void> {
    return this.#workers.stop();
  }

  async #step(key: string): Promise<Step> {
    const said = this.#said.get(key);
    this.#said.delete(key);
    const now = this.#context.clock.elapsed();
    if (said !== undefined && now - said.at < staleMs) await this.#show(key, said);
    const left = (this.#shown.get(key) ?? 0) - now;
    if (left > 0) return { waitMs: left };
    this.#shown.delete(key);
    return 'idle';
  }

  async #show(key: string, { account, from, typing, at }: Said): Promise<void> {
    const { store, homeserver, logger } = this.#context;
    // Before anything is asked: what is said meanwhile must not be taken for a repetition.
    if (typing) this.#shown.set(key, at + shownMs);
    else this.#shown.delete(key);
    const chat = await chatWith(this.#context, account, from);
    const ghost = chat && (await store.contacts.ghost(chat.portal.contact));
    // Typing opens no room.
    if (chat?.portal.state.at !== 'open' || chat.portal.acceptance.at !== 'accepted' || !ghost?.ready) return;
    if (await store.visitors.hold(chat.portal.id)) return;
    const { room } = chat.portal.state;
    try {
      await homeserver.setTyping(ghost.actor, room, typing ? shownMs : undefined);
    } catch (error) {
      if (!(error instanceof BridgeError)) throw error;
      logger.debug({ portal: chat.portal.id, code: error.code }, 'typing could not be shown');
    }
  }
}
