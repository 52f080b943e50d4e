// Connections: one interop client per active account, and what its events lead to.
import { BridgeError, errorCode } from '../model/errors.ts';
import type { AccountId, ContactId, PortalId, RoomId } from '../model/ids.ts';
import type {
  Disconnect,
  IncomingMessage,
  IncomingTyping,
  InteropClient,
  InteropEvents,
  MediaRetry,
} from '../model/interop.ts';
import type { UserJid } from '../model/jid.ts';
import { noteCall } from './calls.ts';
import { type ActiveAccount, type BridgeContext, isActive } from './context.ts';
import { followDevices } from './device-changes.ts';
import { pauseBeforeAsking } from './inbox-steps.ts';
import { networkNames } from './labels.ts';
import { OwnKeys } from './own-keys.ts';
import { answerRetry, chatWith, checkIdentity, settle } from './receipts.ts';
import { askAgain, receiveMessage } from './receive.ts';
import { noteUnhandled } from './unhandled.ts';
import type { MakeWorkers, Step, Workers } from './workers.ts';

export interface ConnectionEffects {
  wakeInbox(portal: PortalId): void;
  wakeOutbox(portal: PortalId): void;
  /** There is a connection (again): what has failed for want of one is tried again now. */
  connected(account: AccountId, portals: readonly PortalId[]): void;
  wakeReceipts(account: AccountId): void;
  /** A contact's device has answered for a file that it was asked for again. */
  mediaRetry(portal: PortalId, retry: MediaRetry): Promise<void>;
  wakeBot(room: RoomId): void;
  wakeMarks(portal: PortalId): void;
  typing(account: ActiveAccount, typing: IncomingTyping): void;
  /** A message has come from the person with these addresses. */
  wrote(account: ActiveAccount, addresses: readonly UserJid[]): void;
  wakeProfile(contact: ContactId): void;
}

/** Reasons after which no new connection is tried. Each is told once until there is a connection again. */
const endings = ['logged-out', 'banned', 'client-outdated'] as const;
const endedKey = ({ id }: ActiveAccount, reason: Disconnect['reason']): string => `disconnected:${id}:${reason}`;
const dayMs = 24 * 60 * 60 * 1000;

export class Connections {
  /** What follows on a connection: tried until it has been done, or the connection has ended. */
  readonly followUps: Workers<AccountId>;
  readonly #context: BridgeContext;
  readonly #effects: ConnectionEffects;
  readonly #clients = new Map<AccountId, InteropClient>();
  readonly #keys: OwnKeys;
  readonly #stopping = new AbortController();

