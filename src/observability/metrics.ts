// The bridge's numbers for Prometheus. Labels take only the fixed words listed here: no number, Matrix ID or room id can become one.
import type { RequestHandler } from 'express';
import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { Disclosed } from '../model/budget/recipients.ts';
import { type HeldLimit, heldLimits, type LimitName, type LimitScope } from '../model/limit.ts';

const outcomes = ['delivered', 'retried', 'notice', 'refused', 'failed', 'requested', 'withheld'] as const;
const fileOutcomes = ['carried', 'gone', 'corrupt', 'too-large', 'unavailable', 'host-full'] as const;
const states = ['online', 'offline'] as const;
type ReadNow = () => number | Promise<number>;

export interface MetricsOptions {
  /** CPU, memory and event loop of the process, too. */
  readonly processMetrics?: boolean;
  /** Read when metrics are asked for; what is not given is not shown. */
  readonly gauges?: {
    /** Messages that Matrix has not accepted yet. */
    readonly inboxWaiting?: ReadNow;
    /** Messages that the network has not acknowledged yet. */
    readonly outboxWaiting?: ReadNow;
    /** Messages of both directions that were given up for now. */
    readonly parked?: ReadNow;
    /** Chats in which something waits for a decision of the user's. */
    readonly heldChats?: ReadNow;
    /** Ghosts that have a device and an identity. */
    readonly ghosts?: ReadNow;
    /** Bytes of the files that wait for the network to fetch them. */
    readonly hostedBytes?: ReadNow;
    /** Chats that wait for a limit, by the limit. */
    readonly limitedChats?: () => Readonly<Record<HeldLimit, number>>;
    readonly connections?: () => Readonly<Record<(typeof states)[number], number>>;
  };
}

export interface Metrics {
  readonly registry: Registry;
  /** Fits the domain's counters. */
  readonly counters: {
    delivered(direction: 'to-matrix' | 'to-whatsapp', outcome: string): void;
    retry(direction: 'asked' | 'answered' | 'refused'): void;
    file(direction: 'to-matrix' | 'to-whatsapp', outcome: string): void;
    limited(limit: LimitName, scope: LimitScope): void;
  };
  readonly disclosed: Disclosed;
  /** Measures what the homeserver pushes; to be mounted before its endpoint. */
  readonly measureTransactions: RequestHandler;
}

/** Makes a registry of its own, so that several bridges can live in one process. */
export function createMetrics({ processMetrics, gauges = {} }: MetricsOptions = {}): Metrics {
  const registry = new Registry();
  const registers = [registry];
  if (processMetrics) collectDefaultMetrics({ register: registry });

  const messages = new Counter({
    name: 'maw_messages_total',
    help: 'Messages finished, by direction and outcome',
    labelNames: ['direction', 'outcome'],
    registers,
  });
  const retries = new Counter({
    name: 'maw_retries_total',
    help: 'Retry receipts: asked of contacts, answered for them, or refused',
    labelNames: ['direction'],
    registers,
  });
  const files = new Counter({
    name: 'maw_files_total',
    help: 'Files carried over or given up, by direction and outcome',
    labelNames: ['direction', 'outcome'],
    registers,
  });
  const limited = new Counter({
    name: 'maw_limited_total',
    help: 'How often a limit of the configuration (limits) made something wait, by limit and whose it was',
    labelNames: ['limit', 'scope'],
    registers,
  });
  const metadataBytes = new Counter({
    name: 'maw_metadata_bytes_total',
    help: 'Bytes of metadata sent, by who gets to see them (docs/privacy.md); divide by maw_messages_total',
    labelNames: ['recipient'],
    registers,
  });
  const transactionBytes = new Histogram({
    name: 'maw_transaction_bytes',
    help: 'Size of the transactions that the homeserver pushes',
    buckets: [1, 4, 16, 64, 256, 1024, 4096, 16_384].map((kibibytes) => kibibytes * 1024),
    registers,
  });
  const transactionSeconds = new Histogram({
    name: 'maw_transaction_seconds',
    help: 'Time until a transaction is stored and answered',
    labelNames: ['answer'],
    buckets: [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 30],
    registers,
  });

  const gauge = (name: string, help: string, read: ReadNow | undefined): void => {
    if (!read) return;
    new Gauge({
      name,
      help,
      registers,
      async collect() {
        this.set(await read());
      },
    });
  };
  gauge('maw_inbox_waiting', 'Messages that Matrix has not accepted yet', gauges.inboxWaiting);
  gauge('maw_outbox_waiting', 'Messages that the network has not acknowledged yet', gauges.outboxWaiting);
  gauge('maw_parked', 'Messages that could not be carried and wait for the administrator', gauges.parked);
  gauge(
    'maw_held_chats',
    'Chats that wait for a decision of the user: about a key, or somebody else in the room',
    gauges.heldChats,
  );
  gauge('maw_ghosts', 'Ghosts that have a device and an identity', gauges.ghosts);
  gauge('maw_hosted_bytes', 'Bytes of the files that we host for the network', gauges.hostedBytes);
  const { limitedChats } = gauges;
  if (limitedChats) {
    new Gauge({
      name: 'maw_limited_chats',
      help: 'Chats that wait for a limit now, by limit',
      labelNames: ['limit'],
      registers,
      collect() {
        const now = limitedChats();
        for (const limit of heldLimits) this.set({ limit }, now[limit]);
      },
    });
  }
  const { connections } = gauges;
  if (connections) {
    new Gauge({
      name: 'maw_connections',
      help: 'Connections to the network, by state',
      labelNames: ['state'],
      registers,
      collect() {
        const now = connections();
        for (const state of states) this.set({ state }, now[state]);
      },
    });
  }

  return {
    registry,
    disclosed: (recipient, bytes) => metadataBytes.inc({ recipient }, bytes),
    counters: {
      delivered: (direction, outcome) =>
        messages.inc({ direction, outcome: outcomes.find((known) => known === outcome) ?? 'other' }),
      retry: (direction) => retries.inc({ direction }),
      limited: (limit, scope) => limited.inc({ limit, scope }),
      file: (direction, outcome) =>
        files.inc({ direction, outcome: fileOutcomes.find((known) => outcome.endsWith(known)) ?? 'other' }),
    },
    measureTransactions: (request, response, next) => {
      if (request.method === 'PUT' && request.path.includes('/transactions/')) {
        const startedAt = performance.now();
        const bytes = Number(request.get('content-length'));
        if (Number.isFinite(bytes)) transactionBytes.observe(bytes);
        response.once('finish', () => {
          const answer = response.statusCode === 200 ? 'ok' : 'refused';
          transactionSeconds.observe({ answer }, (performance.now() - startedAt) / 1000);
        });
      }
      next();
    },
  };
}
