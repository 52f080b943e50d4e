// The interop client: one account's connection, kept up by new attempts, and everything that the domain asks of the network.
import type { Account, Enlistment } from '../model/account.ts';
import type { Disclosed } from '../model/budget/recipients.ts';
import type { Clock } from '../model/clock.ts';
import { errorCode } from '../model/errors.ts';
import type { MessageId } from '../model/ids.ts';
import type {
  ContactLookup,
  Disconnect,
  InteropClient,
  InteropEvents,
  PictureLookup,
  SendResult,
} from '../model/interop.ts';
import { formatJid, SERVER, type UserJid, withDevice } from '../model/jid.ts';
import { Serial } from '../model/serial.ts';
import type { PreKeyBundle, PublicKeys } from '../model/signal.ts';
import type { Logger } from '../observability/logger.ts';
import type { Attempts } from './attempts.ts';
import { integerAttribute, type Stanza, StanzaError, stanza } from './binary/index.ts';
import { clientPayload } from './client-payload.ts';
import { Connection, type Ended } from './connection.ts';
import { disconnectOfError, TOKEN_REFUSED } from './disconnect.ts';
import type { NetworkTime } from './network-time.ts';
import { type CurveKeyPair, connectNoise, generateKeyPair } from './noise/index.ts';
import { encodeOutgoing } from './outgoing.ts';
import { Pauses } from './pauses.ts';
import { offlineError, RequestRefused } from './requests.ts';
import { Setbacks } from './setbacks.ts';
import { invalidBundle } from './signal/keys.ts';
import {
  bundleRequest,
  countPreKeysRequest,
  readBundle,
  readPreKeyCount,
  rotateSignedPreKeyRequest,
  uploadKeysRequest,
} from './stanzas-keys.ts';
import { lookUpRequest, readLookUp } from './stanzas-lookup.ts';
import { mediaRetryReceipt } from './stanzas-media-retry.ts';
import { pictureRequest, readPicture } from './stanzas-picture.ts';
import { presence, typing } from './stanzas-presence.ts';
import { deliveryReceipt, readReceiptFor, retryReceipt } from './stanzas-receipt.ts';
import { reportRequest } from './stanzas-report.ts';
import type { ClientTuning } from './tuning.ts';

const NOT_FOUND = 404;
const stopped: Ended = { disconnect: { reason: 'stopped', retry: 'never' }, restart: false };
/** The person has none, or shows it to others only. */
const NO_PICTURE: readonly number[] = [401, 403, NOT_FOUND];

export interface ClientOptions {
  readonly account: Account;
  readonly enlistment: Enlistment;
  /** `ws:`, `wss:` or `tcp:`. */
  readonly endpoint: URL;
  /** 32 bytes; signs the certificates of the network's servers. */
  readonly rootKey: Uint8Array;
  readonly readReceipts: boolean;
  token(): Promise<string>;
  readonly events: InteropEvents;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly tuning: ClientTuning;
  /** Shared by all clients of the network. */
  readonly time: NetworkTime;
  readonly disclosed: Disclosed;
  /** Shared by all clients of this process. */
  readonly attempts: Attempts;
}

