// The Matrix port against a real Synapse and matrix-js-sdk: who can read what, and what survives a kill.
import { createSecretKey } from 'node:crypto';
import { copyFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  OlmMachine,
  StoreHandle,
  DeviceId as WasmDeviceId,
  UserId as WasmUserId,
} from '@matrix-org/matrix-sdk-crypto-wasm';
import Database from 'better-sqlite3';
import express, { type Router } from 'express';
import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from 'vitest';
import { MatrixUser } from '../../src/demo/matrix-user.ts';
import { freePort, type Synapse, startSynapse } from '../../src/demo/synapse.ts';
import { CryptoDatabases } from '../../src/matrix/crypto/databases.ts';
import { createMatrix, type Matrix } from '../../src/matrix/matrix.ts';
import { generateRegistration, parseRegistration, type Registration } from '../../src/matrix/registration.ts';
import type { Actor } from '../../src/model/contact.ts';
import { type ActorId, botActorId, type DeviceId, type RoomId, type SendId, type UserId } from '../../src/model/ids.ts';
import type { MatrixEvent } from '../../src/model/journal.ts';
import type { MatrixDecryption, PortalRoomSpec } from '../../src/model/matrix.ts';
import type { Logger } from '../../src/observability/logger.ts';
import type { OpenCryptoJournal } from '../../src/store/crypto-journal.ts';
import { openSqliteJournal } from '../../src/store/sqlite/crypto-journal.ts';

const masterKey = new Uint8Array(32).fill(9);
const directory = mkdtempSync(join(tmpdir(), 'matrix-crypto-'));
const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {}, child: () => quiet };

let synapse: Synapse;
let registration: Registration;
let server: Server;
/** The appservice endpoint of the bridge that runs at the moment; undefined: it answers 500. */
let endpoint: Router | undefined;
let refused = () => {};
let sends = 0;
let copies = 0;

/** A bridge reduced to its Matrix port: what is pushed goes to the machines, then to whoever waits for it. */
class Bridge {
  matrix: Matrix;
  readonly journal: OpenCryptoJournal;
  readonly file: string;
  readonly actors: Actor[] = [];
  readonly fatal: Error[] = [];
  readonly roomKeys: RoomId[] = [];
  readonly router: Router;
  readonly #events: MatrixEvent[] = [];
  readonly #create: () => Matrix;
  readonly #waiting = new Set<() => void>();
  #last: Promise<void> = Promise.resolve();

  constructor(file: string, homeserverUrl = synapse.url, maxOpenMachines = 200) {
    this.file = file;
    this.journal = openSqliteJournal(file, createSecretKey(masterKey));
    this.#create = () =>
      createMatrix({
        homeserverUrl,
        registration,
        journal: this.journal,
        logger: quiet,
        events: { roomKeys: (rooms) => void this.roomKeys.push(...rooms), devicesChanged: () => {} },
        onFatal: (error) => void this.fatal.push(error),
        maxOpenMachines,
      });
    this.matrix = this.#create();
    this.router = this.matrix.router({
      store: async ({ body, events }) => {
        this.#last = this.#last.then(async () => {
          await this.matrix.crypto.receive(body, this.actors);
          this.#events.push(...events);
          for (const check of this.#waiting) check();
        });
      },
      reconnected: () => {},
      userExists: async () => false,
    });
  }

  /** What SIGKILL would leave of this bridge, as a new one. The old one is left as it is and never used again. */
  afterKill(homeserverUrl = synapse.url): Bridge {
    const copy = join(directory, `copy-${++copies}.db`);
    for (const suffix of ['', '-wal']) {
      if (existsSync(this.file + suffix)) copyFileSync(this.file + suffix, copy + suffix);
    }
    const bridge = new Bridge(copy, homeserverUrl);
    bridge.actors.push(...this.actors);
    return bridge;
  }

  /** After a clean stop, on the same journal. */
  reopen(): void {
    this.matrix = this.#create();
  }

  async actor(name: string): Promise<Actor> {
    const actor = newActor(name);
    this.actors.push(actor);
    await this.matrix.homeserver.prepare(actor);
    return actor;
  }

  event(accept: (event: MatrixEvent) => boolean): Promise<MatrixEvent> {
    return new Promise((resolve) => {
      const check = (): void => {
        const found = this.#events.find(accept);
        if (found === undefined) return;
        this.#waiting.delete(check);
        resolve(found);
      };
      this.#waiting.add(check);
      check();
    });
  }

  async say(actor: Actor, room: RoomId, to: MatrixUser, text: string, pinned?: string): Promise<void> {
    const { crypto, homeserver } = this.matrix;
    const content = { msgtype: 'm.text', body: text };
    const user = to.userId as UserId;
    const result = await crypto.encrypt(actor, room, user, pinned, 'cross-signed', 'm.room.message', content);
    if (result.outcome !== 'encrypted') throw new Error(result.outcome);
    await homeserver.send(actor, room, result.type, nextSendId(), result.content);
  }

  /** Decrypts what `from` has just sent. */
  async hear(actor: Actor, room: RoomId, from: MatrixUser, text: string): Promise<MatrixDecryption> {
    return this.matrix.crypto.decrypt(actor, await this.sentBy(from, room, text));
  }

  async sentBy(from: MatrixUser, room: RoomId, text: string): Promise<MatrixEvent> {
    const id = await from.sendText(room, text);
    return this.event((event) => event.event_id === id);
  }

  masterKey(actor: Actor, user = actor.user): Promise<string | undefined> {
    return this.matrix.crypto.devicesOf(actor, user, 'cross-signed').then((devices) => devices.masterKey);
  }
}

