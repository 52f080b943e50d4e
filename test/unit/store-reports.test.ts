// Reports in the database: in the order in which they were made, sealed, and erased when they are done.
import { expect, test } from 'vitest';
import { DamagedRow } from '../../src/model/damaged-row.ts';
import type { EventId, MessageId, ReportId, RoomId, SendId } from '../../src/model/ids.ts';
import type { ChosenMessages, ReportState } from '../../src/model/report.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, aPlace, departure, execute, openTestStore, present, storedBytes } from '../support/store.ts';

const chosen = (reason: string): ChosenMessages => ({
  room: '!reported-room' as RoomId,
  events: ['$reported-event' as EventId],
  reason,
});
const encrypted: ReportState = {
  at: 'encrypted',
  events: [{ sendId: 's' as SendId, type: 'm.room.encrypted', content: { ciphertext: 'the-ciphertext' } }],
  named: [{ id: 'NAMED-ID' as MessageId, sentAt: 7 }],
};

async function reporter(store: OpenStore, ...reasons: readonly string[]) {
  const { account } = await aChat(store);
  for (const reason of reasons) {
    const id = reason as ReportId;
    await store.commit([{ change: 'report.add', id, account: account.id, chosen: chosen(`because ${reason}`) }]);
  }
  return { account, next: async () => present(await store.reports.next(account.id)) };
}

test('a report goes through its states, and is there after a restart', async () => {
  const place = await aPlace();
  const before = await openTestStore(place);
  const { account, next } = await reporter(before, 'first', 'second');
  const { id, ...report } = await next();
  expect(report).toEqual({ account: account.id, chosen: chosen('because first'), state: { at: 'chosen' } });
  await before.commit([{ change: 'report.state', id, state: encrypted }]);
  await before.close();
  const store = await openTestStore(place);
  expect(await store.reports.accountsWithWork()).toEqual([account.id]);
  expect((await store.reports.next(account.id))?.state).toEqual(encrypted);
  // What only the network has to be told of lets the next one go first.
  const named = encrypted.named;
  await store.commit([{ change: 'report.state', id, state: { at: 'passed-on', named } }]);
  const second = present(await store.reports.next(account.id));
  expect(second.chosen.reason).toBe('because second');
  await store.commit([{ change: 'report.done', id: second.id }]);
  expect((await store.reports.next(account.id))?.state).toEqual({ at: 'passed-on', named });
  await store.commit([{ change: 'report.done', id }]);
  expect(await store.reports.next(account.id)).toBeUndefined();
  expect(await store.reports.accountsWithWork()).toEqual([]);
});

test('nothing of it is readable, nothing of it stays when it is done but when it was, and that goes in time', async () => {
  const place = await aPlace();
  const clock = { time: 1_000 };
  const store = await openTestStore(place, clock);
  const { account, next } = await reporter(store, 'R1');
  const { id } = await next();
  await store.commit([{ change: 'report.state', id, state: encrypted }]);
  const traces = ['because R1', '!reported-room', '$reported-event', 'NAMED-ID', 'the-ciphertext'];
  for (const trace of traces) expect((await storedBytes(place)).includes(trace), trace).toBe(false);
  await store.commit([{ change: 'report.done', id }]);
  const row = 'select chosen, sending from report';
  expect(await execute(place, row)).toEqual([{ chosen: null, sending: null }]);
  expect(await store.reports.made(account.id)).toEqual([{ madeAt: 1_000, done: true }]);
  clock.time = 5_000;
  while ((await store.prune(2_000)) > 0);
  expect(await store.reports.made(account.id)).toEqual([]);
});

test('they go with the account', async () => {
  const store = await openTestStore();
  const { account } = await reporter(store, 'reason');
  await store.commit([departure(account)]);
  expect(await store.reports.accountsWithWork()).toEqual([]);
});

test('one that was altered on the disk is set aside, and the next goes on', async () => {
  const place = await aPlace();
  const before = await openTestStore(place);
  const { account } = await reporter(before, 'first', 'second');
  await before.close();
  await execute(place, "update report set chosen = (select chosen from report where id = 'second') where id = 'first'");
  const store = await openTestStore(place);
  const damage = await store.reports.next(account.id).catch((error: unknown) => error);
  if (!(damage instanceof DamagedRow)) throw new Error('it was opened');
  await store.commit([{ change: 'row.damaged', place: damage.place }]);
  expect((await store.reports.next(account.id))?.chosen.reason).toBe('because second');
});
