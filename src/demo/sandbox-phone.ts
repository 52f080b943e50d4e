// A WhatsApp phone of the sandbox, moved over its control API (docs/sandbox.md) as any other program would.
import { z } from 'zod';
import {
  callSchema,
  type MediaFault,
  messageSchema,
  type PhoneCall,
  type PhoneFile,
  type PhoneMessage,
  type PhoneTyping,
  type SpamReport,
  spamReportSchema,
  typingSchema,
} from './sandbox-messages.ts';

export type { MediaFault, PhoneFile, PhoneMessage };

const idSchema = z.object({ id: z.string() });

const defaultTimeoutMs = 30_000;
/** What the sandbox waits at most, for news and for a status. */
const longestPollMs = 10_000;
const longestWaitMs = 60_000;

export class SandboxPhone {
  readonly number: string;
  readonly name: string;
  readonly #sandbox: string;

  /** A phone that the sandbox has. `number` as in addresses: country code first, digits only. */
  constructor(sandboxUrl: string, number: string, name: string) {
    this.#sandbox = `${sandboxUrl}/sandbox`;
    this.number = number;
    this.name = name;
  }

  /** Adds a phone to the sandbox. */
  static async create(sandboxUrl: string, number: string, name: string): Promise<SandboxPhone> {
    const phone = new SandboxPhone(sandboxUrl, number, name);
    await phone.call('POST', '/phones', { number, name });
    return phone;
  }

  /** Writes to a Matrix ID or a phone number; answers the WhatsApp message id. */
  async send(to: string, text: string): Promise<string> {
    return idSchema.parse(await this.post('messages', { to, text })).id;
  }

  /** Sends any serialised WhatsApp `Message`. */
  async sendRaw(to: string, payload: Uint8Array): Promise<string> {
    return idSchema.parse(await this.post('messages', { to, raw: base64(payload) })).id;
  }

  /** Sends a message about another one: `about` is what the control API takes beside `to`. */
  async refer(to: string, about: { readonly type: string; readonly id: string } & Readonly<Record<string, unknown>>) {
    return idSchema.parse(await this.post('messages', { to, ...about })).id;
  }

  /** Sends anything else that the control API knows by its `type`: `location`, `contact`, `poll`, `pin` and so on. */
  async sendOther(to: string, message: { readonly type: string } & Readonly<Record<string, unknown>>): Promise<string> {
    return idSchema.parse(await this.post('messages', { to, ...message })).id;
  }

  /** Encrypts, uploads and sends a file; answers the message id when it is uploaded. */
  async sendFile(to: string, { content, thumbnail, ...file }: PhoneFile): Promise<string> {
    const source = typeof content === 'string' ? { path: content } : { base64: base64(content) };
    const body = { to, ...file, ...source, ...(thumbnail ? { thumbnail: base64(thumbnail) } : {}) };
    return idSchema.parse(await this.post('messages', body)).id;
  }

  /** The message once its file has been fetched and verified, or given up. */
  async fetched(id: string, timeoutMs = defaultTimeoutMs): Promise<PhoneMessage> {
    const query = `media=verified&waitMs=${Math.min(timeoutMs, longestWaitMs)}`;
    return messageSchema.parse(
      await this.call('GET', `/phones/${this.number}/messages/${encodeURIComponent(id)}?${query}`),
    );
  }