const nextSendId = (): SendId => `send-${++sends}` as SendId;

function newActor(name: string): Actor {
  const user = (name === 'bot' ? '@wabot:localhost' : `@wa_${name}:localhost`) as UserId;
  return { id: name === 'bot' ? botActorId : (`ghost-${name}` as ActorId), user, device: `DEV${name}` as DeviceId };
}

function portalSpec(invite: MatrixUser, name: string): PortalRoomSpec {
  const content = { bridgebot: '@wabot:localhost', protocol: { id: 'whatsapp' }, channel: { id: name } };
  return {
    name,
    topic: 'WhatsApp',
    invite: invite.userId as UserId,
    federate: false,
    bridgeInfo: { stateKey: `wa:/${name}`, content },
  };
}

async function newUser(name: string, options: { strict?: boolean; withoutCrossSigning?: boolean } = { strict: true }) {
  await synapse.registerUser(name, 'secret');
  return MatrixUser.login({ homeserverUrl: synapse.url, user: name, password: 'secret', ...options });
}

/** A portal of `actor` that `user` has joined. */
async function joinedPortal(bridge: Bridge, actor: Actor, user: MatrixUser, name: string): Promise<RoomId> {
  const room = await bridge.matrix.homeserver.createPortalRoom(actor, portalSpec(user, name));
  await user.waitForInvite(({ roomId }) => roomId === room);
  await user.join(room);
  return room;
}

/** How many to-device messages Synapse keeps for the actor. */
const waitingToDevice = (actor: Actor): unknown =>
  inSynapse('select count(*) from device_inbox where user_id = ?', actor.user);

/** How many transactions with this event Synapse keeps to push again. */
const waitingTransactions = (event: string): unknown =>
  inSynapse("select count(*) from application_services_txns where event_ids like '%' || ? || '%'", event);

function inSynapse(query: string, about: string): unknown {
  const database = new Database(synapse.databasePath, { readonly: true });
  try {
    return database.prepare(query).pluck().get(about);
  } finally {
    database.close();
  }
}

/** Destroys what the actor's machine knows of its sessions with devices. */
async function loseSessions(of: Bridge, actor: Actor): Promise<void> {
  await of.matrix.crypto.close();
  const { rows } = await of.journal.load(actor.id);
  const sessions = rows.filter(({ store }) => store === 'session');
  expect(sessions.length).toBeGreaterThan(0);
  of.journal.append(
    actor.id,
    sessions.map(({ database, store, key }) => ({ op: 'delete', database, store, key })),
  );
  of.reopen();
}

/** Takes so many of the actor's one-time keys, as devices do that begin a session. */
async function claimKeys(actor: Actor, by: MatrixUser, count: number): Promise<void> {
  const body = JSON.stringify({ one_time_keys: { [actor.user]: { [actor.device]: 'signed_curve25519' } } });
  const headers = { authorization: `Bearer ${by.client.getAccessToken()}` };
  for (let taken = 0; taken < count; taken++) {
    const answer = await fetch(`${synapse.url}/_matrix/client/v3/keys/claim`, { method: 'POST', headers, body });
    expect(answer.status).toBe(200);
  }
}

