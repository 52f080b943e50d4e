// Times and bounds of the client. The defaults fit the real network; tests and demos set others.
import { haste } from '../observability/fail-points.ts';

export interface ClientTuning {
  /** Pause between keep-alive pings, in milliseconds. */
  readonly keepAliveMs: number;
  /** How long the answer to a ping may take. */
  readonly keepAliveDeadlineMs: number;
  /** For connecting and the handshake. */
  readonly connectTimeoutMs: number;
  /** From the handshake to the network's yes or no. */
  readonly loginTimeoutMs: number;
  /** How long the network may take to answer a request or to acknowledge a stanza. */
  readonly answerTimeoutMs: number;
  /** First and longest pause before a new attempt. */
  readonly backOffBaseMs: number;
  readonly backOffCapMs: number;
  /** A connection that lasted this long starts the back-off anew. */
  readonly stableAfterMs: number;
  /** Stanzas in hand at once; beyond that nothing is read. */
  readonly maxInFlight: number;
  /** After a stanza could not be handled: when to connect anew, so that the network sends it again; twice as long each time that it fails again. */
  readonly redeliverAfterMs: number;
  /** How often a stanza is tried before it is refused in sight. */
  readonly handlingTries: number;
  /** Another connection has taken over: first and longest pause before it is taken back. */
  readonly replacedBaseMs: number;
  readonly replacedCapMs: number;
  /** With fewer one-time pre-keys at the network, more are wanted. */
  readonly minPreKeys: number;
  readonly enlistmentTimeoutMs: number;
}

export const DEFAULT_TUNING: ClientTuning = {
  keepAliveMs: 25_000,
  keepAliveDeadlineMs: 10_000,
  connectTimeoutMs: 20_000,
  loginTimeoutMs: 30_000,
  answerTimeoutMs: 60_000,
  backOffBaseMs: 1_000,
  backOffCapMs: 5 * 60_000,
  stableAfterMs: 60_000,
  maxInFlight: 64,
  redeliverAfterMs: 10_000,
  handlingTries: 6,
  replacedBaseMs: 60_000,
  replacedCapMs: 60 * 60_000,
  minPreKeys: 20,
  enlistmentTimeoutMs: 20_000,
};

/** Waits for an answer; in haste, too, somebody has to have the time to give it. */
const LIMITS: readonly string[] = [
  'keepAliveDeadlineMs',
  'connectTimeoutMs',
  'loginTimeoutMs',
  'answerTimeoutMs',
  'enlistmentTimeoutMs',
];
const SHORTEST_LIMIT_MS = 1_000;

/** The defaults, where `MATRIX_WHATSAPP_HASTE` is set with shorter times. */
export function tuningInHaste(factor = haste): ClientTuning {
  const shorter = Object.entries(DEFAULT_TUNING).map(([name, value]) => {
    if (!name.endsWith('Ms')) return [name, value];
    return [name, LIMITS.includes(name) ? Math.max(value / factor, SHORTEST_LIMIT_MS) : value / factor];
  });
  return { ...DEFAULT_TUNING, ...Object.fromEntries(shorter) };
}
