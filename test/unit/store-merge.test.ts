// Two contacts that turn out to be one person: what either had is the survivor's, readable, once.
import { expect, it } from 'vitest';
import { newMessageId } from '../../src/model/ids.ts';
import { lidJid, phoneJid } from '../../src/model/jid.ts';
import type { PeerTrust } from '../../src/model/trust.ts';
import { aChat, aContact, anAccount, message, openTestStore, outgoing } from '../support/store.ts';

const bytes = (text: string): Buffer => Buffer.from(text);

it('moves addresses, name, sessions, trust and portals, and keeps what the survivor had', async () => {
  const store = await openTestStore();
  const [phone, lid] = [phoneJid('4915100000001'), lidJid('111000111')];
  const older = aContact({ addresses: [phone] });
  const younger = aContact({ addresses: [lid], name: { text: 'Anna', looks: ['anna'] } });
  const both = await aChat(store, { account: anAccount(), contact: older });
  const { account } = both;
  const twin = await aChat(store, { account, contact: younger });
  const only = await aChat(store, { account: anAccount(), contact: younger });
  const [into, from] = [older.contact.id, younger.contact.id];
  const device = (contact: typeof into, number: number) => ({ account: account.id, contact, device: number });
  const pinned = (text: string) => ({ state: 'pinned', key: bytes(text) }) as const;
  const shared = newMessageId();
  await store.commit([
    { change: 'signal.session', peer: device(into, 0), record: bytes('kept') },
    { change: 'signal.session', peer: device(from, 0), record: bytes('dropped') },
    { change: 'signal.session', peer: device(from, 1), record: bytes('moved') },
    { change: 'peer.trust', peer: device(into, 0), trust: pinned('kept') },
    { change: 'peer.trust', peer: device(from, 0), trust: pinned('dropped') },
    { change: 'peer.trust', peer: device(from, 1), trust: { state: 'changed', key: bytes('a'), seen: bytes('b') } },
    { change: 'inbox.add', row: message(both.portal, bytes('one'), shared) },
    { change: 'inbox.add', row: message(twin.portal, bytes('the same'), shared) },
    { change: 'inbox.add', row: message(twin.portal, bytes('two')) },
    { change: 'inbox.add', row: message(only.portal, bytes('three')) },
    { change: 'outbox.add', row: outgoing(twin.portal, bytes('four')) },
  ]);
  expect((await store.contacts.byAddress('whatsapp', [lid, phone])).map(({ id }) => id)).toEqual([into, from]);

  await store.commit([{ change: 'contact.merge', into, from }]);

  const [merged, ...others] = await store.contacts.byAddress('whatsapp', [lid, phone]);
  expect(others).toEqual([]);
  expect(merged).toMatchObject({ id: into, name: { text: 'Anna' }, addresses: [phone, lid] });
  expect(await store.contacts.get(from)).toBeUndefined();
  expect(await store.contacts.ghost(from)).toBeUndefined();
  expect(await store.contacts.ghost(into)).toEqual(older.ghost);

  expect((await store.signal.session(device(into, 0)))?.toString()).toBe('kept');
  expect((await store.signal.session(device(into, 1)))?.toString()).toBe('moved');
  expect(await store.trust.ofContact(account.id, into)).toEqual(
    new Map<number, PeerTrust>([
      [0, pinned('kept')],
      [1, { state: 'changed', key: bytes('a'), seen: bytes('b') }],
    ]),
  );

  expect(await store.portals.find(account.id, into)).toEqual(both.portal);
  expect(await store.portals.get(twin.portal.id)).toBeUndefined();
  const moved = { ...only.portal, contact: into, state: { at: 'wanted' } };
  expect(await store.portals.find(only.account.id, into)).toEqual(moved);
  expect(await store.contacts.accountsUsing(into)).toBe(2);

  expect(await store.inbox.waiting(both.portal.id)).toBe(2);
  const first = await store.inbox.next(both.portal.id);
  if (!first) throw new Error('no row');
  expect(first.state).toMatchObject({ body: { payload: bytes('one') } });
  await store.commit([{ change: 'inbox.state', id: first.id, state: { at: 'done', event: undefined } }]);
  expect((await store.inbox.next(both.portal.id))?.state).toMatchObject({ body: { payload: bytes('two') } });
  expect((await store.inbox.next(only.portal.id))?.state).toMatchObject({ body: { payload: bytes('three') } });
  expect(await store.outbox.next(both.portal.id)).toMatchObject({ payload: bytes('four') });
});

it('what was asked for again under the other address is told in the end, and what has come is kept before what has not', async () => {
  const store = await openTestStore();
  const [older, younger] = [
    aContact({ addresses: [phoneJid('4915100000001')] }),
    aContact({ addresses: [lidJid('1')] }),
  ];
  const kept = await aChat(store, { account: anAccount(), contact: older });
  const { portal } = await aChat(store, { account: kept.account, contact: younger });
  const [asked, read] = [newMessageId(), newMessageId()];
  const placeIn = (at: typeof portal, messageId: typeof asked) => {
    const { body, ...place } = message(at, bytes('x'), messageId);
    return place;
  };
  await store.commit([
    { change: 'inbox.await', row: { ...placeIn(portal, asked), since: 1 } },
    { change: 'inbox.decrypt-failed', portal: portal.id, messageId: asked, device: 0, count: 1 },
    { change: 'inbox.await', row: { ...placeIn(kept.portal, read), since: 1 } },
    { change: 'inbox.add', row: message(portal, bytes('read'), read) },
  ]);
  await store.commit([{ change: 'contact.merge', into: older.contact.id, from: younger.contact.id }]);
  const unanswered = await store.inbox.unanswered(Number.MAX_SAFE_INTEGER, 10);
  expect(unanswered).toMatchObject([{ message: { portal: kept.portal.id, messageId: asked, device: 0 } }]);
  expect((await store.inbox.find(kept.portal.id, asked))?.state.at).toBe('awaited');
  expect((await store.inbox.find(kept.portal.id, read))?.state).toMatchObject({ body: { payload: bytes('read') } });
});

it('fails as a whole where one of them is gone', async () => {
  const store = await openTestStore();
  const { contact } = await aChat(store);
  const stranger = aContact().contact.id;
  for (const change of [
    { change: 'contact.merge', into: contact.id, from: stranger },
    { change: 'contact.merge', into: stranger, from: contact.id },
  ] as const) {
    await expect(store.commit([change])).rejects.toMatchObject({ code: 'store.gone' });
  }
  expect(await store.contacts.get(contact.id)).toEqual(contact);
});

it('adds an address once, never to two people', async () => {
  const store = await openTestStore();
  const [one, other] = [await aChat(store), await aChat(store)];
  const address = lidJid('555000555', 4);
  const add = (contact: typeof one.contact.id) => store.commit([{ change: 'contact.address', contact, address }]);
  await add(one.contact.id);
  await add(one.contact.id);
  expect((await store.contacts.get(one.contact.id))?.addresses).toEqual([
    ...one.contact.addresses,
    lidJid('555000555'),
  ]);
  await expect(add(other.contact.id)).rejects.toMatchObject({ code: 'store.conflict' });
  await expect(add(aContact().contact.id)).rejects.toMatchObject({ code: 'store.gone' });
});