/** Puts every room key of `from` into the store of `actor`, whose machine is closed. */
async function importKeys(into: Bridge, actor: Actor, from: MatrixUser): Promise<void> {
  await into.matrix.crypto.close();
  const databases = new CryptoDatabases(into.journal, (error) => void into.fatal.push(error));
  const { storeName } = await databases.open(actor.id);
  const handle = await StoreHandle.openWithKey(storeName, await into.journal.storeKey(actor.id));
  const olm = await OlmMachine.initFromStore(new WasmUserId(actor.user), new WasmDeviceId(actor.device), handle);
  await olm.importExportedRoomKeys((await from.client.getCrypto()?.exportRoomKeysAsJson()) ?? '', () => {});
  olm.close();
  await databases.close(actor.id);
  into.reopen();
}

const body = (text: string) => (event: { body: string | undefined }) => event.body === text;
const readable = { decryptionFailure: undefined, shield: { color: 'none', reason: undefined } };

let bridge: Bridge;
let anna: Actor;
let user: MatrixUser;
let portal: RoomId;

beforeAll(async () => {
  const port = await freePort();
  const path = join(directory, 'registration.yaml');
  const url = `http://127.0.0.1:${port}`;
  const localparts = { senderLocalpart: 'wa-appservice', botLocalpart: 'wabot', ghostPrefix: 'wa_' };
  const names = { id: 'wa', serverName: 'localhost', ...localparts };
  const yaml = await generateRegistration({ ...names, url });
  writeFileSync(path, yaml);
  registration = parseRegistration(yaml, path);
  const app = express();
  app.use((request, response, next) => {
    if (endpoint !== undefined) {
      endpoint(request, response, next);
    } else {
      response.status(500).json({});
      refused();
    }
  });
  server = createServer(app).listen(port, '127.0.0.1');
  synapse = await startSynapse({ dataDir: join(directory, 'synapse'), registrationPath: path });
  bridge = new Bridge(join(directory, 'journal.db'));
  endpoint = bridge.router;
  anna = await bridge.actor('anna');
  user = await newUser('walter');
});

afterAll(async () => {
  await user?.stop();
  await synapse?.stop();
  server?.close();
  rmSync(directory, { recursive: true, force: true });
});

test('a strict client reads what a ghost wrote before it joined, and after, without a shield', async () => {
  portal = await bridge.matrix.homeserver.createPortalRoom(anna, portalSpec(user, 'anna'));
  await bridge.say(anna, portal, user, 'before you came');
  const invite = await user.waitForInvite(({ roomId }) => roomId === portal);
  expect(invite).toMatchObject({ inviter: anna.user, isDirect: true });
  await user.join(portal);
  expect(await user.waitForMessage(portal, body('before you came'))).toMatchObject(readable);
  await bridge.say(anna, portal, user, 'now that you are here');
  expect(await user.waitForMessage(portal, body('now that you are here'))).toMatchObject(readable);
});

test('the ghost reads the reply, and learns that a cross-signed device sent it', async () => {
  const result = await bridge.hear(anna, portal, user, 'hello Anna');
  expect(result).toMatchObject({
    outcome: 'decrypted',
    type: 'm.room.message',
    content: { body: 'hello Anna' },
    crossSigned: true,
    masterKey: (await user.userTrust(user.userId)).masterKey,
  });
});

test('a portal is ruled by its ghost alone, marked as bridged, and found again', async () => {
  const { homeserver } = bridge.matrix;
  const levels = { events: {}, invite: 0 };
  await expect(user.client.sendStateEvent(portal, 'm.room.power_levels' as never, levels as never)).rejects.toThrow();
  await expect(user.client.sendStateEvent(portal, 'm.room.topic' as never, { topic: 'x' } as never)).rejects.toThrow();
  await expect(user.client.invite(portal, '@wabot:localhost')).rejects.toThrow();
  expect(await user.roomState(portal, 'm.room.create')).toMatchObject({ 'm.federate': false });
  expect(await user.roomState(portal, 'uk.half-shot.bridge', 'wa:/anna')).toMatchObject({ channel: { id: 'anna' } });
  expect(await homeserver.isEncrypted(anna, portal)).toBe(true);
  expect(await homeserver.findPortalRoom(anna, 'wa:/anna')).toBe(portal);
  expect(await homeserver.findPortalRoom(anna, 'wa:/other')).toBeUndefined();
  // Repeating what has been done is no failure.
  await homeserver.invite(anna, portal, user.userId as UserId);
  expect(await homeserver.members(anna, portal)).toEqual(
    new Map([
      [anna.user, 'join'],
      [user.userId, 'join'],
    ]),
  );
});

