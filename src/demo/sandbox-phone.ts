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
  status: z.string(),
});
/** As the phone itself has it: decrypted by it, or sent from it. */
export type PhoneMessage = z.infer<typeof messageSchema>;

const longestPollMs = 10_000;

export class SandboxPhone {
  readonly number: string;
  readonly name: string;
  readonly #url: string;

  private constructor(url: string, number: string, name: string) {
    this.#url = url;
    this.number = number;
    this.name = name;
  }

  /** `number` as in addresses: country code first, digits only. */
  static async create(sandboxUrl: string, number: string, name: string): Promise<SandboxPhone> {
    await call(`${sandboxUrl}/sandbox/phones`, { number, name });
    return new SandboxPhone(`${sandboxUrl}/sandbox/phones/${number}`, number, name);
  }

  /** Writes to a Matrix ID or a phone number; answers the WhatsApp message id. */
  async send(to: string, text: string): Promise<string> {
    return z.object({ id: z.string() }).parse(await call(`${this.#url}/messages`, { to, text })).id;
  }

  /** The first message that `accept` likes, whether it is there already or arrives in time. */
  async waitForMessage(accept: (message: PhoneMessage) => boolean, timeoutMs: number): Promise<PhoneMessage> {
    const deadline = Date.now() + timeoutMs;
    let after = 0;
    for (let left = timeoutMs; left > 0; left = deadline - Date.now()) {
      const waitMs = Math.min(left, longestPollMs);
      const answer = await call(`${this.#url}/messages?after=${after}&waitMs=${waitMs}`);
      const { messages } = z.object({ messages: z.array(messageSchema) }).parse(answer);
      const found = messages.find(accept);
      if (found) return found;
      after = messages.at(-1)?.seq ?? after;
    }
    throw new Error(`waited ${timeoutMs / 1000} s for a message on ${this.name}'s phone`);
  }

  /** The message once it has come as far as `status`, or as far as it has come in time. */
  async message(id: string, status: string, timeoutMs: number): Promise<PhoneMessage> {
    const waitMs = Math.min(timeoutMs, 60_000);
    return messageSchema.parse(await call(`${this.#url}/messages/${id}?status=${status}&waitMs=${waitMs}`));
  }
}

async function call(url: string, body?: object): Promise<unknown> {
  const request = body && {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  };
  const response = await fetch(url, request);
  if (!response.ok) throw new Error(`the sandbox answered ${response.status}: ${await response.text()}`);
  return response.json();
}
