// The transaction endpoint over real HTTP: who may push, what is stored, and what the homeserver is answered.
import { Agent, createServer, request as httpRequest, type Server } from 'node:http';
import express from 'express';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { transactionRouter } from '../../src/matrix/transactions.ts';
import type { NewTransaction } from '../../src/model/journal.ts';
import type { Ephemeral } from '../../src/model/matrix.ts';
import type { Logger } from '../../src/observability/logger.ts';

const hsToken = 'the-token-of-the-homeserver';
const warnings: object[] = [];
const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: (fields) => void warnings.push(fields),
  error: () => {},
  child: () => logger,
};
const event = {
  event_id: '$one',
  room_id: '!room:example.org',
  sender: '@walter:example.org',
  type: 'm.room.message',
  content: { body: 'hello' },
  origin_server_ts: 1_700_000_000_000,
};

let server: Server;
let url: string;
let stored: NewTransaction[];
let ephemeral: Ephemeral[];
let store: () => Promise<void>;
let reconnections: number;

beforeEach(async () => {
  stored = [];
  ephemeral = [];
  warnings.length = 0;
  store = async () => {};
  reconnections = 0;
  const sink = {
    store: async (transaction: NewTransaction, pushed: Ephemeral) => {
      await store();
      stored.push(transaction);
      ephemeral.push(pushed);
    },
    reconnected: () => {
      reconnections += 1;
    },
    userExists: async (user: string) => user === '@wa_known:example.org',
  };
  server = createServer(express().use(transactionRouter(sink, { hsToken, logger, bodyLimit: 4096 })));
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}`;
});

afterEach(() => void server.close());

async function call(method: string, path: string, body?: string | object, token: string | null = hsToken) {
  const response = await fetch(url + path, {
    method,
    headers: token === null ? {} : { authorization: `Bearer ${token}` },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  });
  const answer = (await response.json()) as { errcode?: string };
  return { status: response.status, errcode: answer.errcode };
}

const ok = { status: 200, errcode: undefined };
const put = (body: string | object, token?: string | null, id = '7') =>
  call('PUT', `/_matrix/app/v1/transactions/${id}`, body, token);

test('a push over another connection is told before it is stored, one over the same is not', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const push = (id: string) =>
    new Promise<void>((resolve, reject) => {
      const headers = { authorization: `Bearer ${hsToken}` };
      const path = `${url}/_matrix/app/v1/transactions/${id}`;
      const request = httpRequest(path, { method: 'PUT', agent, headers }, (response) => {
        response.resume().on('end', resolve);
      });
      request.on('error', reject).end('{"events":[]}');
    });
  const seen: number[] = [];
  store = async () => void seen.push(reconnections);
  await push('1');
  await push('2');
  agent.destroy();
  await push('3');
  agent.destroy();
  expect(seen).toEqual([1, 1, 2]);
});

test('a transaction is stored whole: its events, and what is pushed only once, apart from the rest', async () => {
  const rest = { 'de.sorunome.msc2409.to_device': [{ type: 'm.room.encrypted' }] };
  const typing = [{ type: 'm.typing', room_id: '!r:x', content: { user_ids: ['@u:x'] } }];
  expect(await put({ events: [{ ...event, unsigned: {}, age: 3 }], ...rest, ephemeral: typing })).toEqual(ok);
  expect(stored).toEqual([{ id: '7', body: rest, events: [event] }]);
  expect(ephemeral).toEqual([{ receipts: [], typing: [{ room: '!r:x', users: ['@u:x'] }] }]);
});

test('200 comes only after the store has it', async () => {
  let finish = () => {};
  let entered = () => {};
  const inside = new Promise<void>((resolve) => {
    entered = resolve;
  });
  store = () => {
    entered();
    return new Promise((resolve) => {
      finish = resolve;
    });
  };
  let answered = false;
  const answer = put({ events: [] }).then((result) => {
    answered = true;
    return result;
  });
  await inside;
  // A whole exchange on another connection later, this one is still unanswered.
  await call('POST', '/_matrix/app/v1/ping', {});
  expect(answered).toBe(false);
  finish();
  expect(await answer).toEqual(ok);
});

test('a store that fails makes the homeserver push again', async () => {
  store = () => Promise.reject(new Error('disk full'));
  expect(await put({ events: [event] })).toEqual({ status: 503, errcode: 'M_UNKNOWN' });
  store = async () => {};
  expect(await put({ events: [event] })).toEqual(ok);
  expect(await put({ events: [event] })).toEqual(ok);
  // The endpoint hands over every push; that a second one is the same transaction is the store's to see, by its id.
  expect(stored.map(({ id }) => id)).toEqual(['7', '7']);
});

test('nobody but the homeserver may push', async () => {
  expect(await put({ events: [event] }, null)).toEqual({ status: 401, errcode: 'M_MISSING_TOKEN' });
  expect(await put({ events: [event] }, 'another')).toEqual({ status: 403, errcode: 'M_FORBIDDEN' });
  expect(await put({ events: [event] }, `${hsToken}x`)).toEqual({ status: 403, errcode: 'M_FORBIDDEN' });
  // The token is looked at before the body is read.
  expect(await put('x'.repeat(10_000), 'another')).toEqual({ status: 403, errcode: 'M_FORBIDDEN' });
  expect(stored).toEqual([]);
});

test('older homeservers name the token in the query and leave out the prefix', async () => {
  expect(await call('PUT', `/transactions/8?access_token=${hsToken}`, { events: [event] }, null)).toEqual(ok);
  expect(await call('PUT', '/transactions/8?access_token=wrong', {}, null)).toMatchObject({ status: 403 });
  expect(stored.map(({ id }) => id)).toEqual(['8']);
});

test('a malformed event is left out and named, the rest of its transaction is stored', async () => {
  const malformed = [
    null,
    'text',
    {},
    { ...event, content: 'text' },
    { ...event, sender: 'nobody' },
    { ...event, origin_server_ts: 'soon' },
    { ...event, state_key: 5 },
  ];
  expect(await put({ events: [...malformed, event] })).toEqual(ok);
  expect(stored[0]?.events).toEqual([event]);
  expect(warnings).toHaveLength(malformed.length);
  expect(warnings[4]).toEqual({ transaction: '7', reason: 'malformed: sender' });
  expect(await put({ events: 'none' })).toEqual(ok);
});

test('what is no transaction at all is refused', async () => {
  expect(await put('{"events":')).toEqual({ status: 400, errcode: 'M_NOT_JSON' });
  expect(await put('[]')).toEqual({ status: 400, errcode: 'M_BAD_JSON' });
  expect(await put({ events: [{ ...event, content: { body: 'x'.repeat(5000) } }] })).toEqual({
    status: 413,
    errcode: 'M_TOO_LARGE',
  });
  expect(stored).toEqual([]);
});

test('the other endpoints of the application service API', async () => {
  expect(await call('POST', '/_matrix/app/v1/ping', { transaction_id: 'x' })).toEqual(ok);
  expect(await call('GET', `/_matrix/app/v1/users/${encodeURIComponent('@wa_known:example.org')}`)).toEqual(ok);
  const unknown = { status: 404, errcode: 'M_NOT_FOUND' };
  expect(await call('GET', `/_matrix/app/v1/users/${encodeURIComponent('@wa_other:example.org')}`)).toEqual(unknown);
  expect(await call('GET', '/_matrix/app/v1/users/nobody')).toEqual(unknown);
  expect(await call('GET', `/_matrix/app/v1/rooms/${encodeURIComponent('#wa_x:example.org')}`)).toEqual(unknown);
  expect(await call('GET', '/_matrix/app/v1/thirdparty/protocol/whatsapp')).toEqual({
    status: 404,
    errcode: 'M_UNRECOGNIZED',
  });
});
