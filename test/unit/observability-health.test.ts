// What a supervisor sees: alive at once, ready only when every check holds, and metrics without anybody's identifiers.
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { healthRouter } from '../../src/observability/health.ts';
import { countMessage, createMetrics, moveConnection } from '../../src/observability/metrics.ts';

const state = { database: true, homeserver: false };
const metrics = createMetrics({ processMetrics: true });
const app = express().use(
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
    countMessage(metrics, 'inbound', 'delivered', 120);
    moveConnection(metrics, undefined, 'connecting');
    moveConnection(metrics, 'connecting', 'online');
    const response = await get('/metrics');
    const text = await response.text();
    expect(response.headers.get('content-type')).toContain('version=0.0.4');
    expect(text).toContain('maw_messages_total{direction="inbound",outcome="delivered"} 1');
    expect(text).toContain('maw_message_seconds_bucket{le="0.25",direction="inbound"} 1');
    expect(text).toContain('maw_connections{state="online"} 1');
    expect(text).toContain('maw_connections{state="connecting"} 0');
    expect(text).toContain('process_cpu_seconds_total');
  });
});
