// What the contacts of one account are told: a chat in which that fails holds up none of the others. The store is real.
import { beforeEach, expect, test } from 'vitest';
import type { ActiveAccount, BridgeContext } from '../../src/bridge/context.ts';
import { tellContacts } from '../../src/bridge/delivery-receipts.ts';
import { allOff } from '../../src/model/account.ts';
import type { Change } from '../../src/model/change.ts';
import { BridgeError } from '../../src/model/errors.ts';
import type { ContactId, EventId, MessageId } from '../../src/model/ids.ts';
import type { InteropClient } from '../../src/model/interop.ts';
import type { UserJid } from '../../src/model/jid.ts';
import type { Portal } from '../../src/model/portal.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { aChat, anAccount, message, openTestStore, present } from '../support/store.ts';

const timeout = new BridgeError('interop.timeout', 'no answer', { retry: 'later' });
const offline = new BridgeError('interop.offline', 'no connection', { retry: 'later' });

let store: OpenStore;
let account: ActiveAccount;
let context: BridgeContext;
/** What is not taken for whom, and with which failure. */
let failing: Map<ContactId, BridgeError>;
/** What was sent, one after another. */
let sent: string[];
let client: InteropClient;

beforeEach(async () => {
  store = await openTestStore();
  const made = anAccount();
  if (made.state.at !== 'active') throw new Error(made.state.at);
  account = { ...made, state: made.state };
  await store.commit([
    { change: 'account.put', account },
    { change: 'account.preferences', account: account.id, preferences: { ...allOff, readReceipts: true } },
  ]);
  failing = new Map();
  sent = [];
  const send = async (what: string, to: UserJid): Promise<void> => {
    const [contact] = await store.contacts.byAddress('whatsapp', [to]);
    const failure = failing.get(present(contact).id);
    if (failure !== undefined) throw failure;
    sent.push(what);
  };
  const parts: Partial<InteropClient> = {
    sendDeliveryReceipt: (id, to) => send(`${id} delivered`, to),
    sendReadReceipt: (ids, to) => send(`${ids.join(' ')} read`, to),
  };
  client = parts as InteropClient;
  context = { store, settings: { blocked: [], policyRooms: [] } } as unknown as BridgeContext;
});

const chat = async (): Promise<Portal> => (await aChat(store, { account })).portal;

/** Messages that Matrix has accepted: `A1`, `A2`, ... The user has read the last one. */
async function shows(portal: Portal, name: string, count: number): Promise<void> {
  const { state } = portal;
  if (state.at !== 'open') throw new Error(state.at);
  const ids = Array.from({ length: count }, (_, index) => `${name}${index + 1}` as MessageId);
  await store.commit(ids.map((id): Change => ({ change: 'inbox.add', row: message(portal, Uint8Array.of(1), id) })));
  for (const messageId of ids) {
    const event = `$${messageId}` as EventId;
    const { id } = present(await store.inbox.find(portal.id, messageId));
    const reference = { portal: portal.id, messageId, fromUser: false, event, room: state.room, sentAt: 1 };
    await store.commit([
      { change: 'inbox.state', id, state: { at: 'accepted', event } },
      { change: 'reference.put', reference },
    ]);
  }
  await store.commit([{ change: 'reading.user', portal: portal.id, event: `$${ids.at(-1)}` as EventId }]);
}

const tell = () => tellContacts(context, account, client);
async function tellAll(): Promise<void> {
  while ((await tell()) === 'again');
}

test('a message is delivered before it is read, in each chat for itself', async () => {
  await shows(await chat(), 'A', 2);
  await shows(await chat(), 'B', 1);
  await tellAll();
  expect(sent).toHaveLength(5);
  for (const [first, then] of [
    ['A2 delivered', 'A1 A2 read'],
    ['B1 delivered', 'B1 read'],
  ] as const) {
    expect(sent.indexOf(first)).toBeLessThan(sent.indexOf(then));
    expect(sent).toContain(first);
  }
});

test('however many receipts cannot be sent in one chat, those of the others are, and what was read there is told', async () => {
  const [broken, whole] = [await chat(), await chat()];
  failing.set(broken.contact, timeout);
  await shows(broken, 'A', 120);
  await shows(whole, 'B', 2);
  await expect(tell()).rejects.toBe(timeout);
  expect(sent).toEqual(['B1 delivered', 'B2 delivered', 'B1 B2 read']);
  // It goes on failing, and nothing of the chat is read before it is delivered.
  await expect(tell()).rejects.toBe(timeout);
  expect(sent).toHaveLength(3);
  failing.clear();
  await tellAll();
  expect(sent).toHaveLength(3 + 120 + 2);
  const read = sent.findIndex((each) => each.startsWith('A1 A2 '));
  expect(read).toBe(sent.length - 2);
});

test('what has been read is told in the chats behind one in which that fails', async () => {
  await shows(await chat(), 'A', 1);
  await shows(await chat(), 'B', 1);
  client = {
    ...client,
    sendReadReceipt: async (ids) => {
      if (ids.includes('A1' as MessageId)) throw timeout;
      sent.push(`${ids.join(' ')} read`);
    },
  };
  await expect(tellAll()).rejects.toBe(timeout);
  expect(sent).toEqual(['A1 delivered', 'B1 delivered', 'B1 read']);
});

test('without a connection nothing else is tried, and the next one begins with what is left', async () => {
  const first = await chat();
  failing.set(first.contact, offline);
  await shows(first, 'A', 60);
  await shows(await chat(), 'B', 1);
  expect(await tell()).toBe('idle');
  expect(sent).toEqual([]);
  failing.clear();
  await tellAll();
  expect(sent).toHaveLength(60 + 1 + 2);
});