  /** A message's file, decrypted. */
  async download(id: string): Promise<Buffer> {
    const path = `/phones/${this.number}/messages/${encodeURIComponent(id)}/media`;
    const response = await fetch(this.#sandbox + path);
    if (!response.ok) throw new Error(`GET ${path}: the sandbox answered ${response.status}`);
    return Buffer.from(await response.arrayBuffer());
  }

  /** What happens from now on to the file of a message that this phone has sent or received. */
  async setFault(messageId: string, fault: MediaFault | { readonly fault: 'none' }): Promise<void> {
    await this.call('POST', '/faults/media', { phone: this.number, messageId, ...fault });
  }

  /** What this phone sent and decrypted after `after`; waits up to `waitMs` where there is nothing yet. */
  async messages(after = 0, waitMs = 0): Promise<PhoneMessage[]> {
    const answer = await this.call('GET', `/phones/${this.number}/messages?after=${after}&waitMs=${waitMs}`);
    return z.object({ messages: z.array(messageSchema) }).parse(answer).messages;
  }

  /** The first message that `accept` likes, whether it is there already or arrives in time. */
  async waitForMessage(
    accept: (message: PhoneMessage) => boolean,
    timeoutMs = defaultTimeoutMs,
  ): Promise<PhoneMessage> {
    const deadline = Date.now() + timeoutMs;
    const seen: PhoneMessage[] = [];
    for (let left = timeoutMs; left > 0; left = deadline - Date.now()) {
      const messages = await this.messages(seen.at(-1)?.seq, Math.min(left, longestPollMs));
      const found = messages.find(accept);
      if (found) return found;
      seen.push(...messages);
    }
    const others = JSON.stringify(seen.map(({ direction, text, status }) => ({ direction, text, status })));
    throw new Error(`waited ${timeoutMs / 1000} s for a message on ${this.name}'s phone, which has only ${others}`);
  }

  /** The text once it has arrived on this phone. */
  received(text: string, timeoutMs?: number): Promise<PhoneMessage> {
    return this.waitForMessage((message) => message.direction === 'in' && message.text === text, timeoutMs);
  }

  /** The message once it has come as far as `status`, or as far as it has come in time. */
  async message(id: string, status: string, timeoutMs: number): Promise<PhoneMessage> {
    const query = `status=${status}&waitMs=${Math.min(timeoutMs, longestWaitMs)}`;
    const path = `/phones/${this.number}/messages/${encodeURIComponent(id)}?${query}`;
    return messageSchema.parse(await this.call('GET', path));
  }

  /** The message once it is exactly `status`; rejects where it is not in time. */
  async hasStatus(id: string, status: string, timeoutMs = defaultTimeoutMs): Promise<PhoneMessage> {
    const found = await this.message(id, status, timeoutMs);
    if (found.status === status) return found;
    throw new Error(`the message of ${this.name}'s phone is ${found.status}, not ${status}`);
  }

  /** Says that a received message was read, or its voice note or video played. */
  async confirm(id: string, type: 'read' | 'played' | 'delivered'): Promise<void> {
    await this.post('receipts', { id, type });
  }

  /** Shows the other side that this phone's user types, records, or has stopped. */
  async showTyping(to: string, state: PhoneTyping['state']): Promise<void> {
    await this.post('typing', { to, state });
  }

  /** What this phone has seen since `after` (the `seq` of the last one); waits up to `waitMs` where there is nothing yet. */
  async typing(from: string, after = 0, waitMs = 0): Promise<PhoneTyping[]> {
    const query = `from=${encodeURIComponent(from)}&after=${after}&waitMs=${waitMs}`;
    const answer = await this.call('GET', `/phones/${this.number}/typing?${query}`);
    return z.object({ typing: z.array(typingSchema) }).parse(answer).typing;
  }

  /** The first time after `after` that the other side is seen so. */
  async seesTyping(from: string, state: PhoneTyping['state'], after = 0): Promise<PhoneTyping> {
    for (let last = after; ; ) {
      const seen = await this.typing(from, last, longestPollMs);
      const found = seen.find((one) => one.state === state);
      if (found) return found;
      const newest = seen.at(-1);
      if (!newest) throw new Error(`${this.name}'s phone waited in vain for "${state}"`);
      last = newest.seq;
    }
  }

  /** Rings at a Matrix ID or a phone number; answers the call's id. */
  async ring(to: string, { video = false } = {}): Promise<string> {
    return idSchema.parse(await this.post('calls', { to, video })).id;
  }

  /** Hangs up, or declines a call that rings. */
  async hangUp(call: string): Promise<void> {
    await this.call('DELETE', `/phones/${this.number}/calls/${call}`);
  }

  /** The call once it is so, or as it is in the end. */
  async callIs(id: string, state: PhoneCall['state'], timeoutMs = longestPollMs): Promise<PhoneCall> {
    const path = `/phones/${this.number}/calls/${id}?state=${state}&waitMs=${timeoutMs}`;
    return callSchema.parse(await this.call('GET', path));
  }

  /** The calls since `after`; waits up to `waitMs` where there is none yet. */
  async calls(after = 0, waitMs = 0): Promise<PhoneCall[]> {
    const answer = await this.call('GET', `/phones/${this.number}/calls?after=${after}&waitMs=${waitMs}`);
    return z.object({ calls: z.array(callSchema) }).parse(answer).calls;
  }

  /** The profile picture: bytes, an absolute path, or null for none. */
  async setPicture(picture: Uint8Array | string | null): Promise<void> {
    if (picture === null) await this.call('DELETE', `/phones/${this.number}/picture`);
    else await this.post('picture', typeof picture === 'string' ? { path: picture } : { base64: base64(picture) });
  }

  async rename(name: string): Promise<void> {
    await this.call('POST', '/phones', { number: this.number, name });
  }

  /** Which messages of this phone others have reported to the network. */
  async reports(): Promise<readonly SpamReport[]> {
    const answer = await this.call('GET', `/phones/${this.number}/reports`);
    return z.object({ reports: z.array(spamReportSchema) }).parse(answer).reports;
  }

  /** How many stanzas of each kind a third-party account has sent since the sandbox started (docs/sandbox.md). */
  async trafficFrom(matrixId: string): Promise<Readonly<Record<string, number>>> {
    const answer = await this.call('GET', `/accounts/${encodeURIComponent(matrixId)}/traffic`);
    return z.object({ traffic: z.record(z.string(), z.number()) }).parse(answer).traffic;
  }

  /** Calls what the control API has below this phone. */
  post(path: string, body: object): Promise<unknown> {
    return this.call('POST', `/phones/${this.number}/${path}`, body);
  }

  /** Calls the control API; `path` starts below `/sandbox`. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const content = body && { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
    const response = await fetch(`${this.#sandbox}${path}`, { method, ...content });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: the sandbox answered ${response.status}: ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
}

const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64');
