// Who types to a phone, as its chats show it. Nothing of it outlives the process.
import type { Clock } from '../model/clock.ts';
import { attribute, child, type Stanza } from '../whatsapp/binary/index.ts';
import { Changes } from './changes.ts';

export const typingStates = ['composing', 'recording', 'paused'] as const;
export type TypingState = (typeof typingStates)[number];

export interface SeenTyping {
  readonly seq: number;
  /** Phone number or Matrix ID. */
  readonly from: string;
  readonly state: TypingState;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
}

const KEPT = 1_000;

export class PhoneTyping {
  readonly changes = new Changes();
  readonly #clock: Clock;
  readonly #seen: SeenTyping[] = [];
  #last = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  take(chatstate: Stanza, from: string): void {
    const composing = child(chatstate, 'composing');
    const state = composing ? (attribute(composing, 'media') === 'audio' ? 'recording' : 'composing') : 'paused';
    this.#last += 1;
    this.#seen.push({ seq: this.#last, from, state, timestamp: this.#clock.now() });
    if (this.#seen.length > KEPT) this.#seen.shift();
    this.changes.changed();
  }

  after(seq: number, from: string | undefined): SeenTyping[] {
    return this.#seen.filter((one) => one.seq > seq && (from === undefined || one.from === from));
  }
}
