// The bridge's numbers for Prometheus. Labels take only the fixed words listed here: no number, Matrix ID or room id can become one.
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';

/** `inbound`: from the network to Matrix. `outbound`: from Matrix to the network. */
export type Direction = 'inbound' | 'outbound';
/** What became of a message: passed on, refused for good, or made again for a retry receipt. */
export type MessageOutcome = 'delivered' | 'failed' | 'duplicate';
export type ConnectionState = 'connecting' | 'online' | 'offline';
/** Who asked for the retry: we (a message we could not decrypt), or a contact's device. */
export type RetrySide = 'asked' | 'answered' | 'refused';
/** Why messages wait for somebody: no device that may read, a changed identity key, a changed Matrix identity. */
export type ParkReason = 'no-device' | 'contact-identity' | 'user-identity';

export type Metrics = ReturnType<typeof createMetrics>;

/** Makes a registry of its own, so that several bridges can live in one process. */
export function createMetrics(options: { readonly processMetrics?: boolean } = {}) {
  const registry = new Registry();
  const registers = [registry];
  if (options.processMetrics) collectDefaultMetrics({ register: registry });
  const bytes = [1, 4, 16, 64, 256, 1024, 4096, 16_384].map((kilobytes) => kilobytes * 1024);
  const seconds = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30];
  return {
    registry,
    messages: new Counter<'direction' | 'outcome'>({
      name: 'maw_messages_total',
      help: 'Messages finished, by direction and outcome',
      labelNames: ['direction', 'outcome'],
      registers,
    }),
    parked: new Counter<'reason'>({
      name: 'maw_parked_total',
      help: 'Times that a portal stopped because somebody has to act first',
      labelNames: ['reason'],
      registers,
    }),
    retries: new Counter<'side'>({
      name: 'maw_retries_total',
      help: 'Retry receipts: asked of contacts, answered for them, or refused',
      labelNames: ['side'],
      registers,
    }),
    inboxWaiting: new Gauge({
      name: 'maw_inbox_waiting',
      help: 'Messages that Matrix has not accepted yet',
      registers,
    }),
    outboxWaiting: new Gauge({
      name: 'maw_outbox_waiting',
      help: 'Messages that the network has not acknowledged yet',
      registers,
    }),
    connections: new Gauge<'state'>({
      name: 'maw_connections',
      help: 'Connections to the network, by state',
      labelNames: ['state'],
      registers,
    }),
    ghosts: new Gauge({ name: 'maw_ghosts', help: 'Ghosts that have a device and an identity', registers }),
    latency: new Histogram<'direction'>({
      name: 'maw_message_seconds',
      help: 'From the journal entry to the acceptance by the other side',
      labelNames: ['direction'],
      buckets: [0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 60, 600],
      registers,
    }),
    transactionBytes: new Histogram({
      name: 'maw_transaction_bytes',
      help: 'Size of the transactions that the homeserver pushes',
      buckets: bytes,
      registers,
    }),
    transactionSeconds: new Histogram({
      name: 'maw_transaction_seconds',
      help: 'Time until a transaction is stored and answered',
      buckets: seconds,
      registers,
    }),
  };
}

/** Counts one finished message and how long it took, in milliseconds where that is known. */
export function countMessage(metrics: Metrics, direction: Direction, outcome: MessageOutcome, ms?: number): void {
  metrics.messages.inc({ direction, outcome });
  if (ms !== undefined && outcome === 'delivered') metrics.latency.observe({ direction }, ms / 1000);
}

export function countRetry(metrics: Metrics, side: RetrySide): void {
  metrics.retries.inc({ side });
}

export function countParked(metrics: Metrics, reason: ParkReason): void {
  metrics.parked.inc({ reason });
}

/** Moves one connection from a state to another. */
export function moveConnection(
  metrics: Metrics,
  from: ConnectionState | undefined,
  to: ConnectionState | undefined,
): void {
  if (from) metrics.connections.dec({ state: from });
  if (to) metrics.connections.inc({ state: to });
}
