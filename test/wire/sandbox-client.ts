// A third-party service in miniature for the sandbox's tests: published keys and tokens, and users with connections of their own.
import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, toBinary } from '@bufbuild/protobuf';
import { exportJWK, generateKeyPair, type JWK, SignJWT } from 'jose';
import { systemClock } from '../../src/model/clock.ts';
import { SERVER, type UserJid } from '../../src/model/jid.ts';
import { decodeProto } from '../../src/proto/decode.ts';
import {
  type Message as Content,
  MediaRetryNotificationSchema,
  MessageSchema,
  ServerErrorReceiptSchema,
} from '../../src/proto/message_pb.ts';
import { ClientPayload_Product, ClientPayloadSchema } from '../../src/proto/wire_pb.ts';
import { Directory } from '../../src/sandbox/directory.ts';
import { readBundle } from '../../src/sandbox/key-stanzas.ts';
import { PhoneKeys } from '../../src/sandbox/phone-keys.ts';
import { PhoneSessions } from '../../src/sandbox/phone-sessions.ts';
import { askKeys, messageStanza } from '../../src/sandbox/phone-stanzas.ts';
import type { SandboxInfo } from '../../src/sandbox/server.ts';
import { State } from '../../src/sandbox/state.ts';
import {
  attribute,
  child,
  children,
  decodeStanza,
  encodeStanza,
  requireAttribute,
  requireBytes,
  requireChild,
  requireJid,
  type Stanza,
  stanza,
} from '../../src/whatsapp/binary/index.ts';
import {
  connectNoise,
  generateKeyPair as generateNoiseKey,
  type NoiseConnection,
} from '../../src/whatsapp/noise/index.ts';

export const AUDIENCE = 'whatsapp-interop-test';

export interface TokenChanges {
  readonly claims?: Record<string, unknown>;
  readonly kid?: string;
  readonly foreignKey?: boolean;
}

/** Publishes one ES256 key and signs tokens with it. */
export class Provider {
  readonly url: string;
  readonly #server: Server;
  readonly #key: CryptoKey;
  readonly #foreign: CryptoKey;

  private constructor(url: string, server: Server, key: CryptoKey, foreign: CryptoKey) {
    this.url = url;
    this.#server = server;
    this.#key = key;
    this.#foreign = foreign;
  }

