// A simulated WhatsApp user's phone (device 0): sends, decrypts, confirms, and asks again like an ordinary client.
import { newMessageId } from '../model/ids.ts';
import { type LidJid, type UserJid, withDevice, withoutDevice } from '../model/jid.ts';
import { Serial } from '../model/serial.ts';
import type { Logger } from '../observability/logger.ts';
import {
  attribute,
  child,
  decodeStanza,
  encodeStanza,
  requireBytes,
  requireChild,
  requireInteger,
  type Stanza,
} from '../whatsapp/binary/index.ts';
import type { PhoneAccount } from './directory.ts';
import type { Network } from './network.ts';
import { type PhoneCall, PhoneCalls } from './phone-calls.ts';
import { envelopeOf } from './phone-envelope.ts';
import { PhoneFanout } from './phone-fanout.ts';
import { type FileSource, PhoneFiles } from './phone-files.ts';
import { PhoneInbox } from './phone-inbox.ts';
import { type Entry, PhoneJournal } from './phone-journal.ts';
import { PhoneKeys } from './phone-keys.ts';
import { OfflineError, PhoneLine } from './phone-line.ts';
import { senderOf } from './phone-parts.ts';
import { emptyHistory } from './phone-payloads.ts';
import { takeProgress } from './phone-receipts.ts';
import { type Reference, referring, type Target } from './phone-references.ts';
import { PhoneRetries } from './phone-retries.ts';
import { PhoneSessions } from './phone-sessions.ts';
import * as stanzas from './phone-stanzas.ts';
import { PhoneTyping, type TypingState } from './phone-typing.ts';
import { type Device, LOW_WATER } from './pre-keys.ts';
import type { Router } from './router.ts';

const FIRST_UPLOAD = 100;
const TOP_UP = 50;

export class Phone {
  readonly account: PhoneAccount;
  readonly journal: PhoneJournal;
  readonly keys: PhoneKeys;
  readonly files: PhoneFiles;
  readonly calls: PhoneCalls;
  readonly typing: PhoneTyping;
  readonly #network: Network;
  readonly #logger: Logger;
  readonly #line: PhoneLine;
  readonly #fanout: PhoneFanout;
  readonly #retries: PhoneRetries;
  readonly #inbox: PhoneInbox;
  /** One thing at a time: sessions are read, advanced and written as one step. */
  readonly #serial = new Serial<'phone'>();

