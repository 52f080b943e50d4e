// A user who was erased is found nowhere in the database; everybody else's rows stay.
import { expect, test } from 'vitest';
import { eraseOffline } from '../../src/bridge/erasures.ts';
import { exportUser } from '../../src/bridge/user-export.ts';
import type { Change } from '../../src/model/change.ts';
import type { EventId, RoomId } from '../../src/model/ids.ts';
import { aChat, anAccount, aPlace, openTestStore, outgoing, storedBytes, unique } from '../support/store.ts';

const change = (room: RoomId, event: EventId): Change => ({
  change: 'transaction.store',
  transaction: {
    id: `txn-${unique()}`,
    body: {},
    events: [
      {
        event_id: event,
        room_id: room,
        sender: '@erin:example.org' as never,
        type: 'm.room.message',
        content: {},
        origin_server_ts: 1,
      },
    ],
  },
});

test('nothing of an erased user is left, and all of the others', async () => {
  const place = await aPlace();
  const store = await openTestStore(place);
  const erin = anAccount({ user: '@erin-the-erased:example.org' as never, managementRoom: '!erins-room' as RoomId });
  const { portal, contact } = await aChat(store, { account: erin });
  const other = await aChat(store);
  const erinsSpace = '!erins-space' as RoomId;
  const room = portal.state.at === 'open' ? portal.state.room : ('' as RoomId);
  await store.commit([
    { change: 'user.trust', trust: { state: 'pinned', user: erin.user, masterKey: 'erins-master-key' } },
    { change: 'user.trust', trust: { state: 'pinned', user: other.account.user, masterKey: 'key' } },
    { change: 'pending-command', user: erin.user, command: 'opt-in messenger' },
    { change: 'bot-message.add', room: erin.managementRoom, key: `identity-changed:${erin.user}`, text: 'Hello' },
    { change: 'bot-message.add', room: other.account.managementRoom, key: 'other', text: 'Hello' },
    { change: 'consent.record', user: erin.user, event: { what: 'withdrawn', network: 'whatsapp' } },
    { change: 'command-key.used', room: erin.managementRoom, use: { session: 'erins-session', index: 0 } },
    { change: 'room-key.used', portal: portal.id, use: { session: 'erins-room-key', index: 2 } },
    { change: 'visitor.add', portal: portal.id, user: '@erins-visitor:example.org' as never },
    { change: 'space.put', space: { account: erin.id, state: { at: 'open', room: erinsSpace } } },
    { change: 'space.child-noted', account: erin.id, child: { room, position: 1 } },
    { change: 'outbox.add', row: outgoing(portal, Buffer.from('words')) },
    change(room, '$erins-event' as EventId),
    change(erin.managementRoom, '$erins-command' as EventId),
    change(erinsSpace, '$erins-arrival' as EventId),
    change(other.account.managementRoom, '$others-command' as EventId),
  ]);
  for (const its of [room, erinsSpace]) {
    for (let at = await store.events.next(its); at; at = await store.events.next(its)) {
      await store.commit([{ change: 'event.done', seq: at.seq }]);
    }
  }
  const data = await exportUser(store, erin.user, 0);
  expect(data).toMatchObject({ identity: 'pinned', consent: [{ what: 'withdrawn' }] });
  expect(data.accounts[0]?.messages).toHaveLength(1);
  expect(data.accounts[0]?.space).toBe(erinsSpace);
  expect(data.accounts[0]?.chats).toMatchObject([
    {
      visitors: [{ user: '@erins-visitor:example.org', allowed: false }],
      roomKeys: [{ session: 'erins-room-key', used: [[2, 2]] }],
    },
  ]);

  await eraseOffline(store, erin.user);
  // The network has confirmed the opt-out, and the ghost has gone.
  await store.commit([
    { change: 'departure.done', account: erin.id },
    { change: 'contact.erase', contact: contact.id },
  ]);
  await store.commit([{ change: 'user.erase', user: erin.user }]);
  await store.compact();

  const traces = [
    erin.user,
    erin.id,
    erin.managementRoom,
    room,
    erinsSpace,
    '$erins-event',
    '$erins-arrival',
    '$erins-command',
    'erins-session',
    'erins-room-key',
    '@erins-visitor',
    contact.id,
  ];
  const bytes = await storedBytes(place);
  for (const trace of traces) expect(bytes.includes(trace), trace).toBe(false);
  for (const kept of [other.account.user, other.account.managementRoom, '$others-command']) {
    expect(bytes.includes(kept), kept).toBe(true);
  }
  expect(await store.erasures.all()).toEqual([]);
  expect((await store.consent.check()).damaged).toEqual([]);
  expect(await store.trust.ofUser(other.account.user)).toBeDefined();
});

test('a user with an account is not erased before it', async () => {
  const store = await openTestStore();
  const { account } = await aChat(store);
  await expect(store.commit([{ change: 'user.erase', user: account.user }])).rejects.toMatchObject({
    code: 'store.conflict',
  });
});
