// What arrives from several devices of one contact: real sessions, real proofs, a real store; only the network in between is missing.
import { create, toBinary } from '@bufbuild/protobuf';
import { Curve, proto } from '@whiskeysockets/baileys';
import { beforeEach, describe, expect, test } from 'vitest';
import { timeLeft } from '../../src/bridge/awaited.ts';
import type { ActiveAccount, BridgeContext, BridgeSettings } from '../../src/bridge/context.ts';
import { refreshDevices, renewDevices } from '../../src/bridge/device-lists.ts';
import { peerOf, reach, withDevices } from '../../src/bridge/device-sessions.ts';
import { answerWaitMs, turnOf } from '../../src/bridge/inbox-steps.ts';
import { giveUpUnanswered, receiveMessage } from '../../src/bridge/receive.ts';
import { systemClock } from '../../src/model/clock.ts';
import type { AccountId, ContactId, MessageId, PortalId } from '../../src/model/ids.ts';
import type { IncomingMessage, InteropClient } from '../../src/model/interop.ts';
import { interopJid, lidJid } from '../../src/model/jid.ts';
import type { PublicKeys, SignalCiphertext } from '../../src/model/signal.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { MessageSchema } from '../../src/proto/message_pb.ts';
import type { OpenStore } from '../../src/store/open-store.ts';
import { parseMessage } from '../../src/translate/to-matrix.ts';
import { createInteropNetwork } from '../../src/whatsapp/network.ts';
import { RequestRefused } from '../../src/whatsapp/requests.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { keyPairOf } from '../../src/whatsapp/signal/keys.ts';
import { hasListened } from '../support/has-listened.ts';
import { ManualClock } from '../support/manual-clock.ts';
import { CommittedState } from '../support/signal-state.ts';
import { anAccount, openTestStore, present } from '../support/store.ts';

const from = lidJid('100000001');
let store: OpenStore;
let context: BridgeContext;
let account: ActiveAccount;
let elapsed: ManualClock;
let published: PublicKeys;
let preKeys: PublicKeys['preKeys'][number][];

/** One device of the contact, with a session of its own. */
class Sender {
  readonly state = new CommittedState();
  readonly #signal = createSignal({ reads: this.state, clock: systemClock });
  readonly #us = { account: 'them' as AccountId, contact: 'us' as ContactId, device: 0 };
  readonly device: number;

