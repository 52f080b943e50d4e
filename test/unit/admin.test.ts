// The administrator's endpoints: the queue of a running bridge in the hands of whoever has the master key, and of nobody else.
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { remoteQueue, remoteReport, remoteUserData } from '../../src/admin/client.ts';
import { adminRouter } from '../../src/admin/router.ts';
import { adminToken } from '../../src/admin/token.ts';
import { beginErasure } from '../../src/bridge/erasures.ts';
import { queueAdmin } from '../../src/bridge/queue-admin.ts';
import { userDataAdmin } from '../../src/bridge/user-data-admin.ts';
import type { PortalId, UserId } from '../../src/model/ids.ts';
import type { QueueItemId } from '../../src/model/queue.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { installationReport } from '../../src/store/report.ts';
import { aChat, masterKey, openTestStore, outgoing, present } from '../support/store.ts';

let server: Server;
let url: string;
let store: OpenStore;
let parked: QueueItemId;
let portal: PortalId;
let user: UserId;
const woken: PortalId[] = [];

beforeEach(async () => {
  woken.length = 0;
  store = await openTestStore();
  const chat = await aChat(store);
  portal = chat.portal.id;
  user = chat.account.user;
  const row = outgoing(chat.portal, Buffer.from('what was written'));
  await store.commit([{ change: 'outbox.add', row }]);
  const { id } = present(await store.outbox.next(portal));
  parked = { journal: 'outbox', id };
  await store.commit([{ change: 'outbox.state', id, state: { at: 'parked', code: 'network.463' } }]);
  const queue = queueAdmin(store, (woke) => woken.push(woke));
  const userData = userDataAdmin(store, { now: () => 0 }, (user) => beginErasure(store, user));
  server = createServer(
    express().use(adminRouter(queue, userData, () => installationReport(store, true), adminToken(masterKey))),
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterEach(() => server.close());

it('lists, shows and tries again, and wakes the chat', async () => {
  const queue = remoteQueue(url, adminToken(masterKey));
  const [item] = await queue.list({ which: 'parked', limit: 10 });
  expect(item).toMatchObject({ item: parked, code: 'network.463', portal });
  expect(await queue.find(parked)).toEqual(item);
  await queue.retry(parked);
  expect(woken).toEqual([portal]);
  expect((await store.outbox.next(portal))?.state).toEqual({ at: 'ready' });
  await expect(queue.retry(parked)).rejects.toMatchObject({ code: 'store.gone' });
});

it('gives up', async () => {
  await remoteQueue(url, adminToken(masterKey)).drop(parked);
  expect(await store.counts.parked()).toBe(0);
});

it.each(['', 'Bearer ', 'Bearer x', `Bearer ${adminToken(new Uint8Array(32))}`])(
  'refuses %j',
  async (authorization) => {
    for (const [method, path] of [
      ['GET', ''],
      ['POST', `/out-${parked.id}/retry`],
      ['DELETE', `/out-${parked.id}`],
    ] as const) {
      const response = await fetch(`${url}/admin/queue${path}`, { method, headers: { authorization } });
      expect(response.status).toBe(401);
    }
    expect(await store.counts.parked()).toBe(1);
  },
);

it('says so where nobody answers', async () => {
  const closed = remoteQueue('http://127.0.0.1:9', adminToken(masterKey));
  await expect(closed.list({ which: 'all', limit: 1 })).rejects.toMatchObject({ code: 'admin.unreachable' });
});

it('exports what is held about a user, and begins their erasure', async () => {
  const userData = remoteUserData(url, adminToken(masterKey));
  expect(await userData.export(user)).toMatchObject({
    user,
    accounts: [{ chats: [{ id: portal }], messages: [{ direction: 'to-contact', code: 'network.463' }] }],
  });
  expect(JSON.stringify(await userData.export(user))).not.toContain('what was written');
  expect(await userData.plan(user)).toMatchObject({ accounts: ['whatsapp'], ghosts: [] });
  expect(await userData.isErasing(user)).toBe(false);
  await userData.erase(user);
  expect(await userData.isErasing(user)).toBe(true);
});

it('reports on the installation, without anybody’s name', async () => {
  const report = await remoteReport(url, adminToken(masterKey));
  expect(report).toMatchObject({ integrity: [], parked: 1, keyCounts: true });
  expect(report.consent).toEqual({ records: 0, damaged: [], headIntact: true });
  await expect(remoteReport(url, 'another')).rejects.toMatchObject({ code: 'admin.refused' });
});