export class Client implements InteropClient {
  readonly #options: ClientOptions;
  /** The token is the credential; this key only belongs to the handshake, and lasts as long as the process. */
  readonly #staticKeyPair: CurveKeyPair = generateKeyPair();
  readonly #order = new Serial<string>();
  readonly #setbacks: Setbacks;
  #stopping = new AbortController();
  #running: Promise<void> | undefined;
  #online: Connection | undefined;
  /** What follows on a login. */
  #settling: Promise<void> | undefined;
  #routingInfo: Uint8Array | undefined;
  #trouble: Disconnect['reason'] | undefined;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.#setbacks = new Setbacks(options.tuning);
  }

  get connected(): boolean {
    return this.#online?.open === true;
  }

  get trouble(): Disconnect['reason'] | undefined {
    return this.connected ? undefined : this.#trouble;
  }

  start(): void {
    if (this.#running) return;
    this.#stopping = new AbortController();
    this.#running = this.#keepConnected(this.#stopping.signal).finally(() => {
      this.#running = undefined;
    });
  }

  async stop(): Promise<void> {
    this.#stopping.abort();
    await this.#running;
    await this.#settling;
    await this.#order.drain();
  }

  redeliver(): void {
    this.#online?.redeliver();
  }

  async send(encoded: Uint8Array, id: MessageId): Promise<SendResult> {
    const ack = await this.#connection().deliver('message', id, encoded);
    const code = integerAttribute(ack, 'error');
    if (code !== undefined) return { accepted: false, code };
    const seconds = integerAttribute(ack, 't');
    return { accepted: true, timestamp: seconds === undefined ? this.#options.clock.now() : seconds * 1000 };
  }

  async sendDeliveryReceipt(id: MessageId, to: UserJid, device: number): Promise<void> {
    await this.#connection().deliver('receipt', id, encodeOutgoing(deliveryReceipt(id, to, device)));
  }

  async sendReadReceipt(...[ids, to]: Parameters<InteropClient['sendReadReceipt']>): Promise<void> {
    const receipt = readReceiptFor(ids, to, this.#options.clock.now());
    await this.#connection().deliver('receipt', ids[0], encodeOutgoing(receipt));
  }

  async sendTyping(to: UserJid, state: 'composing' | 'paused'): Promise<void> {
    this.#connection().post(typing(to, state));
  }

  async sendPresence(state: 'available' | 'unavailable'): Promise<void> {
    this.#connection().post(presence(state));
  }

  async sendRetryReceipt(request: Parameters<InteropClient['sendRetryReceipt']>[0]): Promise<void> {
    await this.#connection().deliver('receipt', request.id, encodeOutgoing(retryReceipt(request)));
  }

  async sendMediaRetry(request: Parameters<InteropClient['sendMediaRetry']>[0]): Promise<void> {
    await this.#connection().deliver('receipt', request.id, encodeOutgoing(mediaRetryReceipt(request)));
  }

  async reportMessages(...[messages, from]: Parameters<InteropClient['reportMessages']>): Promise<void> {
    await this.#connection().request((id) => reportRequest(id, messages, from));
  }

  async lookUp(address: UserJid): Promise<ContactLookup | undefined> {
    const reply = await this.#find((id) => lookUpRequest(id, address));
    return reply && readLookUp(reply);
  }

  async picture(address: UserJid, known: string | undefined): Promise<PictureLookup> {
    try {
      return readPicture(await this.#connection().request((id) => pictureRequest(id, address, known)), known);
    } catch (error) {
      if (error instanceof RequestRefused && NO_PICTURE.includes(error.status)) return { outcome: 'none' };
      throw error;
    }
  }

  async fetchBundle(address: UserJid, device: number): Promise<PreKeyBundle | undefined> {
    const jid = withDevice(address, device);
    const reply = await this.#find((id) => bundleRequest(id, jid));
    try {
      return reply && readBundle(reply, jid);
    } catch (error) {
      throw error instanceof StanzaError ? invalidBundle(error) : error;
    }
  }

  async countPreKeys(): Promise<number> {
    return readPreKeyCount(await this.#connection().request(countPreKeysRequest));
  }

  async uploadPreKeys(keys: PublicKeys): Promise<void> {
    await this.#connection().request((id) => uploadKeysRequest(id, keys));
  }

  async uploadSignedPreKey(key: PublicKeys['signedPreKey']): Promise<void> {
    await this.#connection().request((id) => rotateSignedPreKeyRequest(id, key));
  }

  #connection(): Connection {
    if (!this.#online?.open) throw offlineError();
    return this.#online;
  }

  async #find(build: (id: string) => Stanza): Promise<Stanza | undefined> {
    try {
      return await this.#connection().request(build);
    } catch (error) {
      if (error instanceof RequestRefused && error.status === NOT_FOUND) return undefined;
      throw error;
    }
  }

  async #keepConnected(stopping: AbortSignal): Promise<void> {
    const { clock, tuning, logger, events } = this.#options;
    const pauses = new Pauses(tuning);
    for (;;) {
      const started = clock.elapsed();
      const { disconnect, restart } = await this.#connectOnce(stopping);
      this.#trouble = disconnect.reason;
      events.offline(disconnect);
      logger.info({ reason: disconnect.reason, retry: disconnect.retry }, 'disconnected from the network');
      if (disconnect.retry === 'never') return;
      await clock.sleep(pauses.next(disconnect, restart, clock.elapsed() - started), stopping);
      if (stopping.aborted) return events.offline({ reason: 'stopped', retry: 'never' });
    }
  }

  /** Resolves when the connection is over, or could not be made. Others may begin theirs when this one carries messages or has failed. */
  async #connectOnce(stopping: AbortSignal): Promise<Ended> {
    const begun = await this.#options.attempts.begin(stopping);
    if (begun === undefined) return stopped;
    try {
      return await this.#connect(stopping, begun);
    } finally {
      begun();
    }
  }

  async #connect(stopping: AbortSignal, settled: () => void): Promise<Ended> {
    const failed = (disconnect: Disconnect): Ended => (stopping.aborted ? stopped : { disconnect, restart: false });
    const { account, enlistment, endpoint, rootKey, readReceipts, clock, logger, tuning } = this.#options;
    let token: string;
    try {
      token = await this.#options.token();
    } catch (error) {
      logger.warn({ err: error, code: errorCode(error) }, 'no token for the network');
      return failed(TOKEN_REFUSED);
    }
    let connection: Connection;
    try {
      const noise = await connectNoise({
        endpoint,
        rootKey,
        staticKeyPair: this.#staticKeyPair,
        payload: clientPayload(account.network, enlistment, token, readReceipts),
        now: () => clock.now(),
        signal: stopping,
        timeoutMs: tuning.connectTimeoutMs,
        ...(this.#routingInfo && { routingInfo: this.#routingInfo }),
      });
      connection = new Connection(noise, {
        ...this.#options,
        order: this.#order,
        setbacks: this.#setbacks,
        onRoutingInfo: (info) => {
          this.#routingInfo = info;
        },
      });
    } catch (error) {
      const why = failed(disconnectOfError(error));
      // Nothing heals this but somebody who looks into it.
      const level = why.disconnect.reason === 'untrusted-server' ? 'error' : 'info';
      logger[level]({ err: error, code: errorCode(error) }, 'could not connect to the network');
      return why;
    }
    const stop = (): void => connection.end(stopped);
    if (stopping.aborted) stop();
    stopping.addEventListener('abort', stop, { once: true });
    if (await connection.loggedIn) this.#goOnline(connection, settled);
    const ended = await connection.ended;
    stopping.removeEventListener('abort', stop);
    return ended;
  }

  #goOnline(connection: Connection, settled: () => void): void {
    this.#online = connection;
    void connection.keepAlive();
    this.#settling = this.#afterLogin(connection).finally(settled);
  }

  /** Asks for what was kept for us. A network that refuses one of these requests is still usable. */
  async #afterLogin(connection: Connection): Promise<void> {
    const { events, tuning, logger } = this.#options;
    const tolerant = async (what: string, step: () => Promise<void>): Promise<void> => {
      try {
        await step();
      } catch (error) {
        logger.warn({ err: error, code: errorCode(error), step: what }, 'a step after the login failed');
      }
    };
    await tolerant('active', async () => {
      await connection.request((id) =>
        stanza('iq', { id, to: SERVER, type: 'set', xmlns: 'passive' }, [stanza('active')]),
      );
    });
    if (!connection.open) return;
    events.online();
    // In the order of the network's own stanzas, so that its warning does not make the same keys twice.
    await tolerant('pre-keys', () =>
      this.#order.run(formatJid(SERVER), async () => {
        const count = readPreKeyCount(await connection.request(countPreKeysRequest));
        if (count < tuning.minPreKeys) await events.preKeysLow(count);
      }),
    );
  }
}
