// The queue as its administrator sees it: what waits, what is parked and why; trying again, giving up.
import { expect, it } from 'vitest';
import { isUntouched } from '../../src/bridge/withdrawals.ts';
import type { EventId } from '../../src/model/ids.ts';
import { formatQueueItemId, parseQueueItemId, type QueueItem } from '../../src/model/queue.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, message, openTestStore, outgoing, present } from '../support/store.ts';

const payload = Buffer.from('what was written');

async function parkedBothWays(store: OpenStore) {
  const { portal } = await aChat(store);
  const incoming = message(portal, payload);
  const sent = outgoing(portal, payload);
  await store.commit([
    { change: 'inbox.add', row: incoming },
    { change: 'outbox.add', row: sent },
  ]);
  const inbox = present(await store.inbox.next(portal.id));
  const outbox = present(await store.outbox.next(portal.id));
  const body = { kind: 'message', payload } as const;
  const parked = { at: 'parked', code: 'media.gone', notice: '$n' as EventId, body } as const;
  await store.commit([
    { change: 'inbox.state', id: inbox.id, state: parked },
    { change: 'outbox.state', id: outbox.id, state: { at: 'parked', code: 'network.463' } },
  ]);
  return { portal, inbox, outbox };
}

it('holds up nothing, and says what it is without what is in it', async () => {
  const store = await openTestStore();
  const { portal, inbox, outbox } = await parkedBothWays(store);
  expect(await store.inbox.next(portal.id)).toBeUndefined();
  expect(await store.outbox.next(portal.id)).toBeUndefined();
  expect(await store.queue.list({ which: 'waiting', limit: 10 })).toEqual([]);
  const listed = await store.queue.list({ which: 'parked', limit: 10 });
  expect(listed.map(({ item, code, event }: QueueItem) => [formatQueueItemId(item), code, event])).toEqual(
    expect.arrayContaining([
      [`in-${inbox.id}`, 'media.gone', '$n'],
      [`out-${outbox.id}`, 'network.463', outbox.event],
    ]),
  );
  expect(JSON.stringify(listed)).not.toContain('what was written');
  expect(await store.counts.parked()).toBe(2);
});

it('is tried again in its old place, with what was in it', async () => {
  const store = await openTestStore();
  const { portal, inbox, outbox } = await parkedBothWays(store);
  await store.commit([
    { change: 'queue.retry', item: { journal: 'inbox', id: inbox.id } },
    { change: 'queue.retry', item: { journal: 'outbox', id: outbox.id } },
  ]);
  const body = { kind: 'message', payload };
  expect((await store.inbox.next(portal.id))?.state).toEqual({ at: 'received', body });
  expect(await store.outbox.next(portal.id)).toMatchObject({ state: { at: 'ready' }, payload });
  expect(await store.counts.parked()).toBe(0);
});

it('that may have gone out is not taken back without a trace when it is tried again', async () => {
  const store = await openTestStore();
  const { outbox } = await parkedBothWays(store);
  const encrypted = { at: 'encrypted', stanza: Buffer.from([1]) } as const;
  const item = { journal: 'outbox', id: outbox.id } as const;
  const isTrackless = async () => isUntouched(present(await store.outbox.progress(outbox.id)));
  await store.commit([{ change: 'queue.retry', item }]);
  expect(await isTrackless()).toBe(true);
  await store.commit([{ change: 'outbox.state', id: outbox.id, state: encrypted, waitingFor: [0] }]);
  await store.commit([{ change: 'outbox.state', id: outbox.id, state: { at: 'parked', code: 'waited-too-long' } }]);
  await store.commit([{ change: 'queue.retry', item }]);
  expect(await isTrackless()).toBe(false);
});

it('is erased when it is given up, and cannot be tried again then', async () => {
  const store = await openTestStore();
  const { inbox, outbox } = await parkedBothWays(store);
  for (const item of [
    { journal: 'inbox', id: inbox.id },
    { journal: 'outbox', id: outbox.id },
  ] as const) {
    await store.commit([{ change: 'queue.drop', item }]);
    expect(await store.queue.find(item)).toMatchObject({ state: 'done' });
    await expect(store.commit([{ change: 'queue.retry', item }])).rejects.toMatchObject({ code: 'store.gone' });
  }
  expect(await store.outbox.byMessageId(outbox.account, outbox.portal, outbox.messageId)).toMatchObject({
    kept: false,
  });
});

it('names what could never be read, of which nothing is kept, until it comes after all', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const { body, ...place } = message(portal, payload);
  await store.commit([{ change: 'inbox.await', row: { ...place, since: 1 } }]);
  for (const code of ['unanswered', 'undecryptable']) {
    await store.commit([{ change: 'inbox.park-missing', row: place, code }]);
  }
  const [listed] = await store.queue.list({ which: 'parked', limit: 10 });
  expect(listed).toMatchObject({ code: 'unanswered', messageId: place.messageId });
  const { id: row, state } = present(await store.inbox.find(portal.id, place.messageId));
  expect(state).toMatchObject({ at: 'parked', body: undefined });
  const item = { journal: 'inbox', id: row } as const;
  await expect(store.commit([{ change: 'queue.retry', item }])).rejects.toMatchObject({ code: 'store.gone' });
  await store.commit([
    { change: 'inbox.forget', id: row },
    { change: 'inbox.add', row: { ...place, body } },
  ]);
  // What has come stays as it is.
  await store.commit([{ change: 'inbox.park-missing', row: place, code: 'unanswered' }]);
  expect(await store.inbox.next(portal.id)).toMatchObject({ state: { at: 'received' } });
  expect(await store.counts.parked()).toBe(0);
});

it('has ids that people can write', () => {
  expect(parseQueueItemId('in-12')).toEqual({ journal: 'inbox', id: 12 });
  for (const text of ['in-', 'inbox-1', 'out-1x', '12', 'out-1234567890123456'])
    expect(parseQueueItemId(text)).toBeUndefined();
});
