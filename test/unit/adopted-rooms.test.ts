// A room that was made for a chat which does not know it yet, because the process was killed right then: what its user does there is kept. The store is real.
import { expect, test } from 'vitest';
import type { CommandEffects } from '../../src/bridge/bot/commands.ts';
import type { BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { handleNextEvent } from '../../src/bridge/matrix-events.ts';
import { type EventId, newMessageId, type RoomId, type UserId } from '../../src/model/ids.ts';
import type { Homeserver } from '../../src/model/matrix.ts';
import { aChat, aContact, message, openTestStore } from '../support/store.ts';

const room = '!made:example.org' as RoomId;

/** The user has joined a room that its ghost made for their chat; the chat has something to show, and no room. */
async function aRoomUnknown(isForTheChat: boolean) {
  const store = await openTestStore();
  const { contact, ghost } = aContact();
  const { account, portal } = await aChat(store, { contact: { contact, ghost } });
  const requested = { at: 'requested', number: 1, since: 5, askedAgain: false, dropped: 0 } as const;
  const join = {
    event_id: '$join' as EventId,
    room_id: room,
    sender: account.user,
    state_key: account.user,
    type: 'm.room.member',
    content: { membership: 'join' },
    origin_server_ts: 5,
  };
  await store.commit([
    { change: 'ghost.put', ghost: { ...ghost, ready: true } },
    { change: 'portal.state', portal: portal.id, state: { at: 'wanted' } },
    { change: 'portal.acceptance', portal: portal.id, acceptance: requested },
    { change: 'inbox.add', row: message(portal, Uint8Array.of(1), newMessageId()) },
    { change: 'transaction.store', transaction: { id: '1', body: {}, events: [join] } },
  ]);
  const homeserver: Partial<Homeserver> = {
    findPortalRoom: async () => (isForTheChat ? room : ('!another:example.org' as RoomId)),
  };
  const context: Partial<BridgeContext> = {
    store,
    homeserver: homeserver as Homeserver,
    bot: { ...ghost.actor, user: '@whatsapp:example.org' as UserId },
    settings: {} as BridgeSettings,
    limits: { release: () => undefined } as Partial<BridgeContext['limits']> as BridgeContext['limits'],
  };
  const effects: Partial<CommandEffects> = { wakePortal: () => undefined };
  const handle = () => handleNextEvent(context as BridgeContext, room, new Map(), effects as CommandEffects);
  const adopt = () =>
    store.commit([{ change: 'portal.state', portal: portal.id, state: { at: 'open', room, labelled: false } }]);
  const acceptance = async () => (await store.portals.get(portal.id))?.acceptance.at;
  return { store, handle, adopt, acceptance };
}

test('who joins it before it is adopted lets in by that, once it is', async () => {
  const { store, handle, adopt, acceptance } = await aRoomUnknown(true);
  expect(await handle()).toBe('idle');
  expect(await store.events.next(room)).toBeDefined();
  await adopt();
  expect(await handle()).toBe('again');
  expect(await acceptance()).toBe('accepted');
});

test('a room of somebody else’s making is none of ours', async () => {
  const { store, handle, acceptance } = await aRoomUnknown(false);
  expect(await handle()).toBe('again');
  expect(await store.events.next(room)).toBeUndefined();
  expect(await acceptance()).toBe('requested');
});