  constructor(context: BridgeContext, workers: MakeWorkers, effects: ConnectionEffects) {
    this.#context = context;
    this.#effects = effects;
    this.#keys = new OwnKeys(context);
    this.followUps = workers('connections', (account) => this.#followUp(account));
  }

  open(account: ActiveAccount): void {
    if (this.#stopping.signal.aborted || this.#clients.has(account.id)) return;
    const { network, minter } = this.#context;
    const { interopAccountId } = account.state.enlistment;
    const token = (): Promise<string> => {
      const now = network.now(account.network);
      return minter.mint({ user: account.user, account: account.id, interopAccountId, purpose: 'connect', now });
    };
    const client = network.client(account, token, this.#events(account));
    this.#clients.set(account.id, client);
    this.#context.logger.debug({ account: account.id, user: account.user }, 'an account is taken up');
    client.start();
  }

  get(account: ActiveAccount): InteropClient | undefined {
    return this.#clients.get(account.id);
  }

  /** Stanzas that could not be handled are asked for again now. */
  databaseIsBack(): void {
    for (const client of this.#clients.values()) client.redeliver();
  }

  async close(account: AccountId): Promise<void> {
    const client = this.#clients.get(account);
    this.#clients.delete(account);
    await client?.stop();
  }

  /** Ends every connection; none is opened any more. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    await Promise.all([...this.#clients.keys()].map((account) => this.close(account)));
  }

  /** Best effort: without a connection nobody is shown as present anyway. */
  async showPresence(account: AccountId, state: 'available' | 'unavailable'): Promise<void> {
    try {
      await this.#clients.get(account)?.sendPresence(state);
    } catch (error) {
      if (errorCode(error) !== 'interop.offline') throw error;
    }
  }

  /** How many accounts have a connection, and how many should. */
  count(): { readonly connected: number; readonly wanted: number } {
    const clients = [...this.#clients.values()];
    return { connected: clients.filter((client) => client.connected).length, wanted: clients.length };
  }

  #events(account: ActiveAccount): InteropEvents {
    const context = this.#context;
    const effects = this.#effects;
    return {
      message: (message) => this.#message(account, message),
      receipt: async (receipt) => {
        const portal = await settle(context, account, receipt);
        if (portal !== undefined) effects.wakeMarks(portal.id);
      },
      retry: async (retry) => {
        const portal = await answerRetry(context, account, retry);
        if (portal === undefined) return;
        effects.wakeOutbox(portal.id);
        effects.wakeInbox(portal.id);
      },
      mediaRetry: async (retry) => {
        const chat = await chatWith(context, account, retry.from);
        if (chat !== undefined) await effects.mediaRetry(chat.portal.id, retry);
      },
      call: async (call) => {
        const portal = await noteCall(context, account, call);
        if (portal !== undefined) effects.wakeInbox(portal.id);
      },
      typing: (typing) => effects.typing(account, typing),
      identityChanged: (from) => this.#identityChanged(account, from),
      devicesChanged: (from) => this.#devicesChanged(account, from),
      pictureChanged: (from) => this.#pictureChanged(account, from),
      preKeysLow: () => this.#replenish(account),
      givenUp: async (stanza) => {
        const portal = await noteUnhandled(context, account, stanza);
        if (portal !== undefined) effects.wakeInbox(portal.id);
        effects.wakeBot(account.managementRoom);
      },
      online: () => {
        context.listening.begins(account.id);
        // What has failed on the last connection may not fail on this one.
        this.followUps.resume(account.id);
      },
      offline: (why) => {
        context.listening.ends(account.id);
        this.#offline(account, why);
      },
    };
  }

  async #message(account: ActiveAccount, message: IncomingMessage): Promise<void> {
    const received = await receiveMessage(this.#context, account, message);
    this.#effects.wrote(account, message.alternative ? [message.from, message.alternative] : [message.from]);
    if (received.portal !== undefined) this.#effects.wakeInbox(received.portal.id);
    const client = this.#clients.get(account.id);
    if (received.askAgain !== undefined && client !== undefined) {
      const { askAgain: request } = received;
      // Its stanza is not acknowledged before: if we end meanwhile, it comes again.
      await this.#context.clock.sleep(pauseBeforeAsking(request.count), this.#stopping.signal);
      await this.#keys.run(account.id, () => askAgain(this.#context, account, client, message, request));
    }
  }

  async #identityChanged(account: ActiveAccount, from: UserJid): Promise<void> {
    const client = this.#clients.get(account.id);
    if (client === undefined) return;
    await checkIdentity(this.#context, account, from, async () => (await client.fetchBundle(from, 0))?.identityKey);
    const [contact] = await this.#context.store.contacts.byAddress(account.network, [from]);
    const portal = contact && (await this.#context.store.portals.find(account.id, contact.id));
    if (portal !== undefined) this.#effects.wakeInbox(portal.id);
  }

  async #devicesChanged(account: ActiveAccount, from: UserJid): Promise<void> {
    const portal = await followDevices(this.#context, account, from, this.#clients.get(account.id));
    if (portal === undefined) return;
    this.#effects.wakeInbox(portal.id);
    // What only a device had that is gone is for the others now.
    this.#effects.wakeOutbox(portal.id);
  }

  async #pictureChanged(account: ActiveAccount, from: UserJid): Promise<void> {
    const { store, clock } = this.#context;
    const [contact] = await store.contacts.byAddress(account.network, [from]);
    if (contact === undefined) return;
    await store.commit([{ change: 'picture.due', contact: contact.id, at: clock.now() }]);
    this.#effects.wakeProfile(contact.id);
  }

  async #replenish(account: ActiveAccount): Promise<void> {
    const client = this.#clients.get(account.id);
    if (client !== undefined) await this.#keys.replenish(account.id, client);
  }

  async #followUp(id: AccountId): Promise<Step> {
    const account = await this.#context.store.accounts.get(id);
    const client = this.#clients.get(id);
    // The next connection wakes this again.
    if (!isActive(account) || !client?.connected) return 'idle';
    try {
      await this.#takeUp(account, client);
    } catch (error) {
      if (errorCode(error) === 'interop.offline') return 'idle';
      if (!(error instanceof BridgeError && error.code === 'interop.refused' && error.retry === 'never')) throw error;
      // Nor would the network take it in a minute, and everything else works without it.
      this.#context.logger.warn({ account: id, code: error.code, err: error }, 'the network refused a signed pre-key');
    }
    return 'idle';
  }

  async #takeUp(account: ActiveAccount, client: InteropClient): Promise<void> {
    const { store } = this.#context;
    await store.commit(endings.map((reason) => ({ change: 'bot-message.release', key: endedKey(account, reason) })));
    // Asked last: nothing shows the user as present who has not switched it on.
    if ((await store.accounts.preferences(account.id)).typing) await this.showPresence(account.id, 'available');
    this.#effects.connected(account.id, await store.outbox.portalsWithWork(account.id));
    for (const contact of await store.pictures.due(account.id)) this.#effects.wakeProfile(contact);
    await this.#keys.rotate(account.id, client);
  }

  #offline(account: ActiveAccount, why: Disconnect): void {
    const { logger, store } = this.#context;
    logger.info({ account: account.id, reason: why.reason, retry: why.retry }, 'connection to the network ended');
    const told = this.#endingTold(account, why);
    if (told === undefined) return;
    store
      .commit([{ change: 'bot-message.add', room: account.managementRoom, ...told }])
      .then(() => this.#effects.wakeBot(account.managementRoom))
      .catch((error: unknown) =>
        logger.error({ account: account.id, err: error }, 'could not note the end of a connection'),
      );
  }

  /** What the user has to know of it; undefined where it heals by itself. */
  #endingTold(account: ActiveAccount, why: Disconnect): { readonly key: string; readonly text: string } | undefined {
    const name = networkNames[account.network];
    if (why.reason === 'replaced') {
      // Two that fight would say so many times a day.
      const day = Math.floor(this.#context.clock.now() / dayMs);
      const text = `Something else has taken over your connection to ${name}. It is taken back after a while, and nothing is lost meanwhile. If this goes on, tell whoever runs this server.`;
      return { key: `${endedKey(account, why.reason)}:${day}`, text };
    }
    if (why.retry === 'later' || why.reason === 'stopped') return undefined;
    const text = `${name} has ended your connection (${why.reason}). It is not tried again by itself; "opt-out" and "opt-in" start anew.`;
    return { key: endedKey(account, why.reason), text };
  }
}
