// Whether the homeserver reaches us: what its answer to that question says.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { ClientApi } from '../../src/matrix/client-api.ts';
import { ClientHomeserver } from '../../src/matrix/homeserver.ts';
import { systemClock } from '../../src/model/clock.ts';

const failed = (error: string) => ({ errcode: 'M_CONNECTION_FAILED', error });
const answer = { status: 200, body: {} as object };
const server = createServer((_, response) => response.writeHead(answer.status).end(JSON.stringify(answer.body)));
let homeserver: ClientHomeserver;
let api: ClientApi;

beforeAll(async () => {
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const homeserverUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  api = new ClientApi({ homeserverUrl, asToken: 'token', clock: systemClock });
  homeserver = new ClientHomeserver({
    api,
    serviceId: 'whatsapp',
    hasKeys: async () => true,
    publishIdentity: async () => undefined,
  });
});
afterAll(() => {
  api.gate.stop();
  server.closeAllConnections();
  server.close();
});

test('one that has reached us while it was about to try by itself is no trouble', async () => {
  Object.assign(answer, { status: 200, body: { duration_ms: 1 } });
  await expect(homeserver.ping()).resolves.toBeUndefined();
  Object.assign(answer, { status: 502, body: failed('AlreadyCalled: Tried to cancel an already-called event.') });
  await expect(homeserver.ping()).resolves.toBeUndefined();
});

test('one that cannot reach us is', async () => {
  Object.assign(answer, { status: 502, body: failed('ConnectionRefusedError: Connection was refused by other side') });
  await expect(homeserver.ping()).rejects.toMatchObject({ code: 'matrix.server-error', retry: 'later' });
});