  static async start(): Promise<Provider> {
    const [own, foreign] = await Promise.all([generateKeyPair('ES256'), generateKeyPair('ES256')]);
    const jwk: JWK = { ...(await exportJWK(own.publicKey)), kid: 'key-1', alg: 'ES256', use: 'sig' };
    const server = createServer((request, response) => {
      response.setHeader('content-type', 'application/json');
      const isKeys = request.url === '/keys';
      response.end(JSON.stringify(isKeys ? { keys: [jwk] } : { issuer: url, jwks_uri: `${url}/keys` }));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    return new Provider(url, server, own.privateKey, foreign.privateKey);
  }

  get settings() {
    return { discoveryUrl: this.url, audience: AUDIENCE };
  }

  token(
    user: string,
    purpose: 'enlist' | 'connect' | 'withdraw',
    accountId: string | undefined,
    { claims = {}, kid = 'key-1', foreignKey = false }: TokenChanges = {},
  ): Promise<string> {
    const now = Math.floor(Date.now() / 1000);
    const own = {
      iss: this.url,
      aud: AUDIENCE,
      sub: user,
      iat: now,
      exp: now + 300,
      jti: crypto.randomUUID(),
      purpose,
    };
    return new SignJWT({ ...own, ...(accountId === undefined ? {} : { account_id: accountId }), ...claims })
      .setProtectedHeader({ alg: 'ES256', kid })
      .sign(foreignKey ? this.#foreign : this.#key);
  }

  stop(): void {
    this.#server.close();
    this.#server.closeAllConnections();
  }
}

/** A third-party user with Signal keys and, after `connect`, a connection. */
export class InteropUser {
  readonly identifier: string;
  accountId = '';
  readonly keys: PhoneKeys;
  readonly #state = new State(undefined);
  readonly #info: SandboxInfo;
  readonly #provider: Provider;
  readonly #account: number;
  #connection: NoiseConnection | undefined;
  #inbox: Stanza[] = [];
  #wake: (() => void)[] = [];
  #ids = 0;

  constructor(info: SandboxInfo, provider: Provider, identifier: string) {
    this.#info = info;
    this.#provider = provider;
    this.identifier = identifier;
    this.#account = new Directory(this.#state).addPhone('10000', identifier).id;
    this.keys = new PhoneKeys(this.#state, this.#account, systemClock);
    this.keys.create();
  }

  enlistmentBody(preKeys = 20): object {
    const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
    const { registrationId, identityKey, signedPreKey } = this.keys.current();
    const { id, publicKey, signature } = signedPreKey;
    return {
      identifier: this.identifier,
      displayName: 'Alice',
      registrationId,
      identityKey: base64(identityKey),
      signedPreKey: { id, publicKey: base64(publicKey), signature: base64(signature) },
      preKeys: this.keys.createOneTimeKeys(preKeys).map((key) => ({ id: key.id, publicKey: base64(key.publicKey) })),
    };
  }

  async enlist(changes?: TokenChanges, preKeys?: number): Promise<Response> {
    const token = await this.#provider.token(this.identifier, 'enlist', undefined, changes);
    const response = await fetch(this.#info.enlistmentUrl, {
      method: 'POST',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify(this.enlistmentBody(preKeys)),
    });
    if (response.ok) ({ accountId: this.accountId } = (await response.clone().json()) as { accountId: string });
    return response;
  }

  async withdraw(): Promise<Response> {
    const token = await this.#provider.token(this.identifier, 'withdraw', this.accountId);
    const url = `${this.#info.enlistmentUrl}/${encodeURIComponent(this.identifier)}`;
    return fetch(url, { method: 'DELETE', headers: { authorization: `Bearer ${token}` } });
  }

  /** Connects and returns the first stanza: `success` or `failure`. */
  async connect(
    options: { changes?: TokenChanges; passive?: boolean; url?: string; readReceipts?: boolean } = {},
  ): Promise<Stanza> {
    const token = await this.#provider.token(this.identifier, 'connect', this.accountId, options.changes);
    const enableReadReceipts = options.readReceipts ?? true;
    const interopData = { accountId: BigInt(this.accountId), token: Buffer.from(token), enableReadReceipts };
    const { passive = false, url = this.#info.chatUrl } = options;
    return this.connectWith(
      toBinary(
        ClientPayloadSchema,
        create(ClientPayloadSchema, { passive, product: ClientPayload_Product.INTEROP, interopData }),
      ),
      url,
    );
  }

  async connectWith(payload: Uint8Array, url = this.#info.chatUrl): Promise<Stanza> {
    this.#inbox = [];
    const connection = await connectNoise({
      endpoint: new URL(url),
      rootKey: Buffer.from(this.#info.rootPublicKey, 'base64'),
      payload,
      staticKeyPair: generateNoiseKey(),
      now: Date.now,
    });
    this.#connection = connection;
    connection.start({
      onFrame: (frame) => this.#arrived(decodeStanza(frame)),
      onClose: () => this.#arrived(stanza('closed')),
    });
    return this.next(({ tag }) => tag === 'success' || tag === 'failure');
  }

  disconnect(): Promise<Stanza> {
    this.#connection?.close();
    return this.next(({ tag }) => tag === 'closed');
  }

  send(sent: Stanza): void {
    this.#connection?.send(encodeStanza(sent));
  }

  /** Any plaintext of a frame; nothing if the server has closed meanwhile. */
  sendBytes(plaintext: Uint8Array): void {
    if (this.#connection?.open) this.#connection.send(plaintext);
  }

  /** The first stanza that fits, whether it has arrived already or not; it is taken out. */
  async next(fits: (candidate: Stanza) => boolean): Promise<Stanza> {
    for (;;) {
      const index = this.#inbox.findIndex(fits);
      const [found] = index < 0 ? [] : this.#inbox.splice(index, 1);
      if (found) return found;
      await new Promise<void>((resolve) => this.#wake.push(resolve));
    }
  }

  nextTag(tag: string): Promise<Stanza> {
    return this.next((candidate) => candidate.tag === tag);
  }

  /** What has arrived and was not taken, by tag. */
  waiting(tag: string): Stanza[] {
    return this.#inbox.filter((candidate) => candidate.tag === tag);
  }

  /** Everything that was sent before has been handled when this resolves. */
  async ask(type: 'get' | 'set', xmlns: string, ...content: Stanza[]): Promise<Stanza> {
    this.#ids += 1;
    return this.#asked(stanza('iq', { id: `q${this.#ids}`, to: SERVER, type, xmlns }, content));
  }

  /** A question about somebody. */
  async askAbout(target: UserJid, xmlns: string, ...content: Stanza[]): Promise<Stanza> {
    this.#ids += 1;
    return this.#asked(stanza('iq', { id: `q${this.#ids}`, to: SERVER, target, type: 'get', xmlns }, content));
  }

  /** Asks a phone to upload a file again; `answerKey` where it will answer under another key. The error's code, or what it says. */
  async askForFile(id: string, from: UserJid, mediaKey: Uint8Array, answerKey = mediaKey) {
    const keyOf = (key: Uint8Array) => hkdfSync('sha256', key, '', 'WhatsApp Media Retry Notification', 32);
    const iv = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', Buffer.from(keyOf(mediaKey)), iv).setAAD(Buffer.from(id));
    const request = toBinary(ServerErrorReceiptSchema, create(ServerErrorReceiptSchema, { stanzaId: id }));
    const sealed = Buffer.concat([cipher.update(request), cipher.final(), cipher.getAuthTag()]);
    const content = [
      stanza('encrypt', {}, [stanza('enc_p', {}, sealed), stanza('enc_iv', {}, iv)]),
      stanza('rmr', { jid: from, from_me: false }),
    ];
    this.send(stanza('receipt', { id, to: from, type: 'server-error' }, content));
    const answer = await this.next((one) => attribute(one, 'type') === 'mediaretry' && one.tag === 'notification');
    this.ack(answer);
    const error = child(answer, 'error');
    if (error) return attribute(error, 'code');
    const encrypt = requireChild(answer, 'encrypt');
    const bytes = Buffer.from(requireBytes(requireChild(encrypt, 'enc_p')));
    const decipher = createDecipheriv(
      'aes-256-gcm',
      Buffer.from(keyOf(answerKey)),
      requireBytes(requireChild(encrypt, 'enc_iv')),
    );
    decipher.setAAD(Buffer.from(id)).setAuthTag(bytes.subarray(-16));
    const plaintext = Buffer.concat([decipher.update(bytes.subarray(0, -16)), decipher.final()]);
    return decodeProto(MediaRetryNotificationSchema, plaintext);
  }

  /** Encrypts a text or a serialised Message and sends it; starts a session where there is none. Resolves with the ack. */
  async write(to: UserJid, content: string | Uint8Array, id: string): Promise<Stanza> {
    this.send(await this.encrypt(to, content, id));
    return this.next((candidate) => candidate.tag === 'ack' && attribute(candidate, 'id') === id);
  }

  async encrypt(to: UserJid, content: string | Uint8Array, id: string): Promise<Stanza> {
    const sessions = this.#sessions();
    if (!(await sessions.has(to))) {
      const answer = await this.#asked(askKeys([to]));
      const [user] = children(requireChild(answer, 'list'), 'user');
      if (!user) throw new Error('no bundle');
      await sessions.start(to, readBundle(user, requireChild(user, 'registration')));
    }
    const isText = typeof content === 'string';
    const plaintext = isText ? toBinary(MessageSchema, create(MessageSchema, { conversation: content })) : content;
    const ciphertext = await sessions.encrypt(to, plaintext);
    sessions.commit();
    return messageStanza(id, to, [{ to, ciphertext }]);
  }

  /** The text of a message stanza; undefined if it has none or cannot be decrypted. */
  async read(message: Stanza): Promise<string | undefined> {
    const content = await this.decrypt(message);
    return content?.conversation ?? content?.extendedTextMessage?.text;
  }

  /** Undefined if that fails. */
  async decrypt(message: Stanza): Promise<Content | undefined> {
    const from = requireJid(message, 'from');
    const enc = requireChild(message, 'enc');
    const sessions = this.#sessions();
    const type = attribute(enc, 'type') === 'pkmsg' ? 'pkmsg' : 'msg';
    const result = await sessions.decrypt(from as UserJid, { type, bytes: requireBytes(enc) });
    if (result.outcome !== 'plaintext') return undefined;
    sessions.commit();
    return decodeProto(MessageSchema, result.plaintext);
  }

  /** Encrypts for whoever offered these keys, as a client does that trusts every retry receipt. */
  async answerBlindly(receipt: Stanza, text: string): Promise<void> {
    const from = requireJid(receipt, 'from') as UserJid;
    const sessions = this.#sessions();
    await sessions.start(from, readBundle(requireChild(receipt, 'keys'), requireChild(receipt, 'registration')));
    const plaintext = toBinary(MessageSchema, create(MessageSchema, { conversation: text }));
    const { type, bytes } = await sessions.encrypt(from, plaintext);
    const attrs = { id: requireAttribute(receipt, 'id'), to: from, type: 'text' };
    this.send(stanza('message', attrs, [stanza('enc', { v: 2, type, count: 1 }, bytes)]));
  }

  ack(received: Stanza): void {
    const { tag, attrs } = received;
    this.send(stanza('ack', { class: tag, id: attrs.get('id'), to: attrs.get('from'), type: attrs.get('type') }));
  }

  async #asked(iq: Stanza): Promise<Stanza> {
    this.send(iq);
    const id = attribute(iq, 'id');
    return this.next((candidate) => candidate.tag === 'iq' && attribute(candidate, 'id') === id);
  }

  #sessions(): PhoneSessions {
    return new PhoneSessions(this.#state, this.#account);
  }

  #arrived(received: Stanza): void {
    this.#inbox.push(received);
    for (const wake of this.#wake.splice(0)) wake();
  }
}

/** The control API. Throws for an answer that is no success, with its status and body. */
export async function control<Answer = unknown>(url: string, path: string, body?: object): Promise<Answer> {
  const init = { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(url + path, body ? init : {});
  const text = await response.text();
  if (!response.ok) throw new Error(`${response.status} ${text}`);
  return (text === '' ? undefined : JSON.parse(text)) as Answer;
}

export interface Message {
  readonly seq: number;
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly direction: 'in' | 'out';
  readonly type: string;
  readonly text?: string;
  readonly status: string;
}

/** Waits until the phone has received this text. */
export async function received(url: string, number: string, text: string): Promise<Message> {
  for (let after = 0; ; ) {
    const path = `/sandbox/phones/${number}/messages?after=${after}&waitMs=10000`;
    const { messages } = await control<{ messages: Message[] }>(url, path);
    const found = messages.find((message) => message.direction === 'in' && message.text === text);
    if (found) return found;
    const last = messages.at(-1);
    if (!last) throw new Error('the phone has not received this text');
    after = last.seq;
  }
}

/** Waits until a message that the phone has sent is that far. */
export function reached(url: string, number: string, id: string, status: string): Promise<Message> {
  return control<Message>(url, `/sandbox/phones/${number}/messages/${id}?status=${status}&waitMs=10000`);
}

export const errorOf = (refused: Stanza): string | undefined => attribute(child(refused, 'error') ?? refused, 'code');