test('the same send id is the same event', async () => {
  const { homeserver } = bridge.matrix;
  const sendId = nextSendId();
  const once = await homeserver.send(anna, portal, 'm.room.encrypted', sendId, { algorithm: 'x' });
  expect(await homeserver.send(anna, portal, 'm.room.encrypted', sendId, { algorithm: 'x' })).toBe(once);
});

test('after a kill the ghost has the same identity, reads old messages, and goes on', async () => {
  const before = await bridge.masterKey(anna);
  const old = await bridge.sentBy(user, portal, 'said before the kill');
  await bridge.matrix.crypto.decrypt(anna, old);
  const next = bridge.afterKill();
  endpoint = next.router;
  bridge = next;
  await bridge.matrix.homeserver.prepare(anna);
  expect(await bridge.masterKey(anna)).toBe(before);
  expect(await bridge.matrix.crypto.decrypt(anna, old)).toMatchObject({ content: { body: 'said before the kill' } });
  await bridge.say(anna, portal, user, 'back again');
  expect(await user.waitForMessage(portal, body('back again'))).toMatchObject(readable);
  expect(await user.userTrust(anna.user)).toMatchObject({ needsUserApproval: false });
  expect(await bridge.hear(anna, portal, user, 'and I still reach you')).toMatchObject({ crossSigned: true });
});

test('room keys that Synapse dropped while the bridge was away are fetched back', async () => {
  const { crypto, homeserver } = bridge.matrix;
  await user.client.getCrypto()?.forceDiscardSession(portal);
  endpoint = undefined;
  const seen = new Promise<void>((resolve) => {
    refused = resolve;
  });
  const id = await user.sendText(portal, 'are you there?');
  await seen;
  // One that Synapse writes down while it recovers is forgotten until the bridge is away once more (1.163).
  await expect.poll(() => waitingTransactions(id), { timeout: 30_000 }).toBe(1);
  endpoint = bridge.router;
  await homeserver.ping();
  const event = await bridge.event(({ event_id }) => event_id === id);
  expect(await crypto.decrypt(anna, event)).toEqual({ outcome: 'missing-key' });
  bridge.roomKeys.length = 0;
  await crypto.recover(anna);
  expect(await crypto.decrypt(anna, event)).toMatchObject({ content: { body: 'are you there?' }, crossSigned: true });
  expect(bridge.roomKeys).toContain(portal);
  // It is acknowledged, so that the homeserver keeps nothing; and once more, now that there is nothing.
  expect(waitingToDevice(anna)).toBe(0);
  await crypto.recover(anna);
  expect(await bridge.hear(anna, portal, user, 'good')).toMatchObject({ outcome: 'decrypted' });
});

test('a user without cross-signing gets nothing, and what they say is known to be unsigned', async () => {
  const { crypto } = bridge.matrix;
  const unsigned = await newUser('una', { withoutCrossSigning: true });
  try {
    const id = unsigned.userId as UserId;
    const room = await joinedPortal(bridge, anna, unsigned, 'una');
    const content = { msgtype: 'm.text', body: 'x' };
    const encrypt = (policy: 'cross-signed' | 'all') =>
      crypto.encrypt(anna, room, id, undefined, policy, 'm.room.message', content);
    expect(await encrypt('cross-signed')).toEqual({ outcome: 'no-eligible-device' });
    expect(await crypto.devicesOf(anna, id, 'cross-signed')).toEqual({ masterKey: undefined, eligible: 0 });
    expect(await crypto.devicesOf(anna, id, 'all')).toEqual({ masterKey: undefined, eligible: 1 });
    const heard = await bridge.hear(anna, room, unsigned, 'unsigned words');
    expect(heard).toMatchObject({ content: { body: 'unsigned words' }, crossSigned: false });
    expect(await encrypt('all')).toMatchObject({ outcome: 'encrypted' });
  } finally {
    await unsigned.stop();
  }
});

