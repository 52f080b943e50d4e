// A WhatsApp user of the sandbox, driven over its control API as any other program would.
import { z } from 'zod';

const message = z.object({
  seq: z.number(),
  id: z.string(),
  from: z.string(),
  to: z.string(),
  direction: z.string(),
  type: z.string(),
  text: z.string().optional(),
  status: z.string(),
});
export type PhoneMessage = z.infer<typeof message>;

export class Phone {
  readonly number: string;
  readonly #url: string;

  constructor(sandboxUrl: string, number: string) {
    this.number = number;
    this.#url = `${sandboxUrl}/sandbox`;
  }

  static async create(sandboxUrl: string, number: string, name: string): Promise<Phone> {
    const phone = new Phone(sandboxUrl, number);
    await phone.call('POST', '/phones', { number, name });
    return phone;
  }

  async send(to: string, text: string): Promise<string> {
    return z.object({ id: z.string() }).parse(await this.post('messages', { to, text })).id;
  }

  /** Sends any serialised WhatsApp `Message`. */
  async sendRaw(to: string, payload: Uint8Array): Promise<string> {
    const raw = Buffer.from(payload).toString('base64');
    return z.object({ id: z.string() }).parse(await this.post('messages', { to, raw })).id;
  }

  async messages(after = 0, waitMs = 0): Promise<PhoneMessage[]> {
    const answer = await this.call('GET', `/phones/${this.number}/messages?after=${after}&waitMs=${waitMs}`);
    return z.object({ messages: z.array(message) }).parse(answer).messages;
  }

  /** Waits until this phone's journal holds a message that `accept`s. */
  async waitFor(accept: (message: PhoneMessage) => boolean, timeoutMs = 30_000): Promise<PhoneMessage> {
    const end = Date.now() + timeoutMs;
    for (let after = 0; ; ) {
      const all = await this.messages(0);
      const found = all.find(accept);
      if (found) return found;
      const left = end - Date.now();
      if (left <= 0)
        throw new Error(
          `phone ${this.number} saw only ${JSON.stringify(all.map(({ text, status, direction }) => ({ text, status, direction })))}`,
        );
      after = all.at(-1)?.seq ?? after;
      await this.messages(after, Math.min(left, 1000));
    }
  }

  async received(text: string, timeoutMs?: number): Promise<PhoneMessage> {
    return this.waitFor((message) => message.direction === 'in' && message.text === text, timeoutMs);
  }

  /** Waits until a message has got at least this far. */
  async hasStatus(id: string, status: string, waitMs = 30_000): Promise<PhoneMessage> {
    const found = message.parse(
      await this.call(
        'GET',
        `/phones/${this.number}/messages/${encodeURIComponent(id)}?status=${status}&waitMs=${waitMs}`,
      ),
    );
    if (found.status !== status)
      throw new Error(`the message of phone ${this.number} is ${found.status}, not ${status}`);
    return found;
  }

  async post(path: string, body: object): Promise<unknown> {
    return this.call('POST', `/phones/${this.number}/${path}`, body);
  }

  /** Calls the control API; `path` starts below `/sandbox`. */
  async call(method: string, path: string, body?: object): Promise<unknown> {
    const response = await fetch(`${this.#url}${path}`, {
      method,
      ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
    });
    const text = await response.text();
    if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${text}`);
    return text === '' ? undefined : JSON.parse(text);
  }
}
