// A homeserver that is away is asked by one, now and then; everybody else waits, and goes on when it is back.
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { ClientApi } from '../../src/matrix/client-api.ts';
import { request } from '../../src/matrix/client-request.ts';
import { ManualClock } from '../support/manual-clock.ts';

const answers = {
  fine: (_, response) => response.end('{"user_id":"@bot:example.org"}'),
  gone: (request) => request.socket.destroy(),
  html: (_, response) => response.writeHead(502, { 'content-type': 'text/html' }).end('<html>Bad Gateway</html>'),
  busy: (_, response) => response.writeHead(503, { 'retry-after': '20' }).end('busy'),
  missing: (_, response) => response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found'),
  walled: (_, response) => response.writeHead(403, { 'content-type': 'application/json' }).end('{"error":"blocked"}'),
  unknown: (_, response) => response.writeHead(401).end('{"errcode":"M_UNKNOWN_TOKEN","error":"no"}'),
  broken: (_, response) => response.writeHead(500).end('{"errcode":"M_UNKNOWN","error":"Internal server error"}'),
  absent: (_, response) => response.writeHead(404).end('{"errcode":"M_NOT_FOUND","error":"nothing"}'),
  // A module of the homeserver may refuse under a code of its own.
  forbidden: (_, response) => response.writeHead(403).end('{"errcode":"ORG.EXAMPLE-NO","error":"no"}'),
  limited: (_, response) =>
    response.writeHead(429, { 'retry-after': '3' }).end('{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}'),
} as const satisfies Record<string, RequestListener>;

const endings: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const end of endings.splice(0)) await end();
});

async function homeserver() {
  const clock = new ManualClock();
  const state = { answer: answers.fine as RequestListener, requests: [] as string[] };
  const server = createServer((request, response) => {
    state.requests.push(request.url ?? '');
    state.answer(request, response);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const homeserverUrl = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const api = new ClientApi({ homeserverUrl, asToken: 'token', clock });
  endings.push(async () => {
    api.gate.stop();
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const ask = (user = 'any') => api.asService(request('GET profile/{user}/displayname', { user }));
  return { api, clock, state, ask };
}

const away = ['gone', 'html', 'busy', 'missing', 'walled', 'unknown'] as const;
test.each(away)('while it is %s, one asks and many wait', async (trouble) => {
  const { api, clock, state, ask } = await homeserver();
  state.answer = answers[trouble];
  await expect(ask()).rejects.toMatchObject({ retry: 'later' });
  expect(api.gate.isOpen).toBe(false);
  state.requests.length = 0;
  const many = Array.from({ length: 500 }, (_, index) => ask(`many-${index}`));
  for (const pause of trouble === 'busy' ? [20_000, 20_000, 20_000] : [500, 1_000, 2_000]) {
    await clock.sleeping(pause);
    clock.advance(pause);
  }
  await clock.sleeping(trouble === 'busy' ? 20_000 : 4_000);
  expect(state.requests).toEqual(Array(3).fill('/_matrix/client/v3/account/whoami'));
  state.answer = answers.fine;
  clock.advance(20_000);
  await Promise.all(many);
  expect(state.requests).toHaveLength(504);
});

test('one request that the homeserver itself fails, refuses or limits is no outage', async () => {
  const { api, state, ask } = await homeserver();
  state.answer = answers.broken;
  await expect(ask()).rejects.toMatchObject({ code: 'matrix.server-error', retry: 'later' });
  state.answer = answers.absent;
  await expect(ask()).rejects.toMatchObject({ code: 'matrix.not-found', retry: 'never' });
  state.answer = answers.forbidden;
  await expect(ask()).rejects.toMatchObject({ code: 'matrix.forbidden', retry: 'never' });
  state.answer = answers.limited;
  await expect(ask()).rejects.toMatchObject({ code: 'matrix.rate-limited', retryAfterMs: 3_000 });
  expect(api.gate.isOpen).toBe(true);
});

test('a proxy that lets one question through and nothing else is asked less and less', async () => {
  const { clock, state, ask } = await homeserver();
  state.answer = (request, response) => answers[request.url?.includes('whoami') ? 'fine' : 'html'](request, response);
  for (const pause of [500, 1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]) {
    await expect(ask()).rejects.toMatchObject({ code: 'matrix.no-homeserver' });
    await clock.sleeping(pause);
    clock.advance(pause);
  }
});

test('nobody waits any longer once it is stopped', async () => {
  const { api, state, ask } = await homeserver();
  state.answer = answers.gone;
  await expect(ask()).rejects.toMatchObject({ code: 'matrix.unreachable' });
  const waiting = expect(ask()).rejects.toMatchObject({ code: 'matrix.unreachable', retry: 'later' });
  api.gate.stop();
  await waiting;
});
