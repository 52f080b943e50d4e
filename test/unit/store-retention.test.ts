// After the retention time nothing is remembered of what was dealt with; what is not dealt with stays.
import { expect, test } from 'vitest';
import type { EventId, RoomId, SendId, UserId } from '../../src/model/ids.ts';
import { aChat, aPlace, message, openTestStore, outgoing, present, storedBytes } from '../support/store.ts';

const day = 24 * 60 * 60 * 1000;
const retention = 30 * day;

test('ids go when their time is over, whatever kind of row has them', async () => {
  const place = await aPlace();
  const clock = { time: day };
  const store = await openTestStore(place, clock);
  const { portal, account } = await aChat(store);
  const room = portal.state.at === 'open' ? portal.state.room : ('' as RoomId);
  const [sent, waiting] = [outgoing(portal, Buffer.from('sent')), outgoing(portal, Buffer.from('waiting'))];
  const received = message(portal, Buffer.from('received'));
  const event = '$settled-event' as EventId;
  await store.commit([
    { change: 'outbox.add', row: sent },
    { change: 'inbox.add', row: received },
    {
      change: 'reference.put',
      reference: { portal: portal.id, messageId: sent.messageId, fromUser: true, event: sent.event, room, sentAt: 1 },
    },
    {
      change: 'reaction.put',
      reaction: {
        portal: portal.id,
        target: { messageId: sent.messageId, fromUser: true },
        byUser: false,
        event: '$settled-reaction' as EventId,
      },
    },
    { change: 'bot-message.add', room: account.managementRoom, key: 'settled-key', text: 'said' },
  ]);
  const [out, inn] = [present(await store.outbox.next(portal.id)), present(await store.inbox.next(portal.id))];
  const said = present(await store.botMessages.next(account.managementRoom));
  await store.commit([
    { change: 'outbox.state', id: out.id, state: { at: 'done' } },
    { change: 'inbox.state', id: inn.id, state: { at: 'done', event } },
    { change: 'bot-message.event', seq: said.seq, event: { sendId: 's' as SendId, type: 't', content: {} } },
    { change: 'bot-message.done', seq: said.seq },
    { change: 'outbox.add', row: waiting },
  ]);
  const traces = [sent.event, sent.messageId, received.messageId, event, '$settled-reaction', 'settled-key'];
  const before = await storedBytes(place);
  for (const trace of traces) expect(before.includes(trace), trace).toBe(true);

  clock.time += retention + day;
  while ((await store.prune(clock.time - retention)) > 0);
  await store.compact();
  const after = await storedBytes(place);
  for (const trace of traces) expect(after.includes(trace), trace).toBe(false);
  expect((await store.outbox.next(portal.id))?.event).toBe(waiting.event);
});

test('what was asked of, pinned for or meant for somebody who has gone is forgotten, and nothing of who is there', async () => {
  const clock = { time: day };
  const store = await openTestStore(undefined, clock);
  const { account } = await aChat(store);
  const gone = '@gone:localhost' as UserId;
  const room = '!nobody-listens:localhost' as RoomId;
  for (const user of [gone, account.user]) {
    await store.commit([
      { change: 'user.trust', trust: { state: 'pinned', user, masterKey: 'key' } },
      { change: 'pending-command', user, command: 'question' },
    ]);
  }
  await store.commit([{ change: 'bot-message.add', room, key: 'k', text: 'to nobody' }]);
  const prune = async (): Promise<void> => {
    while ((await store.prune(clock.time - retention)) > 0);
  };
  const left = async (user: UserId) => [
    await store.accounts.pendingCommand(user),
    (await store.trust.ofUser(user))?.masterKey,
  ];
  await prune();
  clock.time += retention;
  await prune();
  expect(await left(gone)).toEqual(['question', 'key']);
  expect((await store.botMessages.next(room))?.text).toBe('to nobody');
  // Asked anew, a question waits anew.
  await store.commit([{ change: 'pending-command', user: gone, command: 'another' }]);
  clock.time += day;
  await prune();
  expect(await left(gone)).toEqual(['another', undefined]);
  expect(await left(account.user)).toEqual(['question', 'key']);
  expect(await store.botMessages.next(room)).toBeUndefined();
});
