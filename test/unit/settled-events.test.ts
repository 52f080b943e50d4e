// What an event led to, and its end, are one commit; where that meets what is there already, the event tells which of the two it is. The store is real.
import { beforeEach, expect, test } from 'vitest';
import { settle } from '../../src/bridge/matrix-events.ts';
import type { EventId, RoomId, UserId } from '../../src/model/ids.ts';
import type { StoredEvent } from '../../src/model/journal.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, openTestStore, outgoing, present } from '../support/store.ts';

const room = '!room' as RoomId;
let store: OpenStore;
let stored: StoredEvent;

beforeEach(async () => {
  store = await openTestStore();
  const pushed = {
    event_id: '$event' as EventId,
    room_id: room,
    sender: '@a:example.org' as UserId,
    type: 'm.room.message',
    content: {},
    origin_server_ts: 1,
  };
  await store.commit([{ change: 'transaction.store', transaction: { id: 't', body: {}, events: [pushed] } }]);
  stored = present(await store.events.next(room));
});

test('a message that is stored already is not stored twice, and its event is done', async () => {
  const { portal } = await aChat(store);
  const row = { ...outgoing(portal, Uint8Array.of(1)), event: stored.event.event_id };
  await store.commit([{ change: 'outbox.add', row }]);
  await settle(store, stored, [{ change: 'outbox.add', row }]);
  expect(await store.events.next(room)).toBeUndefined();
  expect(await store.outbox.waiting(portal.id)).toBe(1);
});

test('a command that meets what another step has made at that moment is carried out anew', async () => {
  const { contact } = await aChat(store);
  const ghost = present(await store.contacts.ghost(contact.id));
  const again = settle(store, stored, [{ change: 'contact.create', contact, ghost }]);
  await expect(again).rejects.toMatchObject({ code: 'store.changed', retry: 'later' });
  expect(await store.events.next(room)).toMatchObject({ event: { event_id: '$event' } });
});
