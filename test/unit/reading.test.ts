// What the user has read, on its way to the contact: which messages one receipt names, when it may go, and what is never told.
import fc from 'fast-check';
import { beforeEach, describe, expect, test } from 'vitest';
import type { ActiveAccount, BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { confirmation, confirmReading, readingChanges } from '../../src/bridge/reading.ts';
import { allOff } from '../../src/model/account.ts';
import type { Change } from '../../src/model/change.ts';
import type { Contact } from '../../src/model/contact.ts';
import { BridgeError } from '../../src/model/errors.ts';
import {
  botActorId,
  type DeviceId,
  type EventId,
  type MessageId,
  type RoomId,
  type UserId,
} from '../../src/model/ids.ts';
import type { InteropClient } from '../../src/model/interop.ts';
import type { MatrixEvent } from '../../src/model/journal.ts';
import type { Homeserver } from '../../src/model/matrix.ts';
import type { Portal } from '../../src/model/portal.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, anAccount, message, openTestStore } from '../support/store.ts';

test('a receipt names what lies before the event, at most so many, and the rest comes next', () => {
  const most = 3;
  fc.assert(
    fc.property(fc.uniqueArray(fc.integer({ min: 1, max: 40 })), fc.nat(45), (positions, read) => {
      const sorted = positions.sort((a, b) => a - b);
      const unread = sorted.filter((position) => position <= read);
      const told: MessageId[] = [];
      let confirmed = 0;
      for (let complete = false; !complete; ) {
        const after = sorted.filter((position) => position > confirmed).slice(0, most + 1);
        const messages = after.map((position) => ({ position, messageId: `M${position}` as MessageId }));
        const next = confirmation(messages, read, most);
        expect(next.ids.length).toBeLessThanOrEqual(most);
        told.push(...next.ids);
        ({ upTo: confirmed, complete } = next);
      }
      expect(told).toEqual(unread.map((position) => `M${position}`));
      expect(confirmed).toBe(read);
    }),
  );
});

describe('from the push to the network', () => {
  let store: OpenStore;
  let clock: { time: number };
  let account: ActiveAccount;
  let contact: Contact;
  let portal: Portal;
  let room: RoomId;
  let context: BridgeContext;
  /** What the contact was told, one line for each packet. */
  let packets: string[];
  /** Events that are no messages, by the time at which the homeserver took them. */
  let others: Map<EventId, number>;
  let offline: boolean;
  let offered: boolean;

  const client: Partial<InteropClient> = {
    sendReadReceipt: async (ids) => {
      if (offline) throw new BridgeError('interop.offline', 'offline', { retry: 'later' });
      packets.push(ids.join(' '));
    },
  };
  const event = (name: string) => `$${name}` as EventId;
  const switchTo = (readReceipts: boolean) =>
    store.commit([
      {
        change: 'account.preferences',
        account: account.id,
        preferences: { ...allOff, readReceipts },
      },
    ]);
  const shown = (...names: string[]) =>
    store.commit(
      names.map((name) => ({
        change: 'reference.put',
        reference: {
          portal: portal.id,
          messageId: name as MessageId,
          fromUser: name.startsWith('mine'),
          event: event(name),
          room,
          sentAt: 1,
        },
      })),
    );
  const push = async (name: string, over: { readonly user?: UserId; readonly room?: RoomId } = {}) => {
    const receipt = { room, user: account.user, event: event(name), ...over };
    const { changes, accounts } = await readingChanges(context, [receipt]);
    await store.commit(changes);
    return accounts.length;
  };
  const confirm = async () => {
    while ((await confirmReading(context, account, client as InteropClient)) === 'again');
  };
  const read = async (name: string) => {
    await push(name);
    await confirm();
  };

  beforeEach(async () => {
    clock = { time: 1_000 };
    packets = [];
    others = new Map();
    [offline, offered] = [false, true];
    store = await openTestStore(undefined, clock);
    const chat = await aChat(store, { account: anAccount() });
    if (chat.account.state.at !== 'active' || chat.portal.state.at !== 'open') throw new Error('an open chat');
    account = { ...chat.account, state: chat.account.state };
    ({ contact, portal } = chat);
    room = chat.portal.state.room;
    const homeserver: Partial<Homeserver> = {
      event: async (_actor, _room, id) => {
        const at = others.get(id);
        return at === undefined ? undefined : ({ event_id: id, origin_server_ts: at } as MatrixEvent);
      },
    };
    const settings: Partial<BridgeSettings> = {
      blocked: [],
      policyRooms: [],
      ghostPrefix: 'wa_',
      serverName: 'example.org',
      get readReceipts() {
        return new Set(offered ? (['whatsapp'] as const) : []);
      },
    };
    const parts: Partial<BridgeContext> = {
      store,
      homeserver: homeserver as Homeserver,
      settings: settings as BridgeSettings,
      bot: { id: botActorId, user: '@bot:example.org' as UserId, device: 'BOT' as DeviceId },
    };
    context = parts as BridgeContext;
    await shown('A', 'B');
  });

  test('nothing leaves while it is off, and nothing of that is told later', async () => {
    await read('A');
    await switchTo(true);
    await shown('C');
    await read('C');
    expect(packets).toEqual(['B C']);
  });

  test('nothing leaves where the server does not offer it', async () => {
    await switchTo(true);
    offered = false;
    await read('B');
    offered = true;
    await shown('C');
    await read('C');
    expect(packets).toEqual(['C']);
  });

  test('each message is confirmed once, in order; an earlier event changes nothing', async () => {
    await switchTo(true);
    await read('B');
    await read('B');
    await read('A');
    await shown('mine', 'C', 'D');
    await read('C');
    await read('D');
    expect(packets).toEqual(['A B', 'C', 'D']);
  });

  test('only the account’s user in the portal counts, not ghosts nor others', async () => {
    await switchTo(true);
    const ghost = (await store.contacts.ghost(contact.id))?.actor.user;
    expect(await push('B', { user: ghost ?? account.user })).toBe(0);
    expect(await push('B', { user: '@mallory:example.org' as UserId })).toBe(0);
    expect(await push('B', { room: '!elsewhere' as RoomId })).toBe(0);
    await confirm();
    expect(packets).toEqual([]);
  });

  test('many messages go in several receipts', async () => {
    await switchTo(true);
    const names = Array.from({ length: 230 }, (_, index) => `N${index}`);
    await shown(...names);
    await read('N229');
    expect(packets.map((packet) => packet.split(' ').length)).toEqual([100, 100, 32]);
    expect(packets.join(' ')).toBe(['A', 'B', ...names].join(' '));
  });

  test('an event that is no message stands for what the room showed before it', async () => {
    await switchTo(true);
    clock.time = 2_000;
    await shown('mine', 'C');
    others.set(event('notice'), 1_500);
    others.set(event('mine'), 1_999);
    await read('notice');
    expect(packets).toEqual(['A B']);
    await read('mine');
    await read('never heard of');
    expect(packets).toEqual(['A B']);
    others.set(event('reaction'), 2_500);
    await read('reaction');
    expect(packets).toEqual(['A B', 'C']);
    expect(await store.reading.toConfirm(account.id)).toEqual([]);
  });

  test('an event that is just being sent is waited for', async () => {
    await switchTo(true);
    await store.commit([{ change: 'inbox.add', row: message(portal, Uint8Array.of(1), 'C' as MessageId) }]);
    const row = await store.inbox.next(portal.id);
    if (row?.state.at !== 'received') throw new Error('a row');
    const sealed = { sendId: 's' as never, type: 'm.room.encrypted', content: {} };
    await store.commit([
      { change: 'inbox.state', id: row.id, state: { at: 'encrypted', events: [sealed], body: row.state.body } },
    ]);
    await read('C');
    expect(packets).toEqual([]);
    await store.commit([{ change: 'inbox.state', id: row.id, state: { at: 'done', event: event('C') } }]);
    await shown('C');
    await confirm();
    expect(packets).toEqual(['A B C']);
  });

  test('a message is delivered before it is read', async () => {
    await switchTo(true);
    await store.commit([{ change: 'inbox.add', row: message(portal, Uint8Array.of(1), 'C' as MessageId) }]);
    const row = await store.inbox.next(portal.id);
    if (row === undefined) throw new Error('a row');
    await store.commit([{ change: 'inbox.state', id: row.id, state: { at: 'accepted', event: event('C') } }]);
    await shown('C');
    await push('C');
    expect(await confirmReading(context, account, client as InteropClient)).toBe('again');
    expect(packets).toEqual([]);
    await store.commit([{ change: 'inbox.state', id: row.id, state: { at: 'done', event: event('C') } }]);
    await confirm();
    expect(packets).toEqual(['A B C']);
  });

  test('what could not be sent is sent later, unless it was switched off meanwhile', async () => {
    await switchTo(true);
    offline = true;
    await expect(read('A')).rejects.toMatchObject({ code: 'interop.offline' });
    offline = false;
    await confirm();
    expect(packets).toEqual(['A']);
    offline = true;
    await expect(read('B')).rejects.toMatchObject({ code: 'interop.offline' });
    await switchTo(false);
    offline = false;
    await confirm();
    await switchTo(true);
    await confirm();
    expect(packets).toEqual(['A']);
  });

  test('a changed identity of either side holds it', async () => {
    await switchTo(true);
    const hold: Change = {
      change: 'peer.trust',
      peer: { account: account.id, contact: contact.id, device: 0 },
      trust: { state: 'changed', key: Uint8Array.of(1), seen: Uint8Array.of(2) },
    };
    await store.commit([hold]);
    await read('B');
    expect(packets).toEqual([]);
    await store.commit([{ ...hold, trust: { state: 'pinned', key: Uint8Array.of(2) } }]);
    const trust = { state: 'changed', user: account.user, masterKey: 'old', seen: 'new' } as const;
    await store.commit([{ change: 'user.trust', trust }]);
    await confirm();
    expect(packets).toEqual([]);
    await store.commit([{ change: 'user.trust', trust: { state: 'pinned', user: account.user, masterKey: 'new' } }]);
    await confirm();
    expect(packets).toEqual(['A B']);
  });

  test('in a room that is no more, nothing is told and nothing waits', async () => {
    await switchTo(true);
    await push('B');
    await store.commit([{ change: 'portal.state', portal: portal.id, state: { at: 'wanted' } }]);
    await confirm();
    const again = { at: 'open', room: '!new' as RoomId, labelled: true } as const;
    await store.commit([{ change: 'portal.state', portal: portal.id, state: again }]);
    await confirm();
    expect(packets).toEqual([]);
    expect(await store.reading.toConfirm(account.id)).toEqual([]);
  });
});
