// A ghost never has the library encrypt with a room key that is over: for that it panics, and does not return.
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, onTestFinished, test, vi } from 'vitest';
import { ClientApi } from '../../src/matrix/client-api.ts';
import { MachineCrypto } from '../../src/matrix/crypto/matrix-crypto.ts';
import { roomKeyUse } from '../../src/matrix/crypto/megolm-index.ts';
import type { ActorId, DeviceId, RoomId, UserId } from '../../src/model/ids.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import type { RoomKeyUse } from '../../src/model/matrix.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { OpenCryptoJournal } from '../../src/store/crypto-journal.ts';
import { KeyServer } from '../bench/stand-in/keys.ts';
import { deviceId, StandInUser } from '../bench/stand-in/user.ts';
import { openTestJournal } from '../support/store.ts';

const ghost = { id: 'ghost' as ActorId, user: '@ghost:example.org' as UserId, device: 'GHOST' as DeviceId };
const room = '!room:example.org' as RoomId;
const user = '@user:example.org' as UserId;
const week = 7 * 24 * 3_600_000;

// Each begins with keys to be made, and a hundred messages are a hundred waits for the disk.
vi.setConfig({ testTimeout: 60_000 });

beforeEach(() => void vi.useFakeTimers({ toFake: ['Date'] }));
afterEach(() => void vi.useRealTimers());

/** A homeserver that keeps keys; `whileKeyTravels` runs before it takes a message to a device. */
async function homeserver(whileKeyTravels: () => void, keys = new KeyServer()): Promise<string> {
  if (keys.masterKey(user) === undefined) await StandInUser.create(user, keys);
  const answer = (path: string, body: JsonObject): JsonObject => {
    if (path.includes('/keys/upload')) return keys.upload(ghost.user, ghost.device, body);
    if (path.includes('/keys/device_signing')) return keys.uploadCrossSigning(ghost.user, body);
    if (path.includes('/keys/signatures')) return keys.uploadSignatures(body);
    if (path.includes('/keys/query')) return keys.query(body);
    if (path.includes('/keys/claim')) return keys.claim(body);
    if (path.includes('/sendToDevice/m.room.encrypted')) whileKeyTravels();
    return {};
  };
  const server = createServer(async (request, response) => {
    const body = (await json(request)) as JsonObject;
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(answer(request.url ?? '', body)));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function open(homeserverUrl: string, journal: OpenCryptoJournal): MachineCrypto {
  return new MachineCrypto({
    api: new ClientApi({ homeserverUrl, asToken: 'token' }),
    journal,
    logger: createLogger({ level: 'silent' }),
    events: { roomKeys: () => undefined, devicesChanged: () => undefined },
    onFatal: (error) => expect.unreachable(String(error)),
    maxOpenMachines: 4,
  });
}

/** Which message of which key came of it. */
async function say(crypto: MachineCrypto): Promise<RoomKeyUse | undefined> {
  const content = { msgtype: 'm.text', body: 'text' };
  const result = await crypto.encrypt(ghost, room, user, undefined, 'cross-signed', 'm.room.message', content);
  return result.outcome === 'encrypted' ? roomKeyUse(result.content) : undefined;
}

const later = (ms: number): void => void vi.setSystemTime(Date.now() + ms);

test.each([
  ['set back', -10_000],
  ['set a week ahead', week],
])('the clock is %s while a new key is on its way: the message goes out under the next key', async (_what, ms) => {
  let times = 0;
  const url = await homeserver(() => {
    times += 1;
    if (times === 1) later(ms);
  });
  const crypto = open(url, await openTestJournal());
  await crypto.publishIdentity(ghost);
  expect(await say(crypto)).toMatchObject({ index: 0 });
  expect(times).toBe(2);
});

test('a clock that is set with every key is an error, for later', async () => {
  const crypto = open(await homeserver(() => later(week)), await openTestJournal());
  await crypto.publishIdentity(ghost);
  await expect(say(crypto)).rejects.toMatchObject({ code: 'crypto.room-key-unsettled', retry: 'later' });
});

test('a key serves for a hundred messages, also where the machine was closed in between', async () => {
  const url = await homeserver(() => undefined);
  const journal = await openTestJournal();
  const uses: (RoomKeyUse | undefined)[] = [];
  for (const count of [30, 80]) {
    const crypto = open(url, journal);
    await crypto.publishIdentity(ghost);
    for (let message = 0; message < count; message += 1) uses.push(await say(crypto));
    await crypto.close();
  }
  expect(uses.map((use) => use?.index)).toEqual(Array.from({ length: 110 }, (_, message) => message % 100));
  expect(new Set(uses.map((use) => use?.session)).size).toBe(2);
});

test.each([
  ['open', false],
  ['closed', true],
])('a key that is a week old is replaced, the machine having been %s meanwhile', async (_what, closes) => {
  const url = await homeserver(() => undefined);
  const journal = await openTestJournal();
  let crypto = open(url, journal);
  await crypto.publishIdentity(ghost);
  const [first, second] = [await say(crypto), await say(crypto)];
  expect(second).toEqual({ session: first?.session, index: 1 });
  if (closes) {
    await crypto.close();
    crypto = open(url, journal);
  }
  later(week);
  const third = await say(crypto);
  expect(third?.index).toBe(0);
  expect(third?.session).not.toBe(first?.session);
});

test('nothing is encrypted for nobody: the device that had the key is gone, and the other one was told before that it gets none', async () => {
  const keys = new KeyServer();
  const standIn = await StandInUser.create(user, keys);
  await standIn.addDeviceWithoutKeys('OTHER');
  const crypto = open(await homeserver(() => undefined, keys), await openTestJournal());
  await crypto.publishIdentity(ghost);
  expect(await say(crypto)).toMatchObject({ index: 0 });
  expect(await crypto.devicesOf(ghost, user, 'cross-signed')).toMatchObject({ eligible: 2 });
  keys.remove(user, deviceId);
  expect(await crypto.devicesOf(ghost, user, 'cross-signed')).toMatchObject({ eligible: 1 });
  expect(await say(crypto)).toBeUndefined();
  expect(await say(crypto)).toBeUndefined();
});
