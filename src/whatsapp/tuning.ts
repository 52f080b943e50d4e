// Times and bounds of the client. The defaults fit the real network; tests and demos set others.

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
  /** After a stanza could not be handled: when to connect anew, so that the network sends it again. */
  readonly redeliverAfterMs: number;
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
  redeliverAfterMs: 60_000,
  minPreKeys: 20,
  enlistmentTimeoutMs: 20_000,
};
