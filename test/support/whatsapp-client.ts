// An unmodified Baileys as a linked client of a sandbox phone. What is set: endpoint, root key, and the application's memory of what it sent.
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { getCACertificates, setDefaultCACertificates } from 'node:tls';
import makeWASocket, {
  type AnyMessageContent,
  type ConnectionState,
  DisconnectReason,
  downloadMediaMessage,
  jidNormalizedUser,
  useMultiFileAuthState,
  WA_CERT_DETAILS,
  type WACallEvent,
  type WAMessage,
  type WAMessageContent,
  type WAMessageKey,
  type WASocket,
} from '@whiskeysockets/baileys';
import type { SandboxInfo } from '../../src/sandbox/server.ts';

const TIMEOUT_MS = 30_000;
const RECONNECT_MS = 200;
const quiet = { level: 'silent', child: () => quiet, trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** What the client has to know of a sandbox; a running `Sandbox` is one. */
export interface SandboxAddress {
  readonly url: string;
  readonly info: SandboxInfo;
}

/** A receipt for a message, as the client was told. Statuses are Baileys' own: 2 accepted, 3 delivered, 4 read, 5 played. */
export interface SeenReceipt {
  readonly id: string;
  readonly chat: string;
  readonly status: number;
}

type Auth = Awaited<ReturnType<typeof useMultiFileAuthState>>;

export class WhatsAppClient {
  /** Every message that the client has shown, its own from other devices included, in order. */
  readonly messages: WAMessage[] = [];
  readonly receipts: SeenReceipt[] = [];
  /** Who was seen typing or there: `composing`, `recording`, `available` (also: stopped typing), `unavailable`. */
  readonly presences: { readonly from: string; readonly state: string }[] = [];
  readonly calls: WACallEvent[] = [];
  /** Whose picture was `changed` or `removed`. */
  readonly pictures: { readonly of: string; readonly change: string }[] = [];
  /** Why the last connection ended: a code of Baileys' `DisconnectReason`. */
  endedWith: number | undefined;
  readonly #sandbox: SandboxAddress;
  readonly #number: string;
  readonly #directory: string;
  readonly #sent = new Map<string, WAMessageContent>();
  readonly #sending = new Set<Promise<string>>();
  readonly #changes = new EventTarget();
  #auth: Auth;
  #socket: WASocket | undefined;
  #open = false;
  #qr: string | undefined;

  private constructor(sandbox: SandboxAddress, number: string, directory: string, auth: Auth) {
    this.#sandbox = sandbox;
    this.#number = number;
    this.#directory = directory;
    this.#auth = auth;
  }

  /** Links a new client to the phone with this number and resolves when it is online. */
  static async link(sandbox: SandboxAddress, phone: { readonly number: string }): Promise<WhatsAppClient> {
    const directory = await mkdtemp(join(tmpdir(), 'whatsapp-client-'));
    const client = new WhatsAppClient(sandbox, phone.number, directory, await useMultiFileAuthState(directory));
    client.connect();
    const qr = await client.until('a QR code', () => client.#qr);
    await client.#scan(qr);
    await client.online();
    return client;
  }

  /** The client's own addresses, with its device number. */
  get me(): { readonly jid: string; readonly lid: string; readonly device: number } {
    const { id = '', lid = '' } = this.#auth.state.creds.me ?? {};
    return { jid: id, lid, device: Number(/:(\d+)@/.exec(id)?.[1] ?? 0) };
  }

  /** The address of its user, without a device. */
  get lid(): string {
    return jidNormalizedUser(this.me.lid);
  }

  /** The public identity key, 32 bytes. */
  get identityKey(): Uint8Array {
    return this.#auth.state.creds.signedIdentityKey.public;
  }

  get socket(): WASocket {
    if (!this.#socket) throw new Error('the client is not running');
    return this.#socket;
  }

  /** The texts that have come from elsewhere, in order; one that could not be read at first counts when it can. */
  get texts(): string[] {
    const others = this.messages.filter(({ key }) => !this.#sent.has(key.id ?? ''));
    return others.map(textOf).filter((text) => text !== undefined);
  }

  get isOnline(): boolean {
    return this.#open;
  }

  connect(): void {
    // Both are settings of the whole process: files that use several sandboxes connect their clients one after another.
    const { chatUrl, rootPublicKey, mediaAuthority } = this.#sandbox.info;
    WA_CERT_DETAILS.PUBLIC_KEY = Buffer.from(rootPublicKey, 'base64');
    trust(mediaAuthority);
    const { state, saveCreds } = this.#auth;
    // The library leaves it to applications to remember what they sent, for those who could not read it.
    const getMessage = ({ id }: { id?: string | null }) => this.#remember(id ?? '');
    const socket = makeWASocket({
      waWebSocketUrl: chatUrl,
      auth: state,
      logger: quiet,
      getMessage,
      // Five, as its default says: it counts each that it answers twice, and would answer two.
      maxMsgRetryCount: 10,
    });
    this.#socket = socket;
    this.endedWith = undefined;
    socket.ev.on('creds.update', saveCreds);
    socket.ev.on('connection.update', (update) => this.#connection(socket, update));
    socket.ev.on('messages.upsert', ({ messages }) => {
      this.messages.push(...messages);
      // A receipt that comes soon enough is told with the message itself.
      for (const { key, status } of messages) this.#receipt(key, status);
      this.#changed();
    });
    socket.ev.on('presence.update', ({ presences }) => {
      for (const [from, { lastKnownPresence: state }] of Object.entries(presences))
        this.presences.push({ from, state });
      this.#changed();
    });
    socket.ev.on('call', (calls) => {
      this.calls.push(...calls);
      this.#changed();
    });
    socket.ev.on('contacts.update', (updates) => {
      for (const { id, imgUrl } of updates) if (id && imgUrl) this.pictures.push({ of: id, change: imgUrl });
      this.#changed();
    });
    socket.ev.on('messages.update', (updates) => {
      for (const { key, update } of updates) this.#receipt(key, update.status);
      this.#changed();
    });
  }

  async online(): Promise<void> {
    await this.until('the connection', () => this.#open || undefined);
  }

  /** Returns the message's id once the network has accepted it. */
  async send(to: string, content: string | AnyMessageContent): Promise<string> {
    const sending = this.#send(to, typeof content === 'string' ? { text: content } : content);
    this.#sending.add(sending);
    return sending.finally(() => this.#sending.delete(sending));
  }

  /** The first shown message with this text, waited for. */
  async waitForText(text: string): Promise<WAMessage> {
    return this.waitForMessage((message) => textOf(message) === text);
  }

  async waitForMessage(accept: (message: WAMessage) => boolean): Promise<WAMessage> {
    return this.until('a message', () => this.messages.find(accept));
  }

  /** Waits until the message has got at least this far: 3 delivered, 4 read, 5 played. */
  async waitForReceipt(id: string, status: 3 | 4 | 5, timeoutMs?: number): Promise<SeenReceipt> {
    const receipt = () => this.receipts.find((one) => one.id === id && one.status >= status);
    return this.until('a receipt', receipt, timeoutMs);
  }

  async markRead(message: WAMessage): Promise<void> {
    await this.socket.readMessages([message.key]);
  }

  /** As when it was listened to. */
  async markPlayed({ key }: WAMessage): Promise<void> {
    if (key.remoteJid && key.id) await this.socket.sendReceipts([key], 'played');
  }

  /** From the network's media host, as WhatsApp's own clients do, whatever host the message names. */
  async download(message: WAMessage): Promise<Buffer> {
    return downloadMediaMessage(message, 'buffer', { host: this.#sandbox.info.mediaHost });
  }

  /** Leaves without a word and keeps its state, as a closed laptop does. */
  async stop(): Promise<void> {
    const socket = this.#socket;
    this.#socket = undefined;
    this.#open = false;
    await socket?.end(undefined);
  }

  /** A new process with the same state on disk. */
  async restart(): Promise<void> {
    await this.stop();
    await this.start();
  }

  /** After `stop`. */
  async start(): Promise<void> {
    this.#auth = await useMultiFileAuthState(this.#directory);
    this.connect();
    await this.online();
  }

  async logOut(): Promise<void> {
    await this.socket.logout();
    await this.until('the end', () => this.endedWith);
  }

  /** Forgets the Signal sessions with every device of a user, so that what these send cannot be read. */
  async deleteSessions(user: string): Promise<void> {
    const devices = await this.socket.getUSyncDevices([user], false, false);
    await this.socket.signalRepository.deleteSession(devices.map(({ jid }) => jid));
  }

  /** Stops and removes the state. */
  async dispose(): Promise<void> {
    await this.stop();
    await rm(this.#directory, { recursive: true, force: true, maxRetries: 5 });
  }

  /** Resolves with what `look` finds, as soon as something changes that lets it. Rejects after half a minute. */
  async until<Found>(what: string, look: () => Found | undefined, timeoutMs = TIMEOUT_MS): Promise<Found> {
    const signal = AbortSignal.timeout(timeoutMs);
    for (;;) {
      const found = look();
      if (found !== undefined) return found;
      await once(this.#changes, 'change', { signal }).catch(() => {
        throw new Error(`${this.#number} waited for ${what} in vain; ended with ${this.endedWith}; saw: ${this.texts}`);
      });
    }
  }

  async #send(to: string, content: AnyMessageContent): Promise<string> {
    const sent = await this.socket.sendMessage(to, content);
    if (!sent?.key.id) throw new Error('nothing was sent');
    if (sent.message) this.#sent.set(sent.key.id, sent.message);
    return sent.key.id;
  }

  /** Somebody may say that they could not read a message before the library has said that it was sent. */
  async #remember(id: string): Promise<WAMessageContent | undefined> {
    await Promise.allSettled(this.#sending);
    return this.#sent.get(id);
  }

  async #scan(qr: string): Promise<void> {
    const response = await fetch(`${this.#sandbox.url}/sandbox/phones/${this.#number}/link`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ qr }),
    });
    if (response.status !== 201) throw new Error(`linking: ${response.status} ${await response.text()}`);
  }

  #connection(socket: WASocket, { connection, qr, lastDisconnect }: Partial<ConnectionState>): void {
    if (socket !== this.#socket) return;
    if (qr !== undefined) this.#qr = qr;
    if (connection === 'open') this.#open = true;
    if (connection === 'close') {
      this.#open = false;
      this.endedWith = statusOf(lastDisconnect?.error);
      if (this.endedWith === DisconnectReason.restartRequired) this.connect();
      else if (this.endedWith !== DisconnectReason.loggedOut) setTimeout(() => this.#again(socket), RECONNECT_MS);
    }
    this.#changed();
  }

  /** As every application around Baileys does: the library leaves it to them. */
  #again(after: WASocket): void {
    if (this.#socket === after) this.connect();
  }

  #receipt({ id, remoteJid }: WAMessageKey, status: number | null | undefined): void {
    if (id && remoteJid && typeof status === 'number') this.receipts.push({ id, chat: remoteJid, status });
  }

  #changed(): void {
    this.#changes.dispatchEvent(new Event('change'));
  }
}

/** The text that a client shows for a message, if it is one. */
export function textOf({ message }: WAMessage): string | undefined {
  return message?.conversation ?? message?.extendedTextMessage?.text ?? undefined;
}

function statusOf(error: unknown): number {
  const output = error instanceof Error && 'output' in error ? error.output : undefined;
  const known = typeof output === 'object' && output !== null && 'statusCode' in output ? output.statusCode : undefined;
  return typeof known === 'number' ? known : 0;
}

function trust(authority: string): void {
  const known = getCACertificates('default');
  if (!known.includes(authority)) setDefaultCACertificates([...known, authority]);
}

/** The Signal library below Baileys prints sessions, keys included, past any logger. */
const CHATTER = /session/i;
for (const method of ['info', 'warn', 'error'] as const) {
  const print = console[method];
  console[method] = (...said: unknown[]) => {
    if (typeof said[0] !== 'string' || !CHATTER.test(said[0])) print(...said);
  };
}
