// A WhatsApp phone of the sandbox, moved over its control API (docs/sandbox.md) as any other program would.
import { z } from 'zod';

const messageSchema = z.object({
  seq: z.number(),
  id: z.string(),
  from: z.string(),
  to: z.string(),
  direction: z.enum(['in', 'out']),
  type: z.string(),
  text: z.string().optional(),
  raw: z.string(),
  status: z.string(),
});
/** As the phone itself has it: decrypted by it, or sent from it. */
export type PhoneMessage = z.infer<typeof messageSchema>;

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
    return idSchema.parse(await this.post('messages', { to, raw: Buffer.from(payload).toString('base64') })).id;
  }

  /** Sends a message about another one: `about` is what the control API takes beside `to`. */
  async refer(to: string, about: { readonly type: string; readonly id: string } & Readonly<Record<string, unknown>>) {
    return idSchema.parse(await this.post('messages', { to, ...about })).id;
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
