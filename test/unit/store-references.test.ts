// Which Matrix event is which WhatsApp message: remembered across restarts, moved with the chat, forgotten with it or after the retention time.
import { expect, it } from 'vitest';
import type { EventId, MessageId, RoomId } from '../../src/model/ids.ts';
import type { Portal } from '../../src/model/portal.ts';
import type { MessageReference } from '../../src/model/reference.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, aContact, anAccount, aPlace, departure, openTestStore } from '../support/store.ts';

const reference = (portal: Portal, messageId: string, over: Partial<MessageReference> = {}): MessageReference => ({
  portal: portal.id,
  messageId: messageId as MessageId,
  fromUser: false,
  event: `$${messageId}` as EventId,
  room: '!room' as RoomId,
  sentAt: 5,
  ...over,
});

const put = (store: OpenStore, ...references: MessageReference[]) =>
  store.commit(references.map((each) => ({ change: 'reference.put', reference: each })));

it('is found by event and by message after a restart, in its own chat only', async () => {
  const place = await aPlace();
  const store = await openTestStore(place);
  const [{ portal }, other] = [await aChat(store), await aChat(store)];
  const [theirs, ours] = [
    reference(portal, 'A'),
    reference(portal, 'A', { fromUser: true, event: '$ours' as EventId }),
  ];
  await put(store, theirs, ours);
  await store.close();
  const { references } = await openTestStore(place);
  expect(await references.byEvent(portal.id, theirs.event)).toMatchObject(theirs);
  expect(await references.byMessage(portal.id, theirs.messageId, false)).toMatchObject(theirs);
  expect(await references.byMessage(portal.id, theirs.messageId, true)).toMatchObject(ours);
  expect(await references.byMessage(portal.id, theirs.messageId)).toBeDefined();
  expect(await references.byEvent(other.portal.id, theirs.event)).toBeUndefined();
  expect(await references.byMessage(other.portal.id, theirs.messageId)).toBeUndefined();
});

it('names the event of the last room in which a message was shown', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const again = reference(portal, 'A', { event: '$later' as EventId, room: '!later' as RoomId });
  await put(store, reference(portal, 'A'), again);
  expect(await store.references.byMessage(portal.id, again.messageId)).toMatchObject(again);
  expect(await store.references.byEvent(portal.id, '$A' as EventId)).toBeUndefined();
});

it('goes with the account, and after the retention time', async () => {
  const clock = { time: 1_000 };
  const store = await openTestStore(undefined, clock);
  const [one, other] = [await aChat(store), await aChat(store)];
  await put(store, reference(one.portal, 'A'), reference(other.portal, 'B'));
  await store.commit([departure(one.account)]);
  expect(await store.references.byEvent(one.portal.id, '$A' as EventId)).toBeUndefined();
  expect(await store.prune(1_000)).toBe(0);
  expect(await store.references.byEvent(other.portal.id, '$B' as EventId)).toBeDefined();
  expect(await store.prune(1_001)).toBe(1);
  expect(await store.references.byEvent(other.portal.id, '$B' as EventId)).toBeUndefined();
});

it('is the survivor’s when two contacts turn out to be one', async () => {
  const store = await openTestStore();
  const account = anAccount();
  const [older, younger] = [aContact(), aContact()];
  const kept = await aChat(store, { account, contact: older });
  const twin = await aChat(store, { account, contact: younger });
  await put(store, reference(kept.portal, 'A'), reference(twin.portal, 'B'));
  await store.commit([{ change: 'contact.merge', into: older.contact.id, from: younger.contact.id }]);
  for (const event of ['$A', '$B'] as EventId[]) {
    expect(await store.references.byEvent(kept.portal.id, event)).toMatchObject({ event });
  }
});

it('knows the last reaction of each side, and what each reaction was about, until it is taken back', async () => {
  const store = await openTestStore();
  const { portal } = await aChat(store);
  const target = { messageId: 'A' as MessageId, fromUser: false };
  const reacted = (event: string, byUser: boolean) => ({ portal: portal.id, target, byUser, event: event as EventId });
  const [first, second, theirs] = [reacted('$1', true), reacted('$2', true), reacted('$3', false)];
  await store.commit([first, second, theirs, first].map((reaction) => ({ change: 'reaction.put', reaction })));
  const { reactions } = store;
  expect(await reactions.latest(portal.id, target, true)).toBe('$2');
  expect(await reactions.latest(portal.id, target, false)).toBe('$3');
  expect(await reactions.latest(portal.id, { ...target, fromUser: true }, true)).toBeUndefined();
  expect(await reactions.byEvent(portal.id, first.event)).toEqual(first);
  await store.commit([{ change: 'reaction.remove', portal: portal.id, event: second.event }]);
  expect(await reactions.latest(portal.id, target, true)).toBe('$1');
  expect(await reactions.byEvent(portal.id, second.event)).toBeUndefined();
});

it('knows the rooms in which something was written shortly before the last message of all, or before a given time', async () => {
  const clock = { time: 1_000 };
  const store = await openTestStore(undefined, clock);
  expect(await store.references.roomsActive(100, undefined, 10)).toEqual([]);
  const { portal } = await aChat(store);
  const written = async (id: string, room: string, time: number) => {
    clock.time = time;
    await put(store, { ...reference(portal, id), room: room as RoomId });
  };
  await written('A', '!long-ago', 1_000);
  await written('B', '!before', 5_000);
  await written('C', '!last', 5_050);
  await written('D', '!last', 5_060);
  expect(new Set(await store.references.roomsActive(100, undefined, 10))).toEqual(new Set(['!before', '!last']));
  expect(new Set(await store.references.roomsActive(100, 1_050, 10))).toEqual(
    new Set(['!long-ago', '!before', '!last']),
  );
  expect(await store.references.roomsActive(5, undefined, 10)).toEqual(['!last']);
});