test('a login that its user has not verified neither gets keys nor counts as the user', async () => {
  const { crypto } = bridge.matrix;
  const id = user.userId as UserId;
  const { masterKey } = await crypto.devicesOf(anna, id, 'cross-signed');
  const login = { homeserverUrl: synapse.url, user: 'walter', password: 'secret', withoutCrossSigning: true };
  const intruder = await MatrixUser.login(login);
  try {
    expect(await crypto.devicesOf(anna, id, 'cross-signed')).toEqual({ masterKey, eligible: 1 });
    expect(await crypto.devicesOf(anna, id, 'all')).toEqual({ masterKey, eligible: 2 });
    expect(await bridge.hear(anna, portal, intruder, 'I am Walter')).toMatchObject({ crossSigned: false, masterKey });
    await bridge.say(anna, portal, user, 'for verified devices', masterKey);
    expect(await user.waitForMessage(portal, body('for verified devices'))).toMatchObject(readable);
    const unreadable = ({ decryptionFailure }: { decryptionFailure: string | undefined }) =>
      decryptionFailure !== undefined;
    const seen = (await intruder.messages(portal)).filter(({ sender }) => sender === anna.user);
    expect(seen.length).toBeGreaterThan(0);
    expect(seen.every(unreadable)).toBe(true);
  } finally {
    await intruder.logout();
  }
});

test('a new verified device is heard of while the machine is closed; it counts no more once its owner has removed it', async () => {
  const reopened = bridge.afterKill();
  const login = { homeserverUrl: synapse.url, user: 'walter', password: 'secret' };
  const laptop = await MatrixUser.login({ ...login, recoveryKey: user.recoveryKey ?? '' });
  bridge = reopened;
  endpoint = bridge.router;
  await bridge.say(anna, portal, user, 'to both of you');
  expect(await laptop.waitForMessage(portal, body('to both of you'))).toMatchObject(readable);
  const event = await bridge.sentBy(laptop, portal, 'from my laptop');
  expect(await bridge.matrix.crypto.decrypt(anna, event)).toMatchObject({ crossSigned: true });
  await laptop.logout();
  expect(await bridge.matrix.crypto.devicesOf(anna, user.userId as UserId, 'all')).toMatchObject({ eligible: 1 });
  expect(await bridge.matrix.crypto.decrypt(anna, event)).toMatchObject({
    content: { body: 'from my laptop' },
    crossSigned: false,
  });
});

test('a changed identity is reported before anything is sent to it', async () => {
  const { crypto } = bridge.matrix;
  const rosa = await newUser('rosa');
  try {
    const id = rosa.userId as UserId;
    const room = await joinedPortal(bridge, anna, rosa, 'rosa');
    const pinned = await bridge.masterKey(anna, id);
    await bridge.say(anna, room, rosa, 'to the first identity', pinned);
    await rosa.waitForMessage(room, body('to the first identity'));
    await rosa.resetIdentity();
    const seen = (await rosa.userTrust(rosa.userId)).masterKey;
    expect(seen).not.toBe(pinned);
    // The change of the device list comes by push, some time.
    await expect.poll(() => bridge.masterKey(anna, id)).toBe(seen);
    const content = { msgtype: 'm.text', body: 'x' };
    const result = await crypto.encrypt(anna, room, id, pinned, 'cross-signed', 'm.room.message', content);
    expect(result).toEqual({ outcome: 'identity-changed', seen });
    expect(await bridge.hear(anna, room, rosa, 'it is me')).toMatchObject({ crossSigned: true, masterKey: seen });
    await bridge.say(anna, room, rosa, 'confirmed', seen);
    expect(await rosa.waitForMessage(room, body('confirmed'))).toMatchObject({ decryptionFailure: undefined });
  } finally {
    await rosa.stop();
  }
});

test('a forgotten room can no longer be read; another one of the same ghost can', async () => {
  const { crypto } = bridge.matrix;
  const other = await joinedPortal(bridge, anna, user, 'other');
  await bridge.say(anna, other, user, 'first');
  await user.waitForMessage(other, body('first'));
  const gone = await bridge.sentBy(user, other, 'to be forgotten');
  const kept = await bridge.sentBy(user, portal, 'to be kept');
  expect(await crypto.decrypt(anna, gone)).toMatchObject({ outcome: 'decrypted' });
  const identity = await bridge.masterKey(anna);

  await crypto.forgetRoom(anna, other);
  expect(await crypto.decrypt(anna, gone)).toEqual({ outcome: 'missing-key' });
  expect(await crypto.decrypt(anna, kept)).toMatchObject({ content: { body: 'to be kept' } });
  expect(await bridge.masterKey(anna)).toBe(identity);
  // Not only in memory.
  const replayed = bridge.afterKill();
  expect(await replayed.matrix.crypto.decrypt(anna, gone)).toEqual({ outcome: 'missing-key' });
  expect(await replayed.matrix.crypto.decrypt(anna, kept)).toMatchObject({ outcome: 'decrypted' });
  // A key that came some other way than from the sender's device opens the event, and vouches for nobody.
  await importKeys(replayed, anna, user);
  expect(await replayed.matrix.crypto.decrypt(anna, gone)).toMatchObject({ outcome: 'decrypted', crossSigned: false });
  // The chat may begin anew.
  await bridge.say(anna, other, user, 'second');
  expect(await user.waitForMessage(other, body('second'))).toMatchObject(readable);
});

