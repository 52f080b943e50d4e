// What has come from each third-party account, counted: so a test can prove what was not sent.
import { attribute, children, type Stanza } from '../whatsapp/binary/index.ts';

export class Traffic {
  readonly #counts = new Map<string, Map<string, number>>();

  /** `identifier`: the account's Matrix ID, which outlives the account here. */
  count(identifier: string, kind: string): void {
    const counts = this.#counts.get(identifier) ?? new Map<string, number>();
    this.#counts.set(identifier, counts.set(kind, (counts.get(kind) ?? 0) + 1));
  }

  /** Undefined if nothing has ever come from there. */
  of(identifier: string): Readonly<Record<string, number>> | undefined {
    const counts = this.#counts.get(identifier);
    return counts && Object.fromEntries(counts);
  }
}

/** A stanza's kind: its tag and what tells it from others of its tag. */
export function kindOf(received: Stanza): string {
  const { tag } = received;
  switch (tag) {
    case 'receipt':
      return `receipt:${attribute(received, 'type') ?? 'delivered'}`;
    case 'presence':
      return `presence:${attribute(received, 'type') ?? 'name'}`;
    case 'ack':
      return `ack:${attribute(received, 'class') ?? ''}`;
    case 'iq':
      return `iq:${attribute(received, 'xmlns') ?? attribute(received, 'type') ?? ''}`;
    case 'chatstate':
    case 'call':
      return `${tag}:${children(received)[0]?.tag ?? ''}`;
    default:
      return tag;
  }
}