  constructor(device: number) {
    this.device = device;
    this.state.commit(this.#signal.createIdentity(this.#us.account, 0).changes);
  }
  get keys(): { readonly public: Uint8Array; readonly private: Uint8Array } {
    if (!this.state.own) throw new Error('no identity');
    const { publicKey, privateKey } = keyPairOf(this.state.own);
    return { public: publicKey.getPublicKeyBytes(), private: privateKey.serialize() };
  }
  encrypt(text: string): Promise<SignalCiphertext> {
    return this.#signal.exclusively([this.#us], async (unit) => {
      const preKey = preKeys.shift();
      if (!(await unit.hasSession(this.#us))) await unit.start(this.#us, { ...published, preKey });
      const payload = toBinary(MessageSchema, create(MessageSchema, { conversation: text }));
      const ciphertext = await unit.encrypt(this.#us, payload);
      this.state.commit(unit.changes());
      return ciphertext;
    });
  }
  /** The proof that `primary` gives this device. */
  provenBy(primary: Sender): Uint8Array {
    const details = proto.ADVDeviceIdentity.encode({ rawId: 1, timestamp: 1, keyIndex: this.device }).finish();
    const signed = Buffer.concat([Uint8Array.of(6, 0), details, this.keys.public]);
    const accountSignature = Curve.sign(primary.keys.private, signed);
    const accountSignatureKey = primary.keys.public;
    return proto.ADVSignedDeviceIdentity.encode({ details, accountSignature, accountSignatureKey }).finish();
  }
}

/** Which companions `primary` has signed to be linked, at so many Unix seconds. */
function signedList(primary: Sender, timestamp: number, ...companions: readonly Sender[]): Uint8Array {
  const validIndexes = [0, ...companions.map(({ device }) => device)];
  const details = proto.ADVKeyIndexList.encode({ rawId: 1, timestamp, currentIndex: 9, validIndexes }).finish();
  const accountSignature = Curve.sign(primary.keys.private, Buffer.concat([Uint8Array.of(6, 2), details]));
  return proto.ADVSignedKeyIndexList.encode({ details, accountSignature }).finish();
}

beforeEach(async () => {
  store = await openTestStore();
  const made = anAccount();
  if (made.state.at !== 'active') throw new Error('not active');
  account = { ...made, state: { at: 'active', enlistment: { interopAccountId: '1', jid: interopJid(7, '1') } } };
  const signal = createSignal({ reads: store.signal, clock: systemClock });
  const { keys, changes } = signal.createIdentity(account.id, 20);
  await store.commit([{ change: 'account.put', account }, ...changes]);
  published = keys;
  preKeys = [...keys.preKeys];
  const logger = createLogger({ level: 'silent' });
  elapsed = new ManualClock();
  const received: Partial<BridgeContext> = {
    store,
    signal,
    clock: systemClock,
    logger,
    network: createInteropNetwork({ endpoints: {}, clock: systemClock, logger }),
    settings,
    counters: { delivered: () => {}, retry: () => {}, file: () => {} },
    listening: hasListened(account.id, elapsed),
  };
  // Receiving speaks to no homeserver.
  context = received as BridgeContext;
});

const settings: BridgeSettings = {
  instanceId: 'i',
  serverName: 'x',
  operator: { name: 'x', contact: 'x', privacyUrl: undefined },
  botName: 'WhatsApp bridge',
  ghostPrefix: 'wa_',
  networks: ['whatsapp'],
  readReceipts: new Set<never>(),
  federatePortals: false,
  arrangement: 'combined',
  devicePolicy: 'cross-signed',
  policyRooms: [],
  moderationRoom: undefined,
  reportTo: new Set<never>(),
  mostPolicyRooms: 0,
  mayOptIn: () => true,
  attestation: undefined,
  graceMs: 0,
  endPausedMs: 0,
  defaultCountry: undefined,
  pictures: true,
  receiptWaitMs: 1_000,
  retentionMs: 1_000,
  retries: 5,
  missingKeyWaitMs: 1_000,
  lateKeyWaitMs: 86_400_000,
  heldMs: 86_400_000,
  maxFileBytes: 1_000,
  blocked: [],
  requests: { people: 20, messages: 50, waitMs: 1_000_000 },
  transfers: 1,
};

let ids = 0;
async function receive(by: Sender, text: string, over: Partial<IncomingMessage> = {}) {
  ids += 1;
  const message: IncomingMessage = {
    id: `M${ids}` as MessageId,
    from,
    device: by.device,
    alternative: undefined,
    timestamp: 1_000,
    pushName: 'Anna',
    ciphertexts: [await by.encrypt(text)],
    deviceIdentity: undefined,
    offline: false,
    ...over,
  };
  const received = await receiveMessage(context, account, message);
  const portal = received.portal;
  // The user wants every chat here.
  if (portal !== undefined && portal.acceptance.at !== 'accepted') {
    await store.commit([{ change: 'portal.acceptance', portal: portal.id, acceptance: { at: 'accepted' } }]);
  }
  const row = portal && (await store.inbox.find(portal.id, message.id, message.device));
  return { ...received, id: message.id, row };
}

test('a companion is heard on the word of its primary, which is pinned with it', async () => {
  const [phone, client] = [new Sender(0), new Sender(3)];
  const first = await receive(client, 'from the client', { deviceIdentity: client.provenBy(phone) });
  expect(first.row?.state.at).toBe('received');
  const second = await receive(phone, 'from the phone');
  expect(second.row?.state.at).toBe('received');
  const contact = second.portal?.contact ?? ('' as ContactId);
  const trusts = await store.trust.ofContact(account.id, contact);
  expect([...trusts].map(([device, { state }]) => [device, state])).toEqual([
    [0, 'pinned'],
    [3, 'pinned'],
  ]);
});

test('without proof, or with that of a stranger, nothing is shown but a notice, and only in a chat that exists', async () => {
  const [phone, client, stranger] = [new Sender(0), new Sender(3), new Sender(0)];
  expect((await receive(client, 'who am I?')).portal).toBeUndefined();
  const { portal } = await receive(phone, 'hello');
  if (!portal) throw new Error('no chat');
  for (const deviceIdentity of [undefined, client.provenBy(stranger), new Sender(4).provenBy(phone)]) {
    expect((await receive(client, 'let me in', { deviceIdentity })).row).toBeUndefined();
  }
  const notice = await store.inbox.find(portal.id, 'notice:device-unproven:3' as MessageId);
  expect(notice?.isNotice).toBe(true);
  expect(await store.inbox.waiting(portal.id)).toBe(2);
  expect((await receive(client, 'now I may', { deviceIdentity: client.provenBy(phone) })).row).toBeDefined();
});

test('the same id from a second device is the same message', async () => {
  const [phone, client] = [new Sender(0), new Sender(3)];
  const first = await receive(phone, 'one');
  const deviceIdentity = client.provenBy(phone);
  const again = await receive(client, 'another', { id: first.id, deviceIdentity });
  expect(again.row).toBeUndefined();
  expect((await receive(client, 'goes on', { deviceIdentity })).row).toBeDefined();
});

test('a message under a used key is asked for again and not taken for a repetition; a repetition is dropped', async () => {
  const phone = new Sender(0);
  await receive(phone, 'one');
  const sessions = new Map(phone.state.sessions);
  const second = await receive(phone, 'two');
  // The sender forgets that it has sent it, as a client does whose write of the session was lost.
  for (const [peer, session] of sessions) phone.state.sessions.set(peer, session);
  const third = await receive(phone, 'three');
  expect(third).toMatchObject({ askAgain: { count: 1, withKeys: false }, row: { state: { at: 'awaited' } } });
  const repeated = await receive(phone, 'two again', { id: second.id });
  expect(repeated.askAgain).toBeUndefined();
  expect((await receive(phone, 'three, once more', { id: third.id })).row?.state.at).toBe('received');
});

const damaged = async (by: Sender) => {
  const { type, bytes } = await by.encrypt('damaged');
  return { type, bytes: bytes.map((byte, index) => (index === bytes.length - 12 ? byte ^ 1 : byte)) };
};

/** What the portal's worker finds, in order, each dealt with. */
async function waiting(portal: PortalId): Promise<string[]> {
  const found: string[] = [];
  for (let row = await store.inbox.next(portal); row !== undefined; row = await store.inbox.next(portal)) {
    const { state } = row;
    if (state.at !== 'received') return [...found, state.at];
    found.push(
      state.body.kind === 'notice' ? state.body.notice.code : (parseMessage(state.body.payload).conversation ?? ''),
    );
    await store.commit([{ change: 'inbox.state', id: row.id, state: { at: 'done', event: undefined } }]);
  }
  return found;
}

describe('a message that was asked for again', () => {
  let phone: Sender;
  let portal: PortalId;
  let first: Awaited<ReturnType<typeof receive>>;

  beforeEach(async () => {
    phone = new Sender(0);
    const hello = await receive(phone, 'hello');
    if (hello.portal !== undefined) await waiting(hello.portal.id);
    first = await receive(phone, '', { ciphertexts: [await damaged(phone)] });
    portal = first.portal?.id ?? ('' as PortalId);
    await receive(phone, 'after it');
  });

  test('keeps its place', async () => {
    expect(await waiting(portal)).toEqual(['awaited']);
    await receive(phone, 'here it is', { id: first.id });
    expect(await waiting(portal)).toEqual(['here it is', 'after it']);
  });

  test('holds the chat for a while, and comes at the end and marked as late after that', async () => {
    const row = first.row;
    if (row?.state.at !== 'awaited') throw new Error('not awaited');
    const { since } = row.state;
    const holds = new Map();
    const turnAfter = (ms: number, passed: number) => {
      const clock = { ...systemClock, now: () => since + ms, elapsed: () => passed };
      return turnOf(row, 'show', timeLeft({ ...context, clock }, row, holds));
    };
    expect(turnAfter(0, 0)).toEqual({ changes: [], step: { waitMs: 1_000 } });
    expect(turnAfter(400, 400)).toEqual({ changes: [], step: { waitMs: 600 } });
    // Set back by hours, it goes on from there.
    expect(turnAfter(-9_000_000, 700)).toEqual({ changes: [], step: { waitMs: 300 } });
    const turn = turnAfter(-8_999_700, 1_000);
    if (turn === 'show') throw new Error('shown');
    expect(turn.step).toBe('again');
    await store.commit(turn.changes);
    expect(await waiting(portal)).toEqual(['after it']);
    await receive(phone, 'at last', { id: first.id });
    expect(await waiting(portal)).toEqual(['late', 'at last']);
  });

  test('holds nothing up once the user has been told that it cannot be had', async () => {
    for (let more = 0; more < 5; more += 1) {
      await receive(phone, '', { id: first.id, ciphertexts: [await damaged(phone)] });
    }
    expect(await waiting(portal)).toEqual(['after it', 'undecryptable']);
    await receive(phone, 'here all the same', { id: first.id });
    expect(await waiting(portal)).toEqual(['late', 'here all the same']);
  });
});

test('what was asked for again and never comes is told once; what does come is not', async () => {
  const phone = new Sender(0);
  await receive(phone, 'hello');
  const lost = await receive(phone, '', { ciphertexts: [await damaged(phone)] });
  const late = await receive(phone, '', { ciphertexts: [await damaged(phone)] });
  expect([lost.askAgain?.count, late.askAgain?.count]).toEqual([1, 1]);
  const comes = await receive(phone, 'here it is', { id: late.id });
  expect(comes.portal).toBeDefined();

  const at = (ms: number): BridgeContext => ({ ...context, clock: { ...systemClock, now: () => ms } });
  // Somebody sets the clock forward: that is no time in which an answer could have come.
  expect(await giveUpUnanswered(at(1_001 + answerWaitMs))).toEqual([]);
  elapsed.advance(answerWaitMs);
  expect(await giveUpUnanswered(at(1_000 + answerWaitMs))).toEqual([]);
  expect(await giveUpUnanswered(at(1_001 + answerWaitMs))).toEqual([lost.portal?.id]);
  expect(await giveUpUnanswered(at(1_001 + 2 * answerWaitMs))).toEqual([]);
  const portal = lost.portal?.id ?? ('' as PortalId);
  expect((await store.inbox.find(portal, `notice:undecryptable:${lost.id}` as MessageId))?.isNotice).toBe(true);
  expect(await store.inbox.find(portal, `notice:undecryptable:${late.id}` as MessageId)).toBeUndefined();
});

test('a client that was unlinked is not heard again when the network names it with its old proof and an old list', async () => {
  const [phone, client] = [new Sender(0), new Sender(3)];
  const proof = client.provenBy(phone);
  const { portal } = await receive(phone, 'from the phone');
  expect((await receive(client, 'while linked', { deviceIdentity: proof })).row?.state.at).toBe('received');
  const contact = await store.contacts.get(portal?.contact ?? ('' as ContactId));
  if (portal === undefined || contact === undefined) throw new Error('no chat');

  const show = async (companions: readonly Sender[], signedDevices: Uint8Array): Promise<void> => {
    const devices = [phone, ...companions].map(({ device }) => ({ device, keyIndex: device || undefined }));
    const network: Partial<InteropClient> = {
      connected: true,
      lookUp: async () => ({ addresses: [from], devices, signedDevices }),
    };
    // Nothing else is asked of the network.
    const client = network as InteropClient;
    await renewDevices(context, { account, portal, contact, address: from, client });
  };
  await show([client], signedList(phone, 10, client));
  expect((await receive(client, 'still linked', { deviceIdentity: proof })).row?.state.at).toBe('received');
  await show([], signedList(phone, 20));
  await show([client], signedList(phone, 10, client));
  expect((await receive(client, 'unlinked', { deviceIdentity: proof })).row).toBeUndefined();
  await show([client], signedList(client, 30, client));
  expect((await receive(client, 'unlinked still', { deviceIdentity: proof })).row).toBeUndefined();
  // Linked again it takes part again: its session has gone, so it is asked for its message once more.
  await show([client], signedList(phone, 30, client));
  expect((await receive(client, 'linked again', { deviceIdentity: proof })).row?.state.at).toBe('awaited');
});

describe('a network that is busy', () => {
  const busy = async (): Promise<never> => {
    throw new RequestRefused(503);
  };

  async function chatThrough(network: Partial<InteropClient>) {
    const { portal } = await receive(new Sender(0), 'from the phone');
    const contact = portal && (await store.contacts.get(portal.contact));
    if (portal === undefined || contact === undefined) throw new Error('no chat');
    return { account, portal, contact, address: from, client: network as InteropClient };
  }
  const dayAfter = () => ({ ...context, clock: { ...systemClock, now: () => Date.now() + 25 * 60 * 60 * 1000 } });

  test('goes by the devices that it has named, unless it has said that they are others', async () => {
    const devices = [{ device: 0, keyIndex: undefined }];
    const chat = await chatThrough({ lookUp: async () => ({ addresses: [from], devices }) });
    const refused = { ...chat, client: { ...chat.client, lookUp: busy } };
    await expect(refreshDevices(context, refused)).rejects.toMatchObject({ code: 'interop.refused', retry: 'later' });
    await refreshDevices(context, chat);
    await refreshDevices(dayAfter(), refused);
    const list = present(await store.trust.devices(account.id, chat.contact.id));
    await store.commit([
      { change: 'devices.put', account: account.id, contact: chat.contact.id, list: { ...list, checkedAt: 0 } },
    ]);
    await expect(refreshDevices(dayAfter(), refused)).rejects.toMatchObject({ code: 'interop.refused' });
  });

  test('keeps a message from the phone no longer than somebody is patient, where it gives no keys of a client', async () => {
    const chat = await chatThrough({ fetchBundle: busy });
    const reached = (patience: 'patient' | 'impatient') =>
      withDevices(context, chat, (unit, list) => reach(context, chat, unit, list, [0, 3], patience), [3]);
    await expect(reached('patient')).rejects.toMatchObject({ code: 'interop.refused', retry: 'later' });
    expect(await reached('impatient')).toMatchObject({ outcome: 'reached', devices: [0] });
    await withDevices(context, chat, async (unit) => {
      await unit.forget(peerOf(chat, 0));
      await store.commit(unit.changes());
    });
    await expect(reached('impatient')).rejects.toMatchObject({ code: 'interop.refused' });
  });
});
