// A simulated WhatsApp user's phone (device 0): sends, decrypts, confirms, and asks again like an ordinary client.
import { newMessageId } from '../model/ids.ts';
import { formatJid, type LidJid, sameUser, type UserJid, withDevice, withoutDevice } from '../model/jid.ts';
import { Serial } from '../model/serial.ts';
import type { Logger } from '../observability/logger.ts';
import {
  attribute,
  child,
  children,
  decodeStanza,
  encodeStanza,
  integerAttribute,
  jidAttribute,
  requireAttribute,
  requireBytes,
  requireChild,
  requireInteger,
  type Stanza,
} from '../whatsapp/binary/index.ts';
import type { PhoneAccount } from './directory.ts';
import { readBundle } from './key-stanzas.ts';
import type { Network } from './network.ts';
import { envelopeOf } from './phone-envelope.ts';
import { PhoneFanout } from './phone-fanout.ts';
import { type FileSource, PhoneFiles } from './phone-files.ts';
import { type Entry, type NewEntry, PhoneJournal } from './phone-journal.ts';
import { PhoneKeys } from './phone-keys.ts';
import { OfflineError, PhoneLine } from './phone-line.ts';
import { emptyHistory, readDeviceSent } from './phone-payloads.ts';
import { type Reference, referring, type Target } from './phone-references.ts';
import { PhoneSessions } from './phone-sessions.ts';
import * as stanzas from './phone-stanzas.ts';
import { type Bundle, type Device, LOW_WATER } from './pre-keys.ts';
import type { Router } from './router.ts';

const FIRST_UPLOAD = 100;
const TOP_UP = 50;
/** Both sides of a retry give up after this many rounds, as the known clients do. */
const MAX_RETRIES = 5;

/** What a decrypted message adds to the journal, if anything, and how its arrival is confirmed. */
interface Received {
  readonly received: Omit<NewEntry, 'id' | 'timestamp'> | undefined;
  readonly receipt: Stanza;
}

export class Phone {
  readonly account: PhoneAccount;
  readonly journal: PhoneJournal;
  readonly keys: PhoneKeys;
  readonly files: PhoneFiles;
  readonly #network: Network;
  readonly #logger: Logger;
  readonly #line: PhoneLine;
  readonly #fanout: PhoneFanout;
  /** One thing at a time: sessions are read, advanced and written as one step. */
  readonly #serial = new Serial<'phone'>();
  readonly #failures = new Map<string, number>();