test('the bot talks in a room that the user made', async () => {
  const { crypto, homeserver } = bridge.matrix;
  const bot = await bridge.actor('bot');
  const room = (await user.createDirectRoom(bot.user)) as RoomId;
  const invitation = await bridge.event(({ room_id, type, state_key }) => {
    return room_id === room && type === 'm.room.member' && state_key === bot.user;
  });
  await homeserver.join(bot, invitation.room_id);
  await homeserver.join(bot, invitation.room_id);
  expect(await homeserver.isEncrypted(bot, room)).toBe(true);
  await user.waitForMembership(room, bot.user, ['join']);
  expect(await bridge.hear(bot, room, user, 'help')).toMatchObject({ content: { body: 'help' }, crossSigned: true });
  await bridge.say(bot, room, user, 'commands: help');
  expect(await user.waitForMessage(room, body('commands: help'))).toMatchObject(readable);
  await homeserver.leave(bot, room);
  await homeserver.leave(bot, room);
  await crypto.forgetRoom(bot, room);
});

test('a journal that cannot be written is fatal, and nothing leaves', async () => {
  const doomed = new Bridge(join(directory, 'doomed.db'));
  const actor = await doomed.actor('doomed');
  const room = await joinedPortal(doomed, actor, user, 'doomed');
  await doomed.journal.close();
  await expect(doomed.say(actor, room, user, 'never')).rejects.toMatchObject({ code: 'crypto.journal-failed' });
  expect(doomed.fatal[0]).toMatchObject({ code: 'crypto.journal-failed' });
});

test('a destroyed ghost has neither device nor keys', async () => {
  const { crypto } = bridge.matrix;
  const dora = await bridge.actor('dora');
  await crypto.destroy(dora);
  expect(await crypto.devicesOf(anna, dora.user, 'all')).toMatchObject({ eligible: 0 });
  expect(await bridge.journal.load(dora.id)).toEqual({ schemas: new Map(), rows: [] });
  await crypto.destroy(dora);
});

test('machines are closed and opened again as their number is limited', async () => {
  const small = new Bridge(join(directory, 'small.db'), synapse.url, 1);
  const first = await small.actor('first');
  const second = await small.actor('second');
  const keys = [await small.masterKey(first), await small.masterKey(second)];
  const again = await Promise.all([first, second, first, second].map((actor) => small.masterKey(actor)));
  expect(again).toEqual([...keys, ...keys]);
  expect(keys[0]).not.toBe(keys[1]);
  await small.matrix.crypto.close();
  expect(small.fatal).toEqual([]);
});

describe('a ghost that cannot open what a device sends it begins another session, so that it hears what is said next', () => {
  /** A chat in which both have spoken: there is a session with the user's device. */
  async function chat(name: string): Promise<{ actor: Actor; room: RoomId }> {
    const actor = await bridge.actor(name);
    const room = await joinedPortal(bridge, actor, user, name);
    await exchange(actor, room);
    return { actor, room };
  }

  async function exchange(actor: Actor, room: RoomId): Promise<void> {
    await bridge.say(actor, room, user, 'can you hear me?');
    await user.waitForMessage(room, body('can you hear me?'));
    expect(await bridge.hear(actor, room, user, 'I can')).toMatchObject({ outcome: 'decrypted' });
  }

  /** Under a room key of its own, which is sent to the ghost's device. */
  async function heardAnew(actor: Actor, room: RoomId): Promise<string> {
    await user.client.getCrypto()?.forceDiscardSession(room);
    return (await bridge.hear(actor, room, user, 'and now?')).outcome;
  }

  test('its sessions are lost', async () => {
    const { actor, room } = await chat('otto');
    await loseSessions(bridge, actor);
    expect(await heardAnew(actor, room)).toBe('missing-key');
    await expect.poll(() => heardAnew(actor, room), { timeout: 30_000 }).toBe('decrypted');
  });

  test('its sessions are older than those of the device, as after a backup was restored', async () => {
    const { actor, room } = await chat('olga');
    const restored = bridge.afterKill();
    await exchange(actor, await joinedPortal(bridge, actor, user, 'olga-2'));
    bridge = restored;
    endpoint = bridge.router;
    expect(await heardAnew(actor, room)).toBe('missing-key');
    // A session that is younger than an hour is not replaced.
    expect(await heardAnew(actor, room)).toBe('missing-key');
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2 * 3_600_000 });
    onTestFinished(() => void vi.useRealTimers());
    expect(await heardAnew(actor, room)).toBe('missing-key');
    await expect.poll(() => heardAnew(actor, room), { timeout: 30_000 }).toBe('decrypted');
  });
});

