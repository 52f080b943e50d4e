// The enlistment client against a small HTTP server that answers what a test tells it.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { UserId } from '../../src/model/ids.ts';
import type { EnlistmentApi } from '../../src/model/interop.ts';
import { interopJid } from '../../src/model/jid.ts';
import { createEnlistmentApi } from '../../src/whatsapp/enlistment.ts';
import { NetworkTime } from '../../src/whatsapp/network-time.ts';
import { ManualClock } from '../support/manual-clock.ts';

let server: Server;
let url: string;
let api: EnlistmentApi;
let seen: { method: string; path: string; authorization: string; body: string };
let respond: (response: ServerResponse) => void;

beforeEach(async () => {
  server = createServer(async (request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const { method = '', url: path = '', headers } = request;
    seen = { method, path, authorization: headers.authorization ?? '', body: Buffer.concat(chunks).toString() };
    respond(response);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/enlistment`;
  api = createEnlistmentApi({ url, timeoutMs: 5_000 });
});

afterEach(() => {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(resolve));
});

const json =
  (status: number, body: unknown, headers = {}) =>
  (response: ServerResponse): void => {
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  };
const user = '@u/1:x.org' as UserId;
const key = (fill: number) => new Uint8Array(32).fill(fill);
const keys = {
  registrationId: 77,
  identityKey: key(1),
  signedPreKey: { id: 1, publicKey: key(2), signature: new Uint8Array(64).fill(3) },
  preKeys: [{ id: 1, publicKey: key(4) }],
};
const enlist = () => api.enlist({ user, displayName: 'U', token: 'the.jwt', keys });

test('opt in sends the keys under the token, and returns the account', async () => {
  respond = json(200, { accountId: '18446744073709551615', integrator: 9, more: true });
  expect(await enlist()).toEqual({
    interopAccountId: '18446744073709551615',
    jid: interopJid(9, '18446744073709551615'),
  });
  expect(seen).toMatchObject({ method: 'POST', path: '/enlistment', authorization: 'Bearer the.jwt' });
  const base64 = (bytes: Uint8Array) => Buffer.from(bytes).toString('base64');
  expect(JSON.parse(seen.body)).toEqual({
    identifier: user,
    displayName: 'U',
    registrationId: 77,
    identityKey: base64(key(1)),
    signedPreKey: { id: 1, publicKey: base64(key(2)), signature: base64(new Uint8Array(64).fill(3)) },
    preKeys: [{ id: 1, publicKey: base64(key(4)) }],
  });
});

test('opt out names the user; an unknown one is as good as gone', async () => {
  for (const status of [204, 404]) {
    respond = (response) => response.writeHead(status).end();
    await api.withdraw({ user, interopAccountId: '1', token: 'the.jwt' });
    expect(seen).toMatchObject({
      method: 'DELETE',
      path: `/enlistment/${encodeURIComponent(user)}`,
      authorization: 'Bearer the.jwt',
    });
  }
});

test.each<[number, object, object]>([
  [400, {}, { code: 'enlistment.refused', retry: 'never', userText: expect.any(String) }],
  [403, {}, { code: 'enlistment.refused', retry: 'never' }],
  [401, {}, { code: 'enlistment.token-refused', retry: 'later' }],
  [500, {}, { code: 'enlistment.unavailable', retry: 'later', retryAfterMs: undefined }],
  [503, { 'retry-after': '7' }, { code: 'enlistment.unavailable', retry: 'later', retryAfterMs: 7000 }],
  [429, { 'retry-after': 'Wed, 21 Oct 2026 07:28:00 GMT' }, { retry: 'later', retryAfterMs: undefined }],
])('status %i', async (status, headers, expected) => {
  respond = json(status, { error: 'some-code', message: 'secret text' }, headers);
  const error: unknown = await enlist().catch((error: unknown) => error);
  expect(error).toMatchObject({ ...expected, message: expect.stringContaining('some-code') });
  expect(String(error)).not.toContain('secret');
  await expect(api.withdraw({ user, interopAccountId: undefined, token: 't' })).rejects.toMatchObject({
    retry: (expected as { retry: string }).retry,
  });
});

test.each<[string, (response: ServerResponse) => void]>([
  ['no JSON', (response) => response.end('<html>')],
  ['another shape', json(200, { accountId: 5, integrator: 1 })],
  ['a number beyond 64 bits', json(200, { accountId: '18446744073709551616', integrator: 1 })],
  ['an integrator beyond 16 bits', json(200, { accountId: '5', integrator: 65536 })],
  ['far too much', json(200, { accountId: '5', integrator: 1, padding: 'x'.repeat(1 << 20) })],
])('an answer with %s makes no sense', async (_, answer) => {
  respond = answer;
  await expect(enlist()).rejects.toMatchObject({ code: 'enlistment.malformed', retry: 'later' });
});

test('silence, a redirect and a refused connection are tried later', async () => {
  api = createEnlistmentApi({ url, timeoutMs: 50 });
  const unreachable = { code: 'enlistment.unreachable', retry: 'later' };
  respond = () => {};
  await expect(enlist()).rejects.toMatchObject(unreachable);
  respond = (response) => response.writeHead(307, { location: 'http://127.0.0.1:9/' }).end();
  await expect(enlist()).rejects.toMatchObject(unreachable);
  api = createEnlistmentApi({ url: 'http://127.0.0.1:9/enlistment', timeoutMs: 5_000 });
  await expect(enlist()).rejects.toMatchObject(unreachable);
});

test('the time is that of the last answer; a refused token that shows none leaves us with our own', async () => {
  const clock = new ManualClock(1_000_000_000_000);
  const time = new NetworkTime(clock);
  api = createEnlistmentApi({ url, timeoutMs: 5_000, time });
  respond = json(503, {}, { date: 'Sat, 24 Oct 2026 12:00:00 GMT' });
  await expect(enlist()).rejects.toMatchObject({ code: 'enlistment.unavailable' });
  const shown = Date.parse('2026-10-24T12:00:00Z');
  expect(time.now()).toBe(shown);
  for (const [status, expected] of [
    [503, shown],
    [401, clock.now()],
  ] as const) {
    respond = (response) => {
      response.sendDate = false;
      json(status, {})(response);
    };
    await expect(enlist()).rejects.toBeDefined();
    expect(time.now()).toBe(expected);
  }
});
