// Policy rooms in the store: what was read holds for those who subscribe, and for nobody longer than that.
import { expect, it } from 'vitest';
import type { RoomId } from '../../src/model/ids.ts';
import type { PolicySubscription, Subscriber } from '../../src/model/policy.ts';
import { aChat, aPlace, departure, openTestStore } from '../support/store.ts';

const room = '!policy:example.org' as RoomId;
const rules = [{ about: 'user', entity: '@wa_*:example.org' }] as const;
let last = 0;

function subscriptionOf(subscriber: Subscriber, of = room): PolicySubscription {
  last += 1;
  return { id: `s${last}`, subscriber, room: of, name: `#policy${last}:example.org`, createdAt: last };
}

it('what was read holds for every subscriber, also after a restart, and until the last has gone', async () => {
  const place = await aPlace();
  const first = await openTestStore(place);
  const { account } = await aChat(first);
  const { account: stranger } = await aChat(first);
  const own = subscriptionOf(account.id);
  const operators = subscriptionOf('operator');
  await first.commit([{ change: 'policy.subscribe', subscription: own }]);
  expect(await first.policyRooms.get(room)).toEqual({ room, state: 'unread', rules: [], leftOut: 0 });
  await first.commit([
    { change: 'policy.subscribe', subscription: operators },
    { change: 'policy.rules', room, read: { rules, leftOut: 2 } },
    { change: 'policy.unreadable', room },
  ]);
  await first.close();

  const store = await openTestStore(place);
  expect(await store.policyRooms.get(room)).toEqual({ room, state: 'unreadable', rules, leftOut: 2 });
  expect(await store.policyRooms.rules(account.id)).toEqual(rules);
  expect(await store.policyRooms.rules('operator')).toEqual(rules);
  expect(await store.policyRooms.rules(stranger.id)).toEqual([]);
  expect(await store.policyRooms.subscriptions(account.id)).toEqual([own]);
  expect(await store.policyRooms.subscribersTo(room)).toEqual([own, operators]);

  await store.commit([{ change: 'policy.forget', room }]);
  expect(await store.policyRooms.rooms()).toEqual([room]);
  expect(await store.policyRooms.abandoned()).toEqual([]);
  await store.commit([{ change: 'policy.unsubscribe', id: operators.id }]);
  expect(await store.policyRooms.rules('operator')).toEqual([]);
  await store.commit([departure(account)]);
  expect(await store.policyRooms.subscribersTo(room)).toEqual([]);
  expect(await store.policyRooms.abandoned()).toEqual([room]);
  await store.commit([{ change: 'policy.forget', room }]);
  expect(await store.policyRooms.get(room)).toBeUndefined();
  await expect(store.commit([{ change: 'policy.unreadable', room }])).rejects.toMatchObject({ code: 'store.gone' });
});
