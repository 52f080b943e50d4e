// What a supervisor sees: alive at once, ready only when every check holds, and metrics without anybody's identifiers.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { healthRouter } from '../../src/observability/health.ts';
import { createMetrics } from '../../src/observability/metrics.ts';

const state = { database: true, homeserver: false };
const metrics = createMetrics({
  processMetrics: true,
  gauges: { inboxWaiting: async () => 3, connections: () => ({ online: 2, offline: 1 }) },
});
const app = express().use(
  metrics.measureTransactions,
  healthRouter({
    metrics,
    checks: {
      database: () => state.database,
      homeserver: async () => {
        if (!state.homeserver) throw new Error('no answer');
        return true;
      },
    },
  }),
);
const server = createServer(app);
const get = (path: string) => fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => void server.close());

describe('health', () => {
  it('is live while it is not ready, and names what is missing', async () => {
    expect((await get('/health/live')).status).toBe(200);
    const notReady = await get('/health/ready');
    expect(notReady.status).toBe(503);
    expect(await notReady.json()).toEqual({ ready: false, missing: ['homeserver'] });
    state.homeserver = true;
    expect((await get('/health/ready')).status).toBe(200);
  });

  it('serves the counts in the Prometheus format', async () => {
    metrics.counters.delivered('to-matrix', 'delivered');
    metrics.counters.delivered('to-matrix', '+4915112345678');
    metrics.counters.retry('asked');
    const transaction = `http://127.0.0.1:${(server.address() as AddressInfo).port}/_matrix/app/v1/transactions/1`;
    await fetch(transaction, { method: 'PUT', body: 'x'.repeat(2000) });
    const response = await get('/metrics');
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    expect(text).toContain('maw_messages_total{direction="to-matrix",outcome="delivered"} 1');
    expect(text).toContain('maw_messages_total{direction="to-matrix",outcome="other"} 1');
    expect(text).toContain('maw_retries_total{direction="asked"} 1');
    expect(text).toContain('maw_inbox_waiting 3');
    expect(text).toContain('maw_connections{state="online"} 2');
    expect(text).not.toContain('maw_ghosts');
    expect(text).toContain('maw_transaction_bytes_sum 2000');
    expect(text).toContain('maw_transaction_seconds_count{answer="refused"} 1');
    expect(text).toContain('process_cpu_seconds_total');
  });
});