  /** `directory`: for files that the phone has fetched. */
  constructor(network: Network, router: Router, account: PhoneAccount, directory: string, logger: Logger) {
    this.account = account;
    this.#network = network;
    this.#logger = logger;
    this.journal = new PhoneJournal(network.state, account.id);
    this.keys = new PhoneKeys(network.state, account.id, network.clock);
    const { state, blobs, clock } = network;
    const files = { state, blobs, clock, journal: this.journal, account: account.id, directory, logger };
    this.files = new PhoneFiles(files);
    const device = { account: account.id, device: 0 };
    this.#line = new PhoneLine(router, { account, device }, (received) => this.#task(() => this.#take(received)));
    this.#fanout = new PhoneFanout(this.#line, account.lid);
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
    if (!this.#line.up) throw new OfflineError();
    this.#line.send(stanzas.receiptStanza(id, message.peer, type === 'delivered' ? undefined : type));
    this.journal.advance(message, type);
    return true;
  }

  async identityOf(peer: UserJid): Promise<Uint8Array | undefined> {
    return this.#sessions().identityOf(peer);
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
    void this.#serial.run('phone', work).catch((error: unknown) => {
      if (!(error instanceof OfflineError)) this.#logger.warn({ account: this.account.id, err: error }, 'phone failed');
    });
  }

  async #take(received: Stanza): Promise<void> {
    switch (received.tag) {
      case 'message':
        return this.#takeMessage(received);
      case 'receipt':
        if (attribute(received, 'type') === 'retry') await this.#answerRetry(received);
        else this.#takeReceipt(received);
        return this.#line.send(stanzas.ackStanza(received));
      case 'notification':
        await this.#takeNotification(received);
        return this.#line.send(stanzas.ackStanza(received));
    }
  }

  async #takeMessage(message: Stanza): Promise<void> {
    const id = requireAttribute(message, 'id');
    const from = lidOf(message);
    const enc = child(message, 'enc');
    if (!from || !enc) return this.#line.send(stanzas.ackStanza(message));
    const isOwn = sameUser(from, this.account.lid);
    if (!isOwn && this.journal.find('in', withoutDevice(from), id)) {
      return this.#line.send(stanzas.receiptStanza(id, from));
    }
    const sessions = this.#sessions();
    const type = attribute(enc, 'type') === 'pkmsg' ? 'pkmsg' : 'msg';
    const result = await sessions.decrypt(from, { type, bytes: requireBytes(enc) });
    if (result.outcome === 'failed') return this.#askAgain(message, from, result.hadSession);
    if (result.outcome === 'duplicate') return this.#line.send(stanzas.ackStanza(message));
    const { received, receipt } = isOwn
      ? this.#copyOfOwn(id, from, result.plaintext)
      : this.#fromPeer(id, from, result.plaintext);
    const timestamp = (integerAttribute(message, 't') ?? 0) * 1000;
    this.#network.state.transaction(() => {
      if (received) this.files.expect(this.journal.add({ id, timestamp, ...received }), received.payload);
      sessions.commit();
    });
    this.#failures.delete(`${formatJid(from)} ${id}`);
    this.#line.send(receipt);
    this.journal.changes.changed();
    if (this.#line.up) this.files.start();
  }

  #fromPeer(id: string, from: LidJid, payload: Uint8Array): Received {
    const peer = withoutDevice(from);
    const peerName = this.#network.directory.label(peer);
    const received = { peer, peerName, direction: 'in', payload, status: 'delivered' } as const;
    return { received, receipt: stanzas.receiptStanza(id, from) };
  }

  /** What a linked client has sent, or said to this phone alone. */
  #copyOfOwn(id: string, from: LidJid, plaintext: Uint8Array): Received {
    const copy = readDeviceSent(plaintext);
    const peer = copy && this.#network.directory.byJid(copy.to)?.lid;
    if (!copy || !peer) return { received: undefined, receipt: stanzas.receiptStanza(id, from, 'peer_msg') };
    const known = this.journal.find('out', peer, id) !== undefined;
    const peerName = this.#network.directory.label(peer);
    const received = { peer, peerName, direction: 'out', payload: copy.payload, status: 'sent' } as const;
    return { received: known ? undefined : received, receipt: stanzas.receiptStanza(id, from, 'sender', peer) };
  }

  /** Asks the sender to encrypt anew; with fresh keys where the session seems to be the trouble. */
  #askAgain(message: Stanza, to: UserJid, hadSession: boolean): void {
    const id = requireAttribute(message, 'id');
    const key = `${formatJid(to)} ${id}`;
    const count = (this.#failures.get(key) ?? 0) + 1;
    this.#failures.set(key, count);
    if (count <= MAX_RETRIES) this.#line.send(this.#retryReceipt(message, to, count, hadSession));
    this.#line.send(stanzas.ackStanza(message));
  }

  #retryReceipt(message: Stanza, to: UserJid, count: number, hadSession: boolean): Stanza {
    const id = requireAttribute(message, 'id');
    const own = this.keys.current();
    const keys: Bundle | undefined =
      count > 1 || !hadSession ? { ...own, preKey: this.keys.createOneTimeKeys(1)[0] } : undefined;
    const { registrationId } = own;
    const recipient = jidAttribute(message, 'recipient');
    return stanzas.retryReceipt({ id, to, recipient, count, time: attribute(message, 't'), registrationId, keys });
  }

  async #answerRetry(receipt: Stanza): Promise<void> {
    const to = lidOf(receipt);
    const id = requireAttribute(receipt, 'id');
    const isOwn = to !== undefined && sameUser(to, this.account.lid);
    const message = isOwn ? this.journal.byId(id) : to && this.journal.find('out', withoutDevice(to), id);
    const count = requireInteger(requireChild(receipt, 'retry'), 'count');
    if (!to || message?.direction !== 'out' || count > MAX_RETRIES) return;
    const sessions = this.#sessions();
    const keys = child(receipt, 'keys');
    if (keys) await sessions.start(to, readBundle(keys, requireChild(receipt, 'registration')));
    else if (count > 1 || !(await sessions.has(to))) await this.#fanout.startSessions(sessions, [to]);
    const copy = await this.#fanout.encryptFor(sessions, to, message.peer, message.payload);
    this.#network.state.transaction(() => sessions.commit());
    const envelope = envelopeOf(message.payload);
    const recipient = isOwn ? message.peer : undefined;
    this.#line.send(stanzas.retriedMessage({ ...copy, id, count, envelope, recipient }));
  }

  /** Of one's own devices, only what was read on them counts. */
  #takeReceipt(receipt: Stanza): void {
    const from = lidOf(receipt);
    const recipient = jidAttribute(receipt, 'recipient');
    const isOwn = from !== undefined && sameUser(from, this.account.lid);
    const chat = isOwn ? recipient : from && withoutDevice(from);
    const progress = progressOf(receipt);
    if (chat?.kind !== 'lid' || (isOwn && progress === 'delivered')) return;
    const list = child(receipt, 'list');
    const ids = [receipt, ...(list ? children(list, 'item') : [])].map((one) => requireAttribute(one, 'id'));
    for (const id of ids) {
      const message = this.journal.find(isOwn ? 'in' : 'out', chat, id);
      if (message) this.journal.advance(message, progress);
    }
  }

  async #takeNotification(notification: Stanza): Promise<void> {
    if (child(notification, 'count')) await this.#topUp();
    const peer = child(notification, 'identity') && lidOf(notification);
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

/** What a receipt says of the message. */
function progressOf(receipt: Stanza): 'delivered' | 'read' | 'played' {
  switch (attribute(receipt, 'type')) {
    case 'read':
    case 'read-self':
      return 'read';
    case 'played':
    case 'played-self':
      return 'played';
    default:
      return 'delivered';
  }
}

/** WhatsApp's own clients know everybody by LID. */
function lidOf(received: Stanza): LidJid | undefined {
  const from = received.attrs.get('from');
  return from !== undefined && typeof from !== 'string' && from.kind === 'lid' ? from : undefined;
}
