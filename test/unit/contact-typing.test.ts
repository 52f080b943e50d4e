// A contact who types, shown in the room: a burst is one request, a message ends it, strangers and what comes too late are dropped.
import { beforeEach, expect, test } from 'vitest';
import { ContactTyping } from '../../src/bridge/contact-typing.ts';
import type { ActiveAccount, BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { lidJid, type UserJid } from '../../src/model/jid.ts';
import type { Homeserver } from '../../src/model/matrix.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { aChat, anAccount, openTestStore } from '../support/store.ts';

let clock: ManualClock;
let account: ActiveAccount;
let from: UserJid;
let typing: ContactTyping;
/** What the homeserver was asked: for how long, or to end it. */
let asked: (number | undefined)[];
let answer: () => Promise<void>;

const all = async (): Promise<void> => {
  // Every step is a chain of promises over a database that answers at once.
  for (let turn = 0; turn < 20; turn += 1) await new Promise((resolve) => setImmediate(resolve));
};
const say = async (...states: ('composing' | 'recording' | 'paused')[]): Promise<void> => {
  for (const state of states) typing.told(account, { from, state });
  await all();
};

beforeEach(async () => {
  clock = new ManualClock();
  asked = [];
  answer = async () => {};
  const store = await openTestStore();
  const chat = await aChat(store, { account: anAccount() });
  if (chat.account.state.at !== 'active') throw new Error('not active');
  account = { ...chat.account, state: chat.account.state };
  [from = lidJid('1')] = chat.contact.addresses;
  await store.commit([{ change: 'ghost.put', ghost: { ...chat.ghost, ready: true } }]);
  const homeserver: Partial<Homeserver> = {
    setTyping: async (_actor, _room, forMs) => {
      asked.push(forMs);
      await answer();
    },
  };
  const logger = createLogger({ level: 'silent' });
  const settings: Partial<BridgeSettings> = { blocked: [], policyRooms: [] };
  const parts: Partial<BridgeContext> = {
    store,
    clock,
    logger,
    homeserver: homeserver as Homeserver,
    settings: settings as BridgeSettings,
  };
  typing = new ContactTyping(parts as BridgeContext);
});

test('begins, is prolonged before it ends by itself, and is taken back', async () => {
  await say('composing', 'recording', 'composing');
  expect(asked).toEqual([15_000]);
  clock.advance(6_000);
  await say('composing');
  expect(asked).toEqual([15_000, 15_000]);
  await say('paused', 'paused');
  expect(asked).toEqual([15_000, 15_000, undefined]);
  await say('paused');
  expect(asked).toHaveLength(3);
  await typing.stop();
});

test('ends with the message, under whichever address that comes', async () => {
  await say('composing');
  typing.wrote(account, [lidJid('999'), from]);
  await all();
  expect(asked).toEqual([15_000, undefined]);
  typing.wrote(account, [from]);
  await all();
  expect(asked).toHaveLength(2);
  await typing.stop();
});

test('ended while it is being shown, it is ended', async () => {
  const shown = Promise.withResolvers<void>();
  answer = () => shown.promise;
  await say('composing');
  await say('paused');
  shown.resolve();
  await all();
  expect(asked).toEqual([15_000, undefined]);
  await typing.stop();
});

test('what has waited for a busy homeserver is not shown any more', async () => {
  const busy = Promise.withResolvers<void>();
  answer = () => busy.promise;
  await say('composing');
  await say('paused', 'composing');
  clock.advance(20_000);
  busy.resolve();
  await all();
  expect(asked).toEqual([15_000]);
  await typing.stop();
});

test('of strangers nothing is shown', async () => {
  from = lidJid('424242');
  await say('composing');
  expect(asked).toEqual([]);
  await typing.stop();
});
