// Requests: what waits for the user's decision, what is dropped and counted, and what of it remains after each decision.
import Database from 'better-sqlite3';
import { Kysely, SqliteDialect } from 'kysely';
import { expect, it } from 'vitest';
import { lidJid, phoneJid } from '../../src/model/jid.ts';
import type { Acceptance, Portal } from '../../src/model/portal.ts';
import { migrations } from '../../src/store/migrations/all.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, aContact, anAccount, aPortal, departure, message, openTestStore, present } from '../support/store.ts';

const payload = Buffer.from('hello');
const asking = (number = 1, dropped = 0): Acceptance => ({
  at: 'requested',
  number,
  since: 7,
  askedAgain: false,
  dropped,
});

async function aRequest(store: OpenStore, account = anAccount(), number = 1): Promise<Portal> {
  const chat = await aChat(store, { account });
  const acceptance = asking(number);
  await store.commit([{ change: 'portal.acceptance', portal: chat.portal.id, acceptance }]);
  return { ...chat.portal, acceptance };
}
const acceptanceOf = async (store: OpenStore, { id }: Portal) => present(await store.portals.get(id)).acceptance;

it('are listed by their numbers until they are decided', async () => {
  const store = await openTestStore();
  const account = anAccount();
  const [second, first] = [await aRequest(store, account, 2), await aRequest(store, account, 1)];
  const other = await aRequest(store);
  const listed = async () => (await store.portals.requests(account.id)).map(({ id }) => id);
  expect(await listed()).toEqual([first.id, second.id]);
  await store.commit([{ change: 'portal.acceptance', portal: first.id, acceptance: { at: 'accepted' } }]);
  expect(await listed()).toEqual([second.id]);
  expect(await acceptanceOf(store, second)).toEqual(asking(2));
  await store.commit([{ change: 'portal.acceptance', portal: second.id, acceptance: { at: 'declined' } }]);
  expect(await store.portals.toClose()).toEqual([second.id]);
  await store.commit([{ change: 'portal.state', portal: second.id, state: { at: 'wanted' } }]);
  expect(await store.portals.toClose()).toEqual([]);
  expect(await acceptanceOf(store, other)).toEqual(asking());
});

it('count what was dropped; a decision in between makes the commit fail', async () => {
  const store = await openTestStore();
  const portal = await aRequest(store);
  const dropped = { change: 'request.dropped', portal: portal.id } as const;
  const again = { change: 'request.asked-again', portal: portal.id } as const;
  await store.commit([dropped, again]);
  await store.commit([dropped]);
  expect(await acceptanceOf(store, portal)).toEqual({ ...asking(1, 2), askedAgain: true });
  await store.commit([{ change: 'portal.acceptance', portal: portal.id, acceptance: { at: 'accepted' } }]);
  for (const change of [dropped, again, { change: 'request.expired', portal: portal.id, before: 9 } as const]) {
    await expect(store.commit([change])).rejects.toMatchObject({ code: 'store.conflict' });
  }
  expect(await acceptanceOf(store, portal)).toEqual({ at: 'accepted' });
});

it('let messages wait for a time only; notices are no messages', async () => {
  const store = await openTestStore();
  const portal = await aRequest(store);
  const accepted = (await aChat(store)).portal;
  const notice = { kind: 'notice', notice: { code: 'any', text: 'any' } } as const;
  await store.commit([
    { change: 'inbox.add', row: { ...message(portal, payload), timestamp: 1 } },
    { change: 'inbox.add', row: { ...message(portal, payload), timestamp: 2 } },
    { change: 'inbox.add', row: { ...message(portal, payload), timestamp: 3 } },
    { change: 'inbox.add', row: { ...message(portal, payload), timestamp: 1, body: notice } },
    { change: 'inbox.add', row: { ...message(accepted, payload), timestamp: 1 } },
  ]);
  expect(await store.inbox.messagesWaiting(portal.id)).toBe(3);
  expect(await store.inbox.requestsOverdue(1, 10)).toEqual([]);
  expect(await store.inbox.requestsOverdue(3, 10)).toEqual([portal.id]);
  await store.commit([{ change: 'request.expired', portal: portal.id, before: 3 }]);
  expect(await store.inbox.requestsOverdue(3, 10)).toEqual([]);
  expect(await store.inbox.messagesWaiting(portal.id)).toBe(1);
  expect(await store.inbox.waiting(portal.id)).toBe(2);
  expect(await acceptanceOf(store, portal)).toMatchObject({ dropped: 2 });
  expect(await store.inbox.waiting(accepted.id)).toBe(1);
});