test('a ghost has fresh one-time keys as soon as the homeserver counts few', async () => {
  const actor = await bridge.actor('olaf');
  const room = await joinedPortal(bridge, actor, user, 'olaf');
  const keys = () => inSynapse('select count(*) from e2e_one_time_keys_json where user_id = ?', actor.user);
  expect(keys()).toBe(50);
  await claimKeys(actor, user, 40);
  expect(keys()).toBe(10);
  await user.sendText(room, 'something is pushed');
  await expect.poll(keys, { timeout: 30_000 }).toBeGreaterThanOrEqual(50);
});

test('after an older backup was restored, one-time keys that the homeserver has under the same ids do not stop the ghost', async () => {
  const actor = await bridge.actor('oskar');
  const room = await joinedPortal(bridge, actor, user, 'oskar');
  const keys = () => inSynapse('select count(*) from e2e_one_time_keys_json where user_id = ?', actor.user);
  await bridge.matrix.crypto.close();
  const restored = bridge.afterKill();
  bridge.reopen();
  await claimKeys(actor, user, 40);
  await user.sendText(room, 'something is pushed');
  await expect.poll(keys, { timeout: 30_000 }).toBeGreaterThanOrEqual(50);
  bridge = restored;
  endpoint = bridge.router;
  const counts = { [actor.user]: { [actor.device]: { signed_curve25519: 5 } } };
  await bridge.matrix.crypto.receive({ 'org.matrix.msc3202.device_one_time_keys_count': counts }, [actor]);
  await bridge.say(actor, room, user, 'still here');
  expect(await user.waitForMessage(room, body('still here'))).toMatchObject(readable);
});

describe('a set-up that is killed', () => {
  /** Passes requests on; the answer to the `last`th is lost, together with all that follow. */
  async function cutOff(last: number): Promise<{ url: string; close: () => void }> {
    let count = 0;
    const proxy = createServer(async (request, response) => {
      const chunks: Buffer[] = [];
      for await (const chunk of request) chunks.push(chunk);
      count += 1;
      if (count > last) return void response.destroy();
      const answer = await fetch(`${synapse.url}${request.url}`, {
        method: request.method ?? 'GET',
        headers: { authorization: request.headers.authorization ?? '' },
        ...(chunks.length > 0 ? { body: Buffer.concat(chunks) } : {}),
      });
      const text = await answer.text();
      if (count === last) return void response.destroy();
      response.writeHead(answer.status).end(text);
    });
    const port = await freePort();
    await new Promise<void>((resolve) => void proxy.listen(port, '127.0.0.1', resolve));
    return { url: `http://127.0.0.1:${port}`, close: () => void proxy.close() };
  }

  test.for([1, 2, 3, 4, 5, 6])('after request %i is finished by the next one', async (last) => {
    const actor = newActor(`cut${last}`);
    const proxy = await cutOff(last);
    const killed = new Bridge(join(directory, `cut-${last}.db`), proxy.url);
    await expect(killed.matrix.homeserver.prepare(actor)).rejects.toMatchObject({ code: 'matrix.unreachable' });
    proxy.close();
    const next = killed.afterKill();
    await next.matrix.homeserver.prepare(actor);
    await next.matrix.homeserver.prepare(actor);
    const room = await joinedPortal(next, actor, user, `cut-${last}`);
    await next.say(actor, room, user, 'here I am');
    expect(await user.waitForMessage(room, body('here I am'))).toMatchObject(readable);
  });
});
