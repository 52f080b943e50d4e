// A phone's calls: that somebody rings, and how it ends. Nobody talks, and nothing of it outlives the process.
import { randomBytes } from 'node:crypto';
import type { Clock } from '../model/clock.ts';
import type { LidJid } from '../model/jid.ts';
import { attribute, child, children, type Stanza, stanza } from '../whatsapp/binary/index.ts';
import { Changes } from './changes.ts';

export const callStates = ['ringing', 'accepted', 'rejected', 'ended'] as const;
export type CallState = (typeof callStates)[number];

export interface PhoneCall {
  readonly seq: number;
  readonly id: string;
  readonly peer: LidJid;
  /** Phone number or Matrix ID. */
  readonly peerName: string;
  readonly direction: 'in' | 'out';
  readonly video: boolean;
  /** Milliseconds since the Unix epoch. */
  readonly timestamp: number;
  state: CallState;
}

const states = new Map<string, CallState>([
  ['accept', 'accepted'],
  ['reject', 'rejected'],
  ['terminate', 'ended'],
]);

export class PhoneCalls {
  readonly changes = new Changes();
  readonly #clock: Clock;
  readonly #own: LidJid;
  readonly #calls = new Map<string, PhoneCall>();

  constructor(clock: Clock, own: LidJid) {
    this.#clock = clock;
    this.#own = own;
  }

  get(id: string): PhoneCall | undefined {
    return this.#calls.get(id);
  }

  after(seq: number): PhoneCall[] {
    return [...this.#calls.values()].filter((call) => call.seq > seq);
  }

  /** Returns the new call and the stanza that makes the other side ring. */
  begin(peer: LidJid, peerName: string, video: boolean): { readonly call: PhoneCall; readonly offer: Stanza } {
    const id = randomBytes(16).toString('hex').toUpperCase();
    const call = this.#add({ id, peer, peerName, direction: 'out', video });
    const media = [
      stanza('audio', { enc: 'opus', rate: 16_000 }),
      ...(video ? [stanza('video', { enc: 'h.264' })] : []),
    ];
    return { call, offer: this.#stanza(call, 'offer', media) };
  }

  /** Hangs up, or declines what somebody else began. Returns what to send. */
  end(call: PhoneCall): Stanza {
    const declined = call.direction === 'in' && call.state === 'ringing';
    this.#become(call, declined ? 'rejected' : 'ended');
    return this.#stanza(call, declined ? 'reject' : 'terminate', []);
  }

  take(received: Stanza, peer: LidJid, peerName: string): void {
    const [event] = children(received);
    const id = event && attribute(event, 'call-id');
    if (!event || id === undefined) return;
    const known = this.#calls.get(id);
    const state = states.get(event.tag);
    if (known && state) this.#become(known, state);
    if (known || event.tag !== 'offer') return;
    this.#add({ id, peer, peerName, direction: 'in', video: child(event, 'video') !== undefined });
    this.changes.changed();
  }

  #add(call: Omit<PhoneCall, 'seq' | 'timestamp' | 'state'>): PhoneCall {
    const added: PhoneCall = { ...call, seq: this.#calls.size + 1, timestamp: this.#clock.now(), state: 'ringing' };
    this.#calls.set(call.id, added);
    return added;
  }

  /** What has ended stays as it ended. */
  #become(call: PhoneCall, state: CallState): void {
    if (call.state !== 'ringing' && call.state !== 'accepted') return;
    call.state = state;
    this.changes.changed();
  }

  #stanza({ id, peer, direction }: PhoneCall, event: string, content: Stanza[]): Stanza {
    const creator = direction === 'out' ? this.#own : peer;
    const attrs = { 'call-id': id, 'call-creator': creator };
    return stanza('call', { to: peer, id: randomBytes(8).toString('hex').toUpperCase() }, [
      stanza(event, attrs, content),
    ]);
  }
}