it('leave nothing behind that waits when they are discarded, and no receipt to send', async () => {
  const store = await openTestStore();
  const portal = await aRequest(store);
  const row = message(portal, payload);
  await store.commit([{ change: 'inbox.add', row }]);
  // Who has been let in meanwhile keeps what waits.
  await store.commit([{ change: 'inbox.discard', portal: portal.id }]);
  expect(await store.inbox.portalsWithWork()).toEqual([portal.id]);
  const declined = { change: 'portal.acceptance', portal: portal.id, acceptance: { at: 'declined' } } as const;
  await store.commit([declined, { change: 'inbox.discard', portal: portal.id }]);
  expect(await store.inbox.portalsWithWork()).toEqual([]);
  expect(await store.inbox.receiptsDue(portal.account, 10)).toEqual([]);
  // It is known, should it come again.
  expect((await store.inbox.find(portal.id, row.messageId))?.state).toEqual({ at: 'done', event: undefined });
});

it.each([
  ['requested', 'accepted', 'accepted'],
  ['accepted', 'requested', 'accepted'],
  ['declined', 'accepted', 'accepted'],
  ['declined', 'requested', 'declined'],
  ['requested', 'declined', 'declined'],
  ['requested', 'requested', 'requested'],
] as const)('of one person under two addresses, %s and %s, make %s', async (kept, other, outcome) => {
  const store = await openTestStore();
  const account = anAccount();
  const state = (at: Acceptance['at']): Acceptance => (at === 'requested' ? asking(1, 2) : { at });
  const [older, younger] = [
    aContact({ addresses: [phoneJid('4915100000009')] }),
    aContact({ addresses: [lidJid('9')] }),
  ];
  const portals = [
    { ...aPortal(account.id, older.contact.id), acceptance: state(kept) },
    { ...aPortal(account.id, younger.contact.id), acceptance: state(other) },
  ] as const;
  await store.commit([
    { change: 'account.put', account },
    { change: 'contact.create', ...older },
    { change: 'contact.create', ...younger },
    ...portals.map((portal) => ({ change: 'portal.create', portal }) as const),
    { change: 'inbox.add', row: message(portals[1], payload) },
  ]);
  await store.commit([{ change: 'contact.merge', into: older.contact.id, from: younger.contact.id }]);
  const acceptance = await acceptanceOf(store, portals[0]);
  expect(acceptance.at).toBe(outcome);
  if (acceptance.at === 'requested') expect(acceptance.dropped).toBe(4);
  expect(await store.inbox.waiting(portals[0].id)).toBe(outcome === 'declined' ? 0 : 1);
});

it('were accepted, all of them, in a database from before', async () => {
  const database = new Database(':memory:');
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database }) });
  for (const [name, { up }] of Object.entries(migrations)) {
    if (name === '0011-requests') {
      database.pragma('foreign_keys = off');
      database.exec(`insert into portal (id, account, contact, labelled) values ('p', 'a', 'c', 0)`);
    }
    await up(db);
  }
  expect(database.prepare('select id, acceptance, dropped from portal').all()).toEqual([
    { id: 'p', acceptance: 'accepted', dropped: 0 },
  ]);
});

it('blocks are found by any of their patterns, in their own account only, and go with them', async () => {
  const store = await openTestStore();
  const [first, second] = [(await aChat(store)).account, (await aChat(store)).account];
  const block = { id: 'b1', label: 'Anna, +49', createdAt: 2 };
  const earlier = { id: 'b2', label: '+99*', createdAt: 1 };
  await store.commit([
    { change: 'block.add', account: first.id, block, patterns: ['phone:49', 'address:1@lid'] },
    // What another block has stays there.
    { change: 'block.add', account: first.id, block: earlier, patterns: ['prefix:99', 'phone:49'] },
  ]);
  expect(await store.blocks.list(first.id)).toEqual([earlier, block]);
  expect(await store.blocks.matching(first.id, ['phone:4', 'address:1@lid', 'phone:49'])).toEqual(['b1']);
  expect(await store.blocks.matching(first.id, [])).toEqual([]);
  expect(await store.blocks.matching(second.id, ['phone:49'])).toEqual([]);
  await expect(store.commit([{ change: 'block.remove', account: second.id, id: 'b1' }])).rejects.toMatchObject({
    code: 'store.gone',
  });
  await store.commit([{ change: 'block.remove', account: first.id, id: 'b1' }]);
  expect(await store.blocks.matching(first.id, ['phone:49', 'address:1@lid'])).toEqual([]);
  await store.commit([departure(first)]);
  expect(await store.blocks.matching(first.id, ['prefix:99'])).toEqual([]);
});

it('are numbered by the store, also those that come at the same moment', async () => {
  const store = await openTestStore();
  const { account } = await aChat(store);
  const made = Array.from({ length: 5 }, () => aContact());
  await Promise.all(
    made.map((each) =>
      store.commit([
        { change: 'contact.create', ...each },
        { change: 'portal.create', portal: { ...aPortal(account.id, each.contact.id), acceptance: asking(0) } },
      ]),
    ),
  );
  const requests = await store.portals.requests(account.id);
  expect(requests.map(({ acceptance }) => acceptance.at === 'requested' && acceptance.number)).toEqual([1, 2, 3, 4, 5]);
});