  /** `directory`: for files that the phone has fetched. */
  constructor(network: Network, router: Router, account: PhoneAccount, directory: string, logger: Logger) {
    this.account = account;
    this.#network = network;
    this.#logger = logger;
    this.journal = new PhoneJournal(network.state, account.id);
    this.keys = new PhoneKeys(network.state, account.id, network.clock);
    const { state, blobs, clock } = network;
    this.files = new PhoneFiles({ state, blobs, clock, journal: this.journal, account: account.id, directory, logger });
    const device = { account: account.id, device: 0 };
    this.#line = new PhoneLine(router, { account, device }, (received) => this.#task(() => this.#take(received)));
    this.#fanout = new PhoneFanout(this.#line, account.lid);
    const { journal, keys, files } = this;
    const parts = { network, account, journal, keys, files, line: this.#line, fanout: this.#fanout };
    this.#retries = new PhoneRetries(parts);
    this.#inbox = new PhoneInbox(parts, this.#retries);
    this.calls = new PhoneCalls(clock, account.lid);
    this.typing = new PhoneTyping(clock);
  }

  get offline(): boolean {
    const sql = 'SELECT offline FROM phone WHERE account = ?';
    return this.#network.state.row<{ offline: number }>(sql, this.account.id)?.offline === 1;
  }

  /** Resolves when the phone's keys are with the network and its backlog is being taken, unless it is offline. */
  async start(): Promise<void> {
    if (!this.keys.exist) this.keys.create();
    if (!this.offline) await this.#connect();
  }

  async setOffline(offline: boolean): Promise<void> {
    this.#network.state.run('UPDATE phone SET offline = ? WHERE account = ?', offline ? 1 : 0, this.account.id);
    if (!offline) return this.#connect();
    this.#line.disconnect();
    await this.files.stop();
  }

  /** A reinstallation: new keys, no sessions. The network tells everybody who knows this phone. */
  async reset(): Promise<void> {
    await this.#serial.run('phone', async () => {
      this.#network.state.transaction(() => {
        this.keys.create();
        this.journal.dropStanzas();
      });
      if (this.#line.up) await this.#line.ask(this.#upload(FIRST_UPLOAD));
    });
  }

  /** The phone has lost its sessions with somebody, and does not know it. */
  async loseSessions(peer: LidJid): Promise<void> {
    await this.#serial.run('phone', async () => {
      const sessions = this.#sessions();
      sessions.forgetUser(peer);
      this.#network.state.transaction(() => sessions.commit());
    });
  }

  async stop(): Promise<void> {
    this.#line.disconnect();
    await Promise.all([this.#serial.drain(), this.files.stop()]);
  }

  /** Keeps the message, and where its file came from, and returns its id; it goes out as soon as the phone is online. */
  send(peer: LidJid, peerName: string, payload: Uint8Array, source?: FileSource): string {
    const id = newMessageId();
    const timestamp = this.#network.clock.now();
    this.#network.state.transaction(() => {
      const message = { id, peer, peerName, direction: 'out', payload, timestamp, status: 'queued' } as const;
      const seq = this.journal.add(message);
      if (source) this.files.keep(seq, source);
    });
    this.journal.changes.changed();
    this.#task(() => this.#sendQueued());
    return id;
  }

  /** The payload of a message about another one. */
  referring(
    about: Reference & { readonly id: string; readonly fromMe?: boolean | undefined },
    peer: LidJid,
  ): Uint8Array {
    const target = this.target(peer, about.id, about.fromMe);
    return referring(about, target, peer, this.account.lid, this.#network.clock.now());
  }

  /** The message that is meant; one that is not in this chat is named by its id alone, as one's own or the peer's. */
  target(peer: LidJid, id: string, fromMe = false): Target {
    const known = (['in', 'out'] as const).map((direction) => this.journal.find(direction, peer, id));
    return known.find((one) => one !== undefined) ?? { id, direction: fromMe ? 'out' : 'in' };
  }

  /** Gives clients that have just been linked what they wait for once they are there: the history, of which there is none. */
  welcome(isThere: (device: Device) => boolean): void {
    this.#task(async () => {
      const { companions, state } = this.#network;
      for (const companion of companions.unwelcomed(this.account.id).filter(isThere)) {
        const to = withDevice(this.account.lid, companion.device);
        const sessions = this.#sessions();
        await this.#fanout.startSessions(sessions, [to]);
        const ciphertext = await sessions.encrypt(to, emptyHistory());
        state.transaction(() => sessions.commit());
        await this.#line.ask(stanzas.peerMessage(newMessageId(), { to, ciphertext }));
        companions.markWelcomed(companion);
      }
    });
  }

  /** Confirms a received message once more, or says that it was read or played. False if there is no such message. */
  sendReceipt(id: string, type: 'delivered' | 'read' | 'played'): boolean {
    const message = this.journal.byId(id);
    if (message?.direction !== 'in') return false;
    this.#sendNow(stanzas.receiptStanza(id, message.peer, type === 'delivered' ? undefined : type));
    this.journal.advance(message, type);
    return true;
  }

  /** What the other side sees at once or never. Throws OfflineError. */
  showTyping(peer: LidJid, state: TypingState): void {
    this.#sendNow(stanzas.typingStanza(peer, state));
  }

  /** Rings at somebody's. Throws OfflineError. */
  call(peer: LidJid, peerName: string, video: boolean): PhoneCall {
    if (!this.#line.up) throw new OfflineError();
    const { call, offer } = this.calls.begin(peer, peerName, video);
    this.#line.send(offer);
    return call;
  }

  /** Hangs up, or declines. Throws OfflineError. */
  endCall(call: PhoneCall): void {
    if (!this.#line.up) throw new OfflineError();
    this.#line.send(this.calls.end(call));
  }

  async identityOf(peer: UserJid): Promise<Uint8Array | undefined> {
    return this.#sessions().identityOf(peer);
  }

  #sendNow(stanza: Stanza): void {
    if (!this.#line.up) throw new OfflineError();
    this.#line.send(stanza);
  }

  async #connect(): Promise<void> {
    await this.#serial.run('phone', async () => {
      this.#line.connect();
      const digest = await this.#line.ask(stanzas.askDigest());
      const identity =
        child(digest, 'digest') && requireBytes(requireChild(requireChild(digest, 'digest'), 'identity'));
      const known = identity !== undefined && Buffer.from(identity).equals(this.keys.current().identityKey);
      if (!known) await this.#line.ask(this.#upload(FIRST_UPLOAD));
      else await this.#topUp();
      await this.#line.ask(stanzas.becomeActive());
    });
    this.#task(() => this.#sendQueued());
    this.files.start();
  }

  #upload(count: number): Stanza {
    return stanzas.uploadKeys(this.keys.current(), this.keys.createOneTimeKeys(count));
  }

  async #topUp(): Promise<void> {
    const answer = await this.#line.ask(stanzas.askCount());
    if (requireInteger(requireChild(answer, 'count'), 'value') < LOW_WATER) await this.#line.ask(this.#upload(TOP_UP));
  }

  #sessions(): PhoneSessions {
    return new PhoneSessions(this.#network.state, this.account.id);
  }

  #task(work: () => Promise<void>): void {
    this.#beside(this.#serial.run('phone', work));
  }

  #beside(work: Promise<void>): void {
    void work.catch((error: unknown) => {
      if (!(error instanceof OfflineError)) this.#logger.warn({ account: this.account.id, err: error }, 'phone failed');
    });
  }

  #withPeer(received: Stanza, take: (peer: LidJid, name: string) => void): void {
    const from = senderOf(received);
    if (from) take(withoutDevice(from), this.#network.directory.label(from));
  }

  async #take(received: Stanza): Promise<void> {
    switch (received.tag) {
      case 'message':
        return this.#inbox.take(received);
      case 'receipt':
        await this.#takeReceipt(received);
        return this.#line.send(stanzas.ackStanza(received));
      case 'call':
        this.#withPeer(received, (peer, name) => this.calls.take(received, peer, name));
        return this.#line.send(stanzas.ackStanza(received));
      case 'chatstate':
        return this.#withPeer(received, (_peer, name) => this.typing.take(received, name));
      case 'notification':
        await this.#takeNotification(received);
        return this.#line.send(stanzas.ackStanza(received));
    }
  }

  async #takeReceipt(receipt: Stanza): Promise<void> {
    const from = senderOf(receipt);
    switch (attribute(receipt, 'type')) {
      case 'retry':
        return from && this.#retries.answer(receipt, from);
      case 'server-error':
        // Uploading takes its time, and nothing else has to wait for it.
        if (from) this.#beside(this.#retries.answerFileRequest(receipt, from));
        return;
      default:
        if (from) takeProgress(this.journal, this.account.lid, from, receipt);
    }
  }

  async #takeNotification(notification: Stanza): Promise<void> {
    if (child(notification, 'count')) await this.#topUp();
    const peer = child(notification, 'identity') && senderOf(notification);
    if (!peer) return;
    const sessions = this.#sessions();
    sessions.forgetUser(peer);
    this.#network.state.transaction(() => sessions.commit());
  }

  async #sendQueued(): Promise<void> {
    for (let message = this.journal.nextToSend(); message && this.#line.up; message = this.journal.nextToSend()) {
      const stanza = message.stanza ? decodeStanza(message.stanza) : await this.#encrypt(message);
      const ack = stanza && (await this.#line.ask(stanza));
      const refused = ack === undefined || attribute(ack, 'error') !== undefined;
      this.journal.advance(message, refused ? 'failed' : 'sent');
    }
  }

  /** The finished stanza, stored together with the advanced sessions; undefined if the peer has no devices. */
  async #encrypt(message: Entry): Promise<Stanza | undefined> {
    const sessions = this.#sessions();
    const copies = await this.#fanout.encrypt(sessions, message.peer, message.payload);
    if (copies.length === 0) return undefined;
    const stanza = stanzas.messageStanza(message.id, message.peer, copies, envelopeOf(message.payload));
    this.#network.state.transaction(() => {
      sessions.commit();
      this.journal.keepStanza(message.seq, encodeStanza(stanza));
    });
    return stanza;
  }
}
