// The key that an actor's messages in a room are encrypted with: shared before it is used, and never used when it is over.
import {
  CollectStrategy,
  EncryptionSettings,
  HistoryVisibility,
  type ToDeviceRequest,
} from '@matrix-org/matrix-sdk-crypto-wasm';
import { z } from 'zod';
import { BridgeError } from '../../model/errors.ts';
import type { RoomId, UserId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/journal.ts';
import type { DevicePolicy } from '../../model/trust.ts';
import { passed } from '../../observability/fail-points.ts';
import { type Machine, roomId, userIds } from './machine.ts';
import { roomKeyUse } from './megolm-index.ts';

export interface RoomMessage {
  readonly room: RoomId;
  readonly policy: DevicePolicy;
  readonly type: string;
  readonly content: JsonObject;
}

/** Matrix spec, "m.room.encryption": 100 messages, one week. The library counts in microseconds. */
const rotationMessages = 100n;
const rotationPeriodUs = 7n * 24n * 3_600n * 1_000_000n;
const halfPeriodMs = Number(rotationPeriodUs / 2_000n);

/** Each may find the clock set, or a second over. */
const roundsAtMost = 10;

function settings(policy: DevicePolicy): EncryptionSettings {
  const result = new EncryptionSettings();
  result.rotationPeriodMessages = rotationMessages;
  result.rotationPeriod = rotationPeriodUs;
  result.historyVisibility = HistoryVisibility.Invited;
  result.sharingStrategy =
    policy === 'cross-signed' ? CollectStrategy.identityBasedStrategy() : CollectStrategy.allDevices();
  return result;
}

const jsonObject = z.record(z.string(), z.unknown());

/**
 * Encrypts for these users, who get the key first as far as they have it not; undefined where no device of theirs would get it. With a key
 * that is over the library panics and does not return, so this is the only place that has it encrypt: it has just called the key good, or
 * the key is one that we know to be.
 */
export async function encryptInRoom(
  machine: Machine,
  { room, policy, type, content }: RoomMessage,
  users: readonly UserId[],
): Promise<JsonObject | undefined> {
  const key = await machine.recall(`key of ${room}`, async () => ({ for: '', serves: 0, begunAt: 0 }));
  const whom = JSON.stringify([users, policy]);
  const encrypt = async (): Promise<JsonObject> => {
    const text = await machine.call((olm) => olm.encryptRoomEvent(roomId(room), type, JSON.stringify(content)));
    return jsonObject.parse(JSON.parse(text));
  };
  const isKnown = key.for === whom && key.serves > 0 && isYoung(key.begunAt);
  let sharing: Sharing = 'had-before';
  if (!isKnown) {
    Object.assign(key, { for: whom, serves: 0 });
    sharing = await share(machine, room, users, policy);
    if (sharing === 'to-nobody') return undefined;
  }
  let encrypted = await encrypt();
  // Nobody can have had a key before its first message: a device that was told once that it gets none is passed over without a word.
  if (sharing === 'had-before' && roomKeyUse(encrypted)?.index === 0) {
    await forget(machine, room);
    if ((await share(machine, room, users, policy)) !== 'sent') {
      await forget(machine, room);
      return undefined;
    }
    encrypted = await encrypt();
  }
  if (key.serves > 0) key.serves -= 1;
  else Object.assign(key, servesFor(machine, room, encrypted));
  return encrypted;
}

/** Whether a device was sent the key just now. `had-before`: nothing was left to send. */
type Sharing = 'sent' | 'had-before' | 'to-nobody';

/** The next key of this room is another one. */
async function forget(machine: Machine, room: RoomId): Promise<void> {
  await machine.call((olm) => olm.invalidateGroupSession(roomId(room)));
}

/**
 * Shares until there is nothing left to share. The library counts the age of a key in whole seconds: what it says of a key holds for this
 * second. While a key was on its way the clock may have been set, and for a key from the future, too, it would panic.
 */
async function share(machine: Machine, room: RoomId, users: readonly UserId[], policy: DevicePolicy): Promise<Sharing> {
  let sharing: Sharing = 'had-before';
  for (let round = 0; round < roundsAtMost; round += 1) {
    const second = currentSecond();
    const requests = await shareRoomKey(machine, room, users, policy);
    if (requests === undefined) return 'to-nobody';
    if (requests.length === 0 && currentSecond() === second) return sharing;
    if (requests.some(carriesKey)) sharing = 'sent';
    for (const request of requests) await machine.send(request);
    if (requests.length > 0) passed('W11-room-key-shared');
  }
  throw new BridgeError('crypto.room-key-unsettled', 'a room key was over again as soon as it was shared', {
    retry: 'later',
  });
}

const currentSecond = (): number => Math.floor(Date.now() / 1_000);

interface Begun {
  readonly session: string;
  /** By the clock of the machine, as the library counts the age of a key: one from the future is over for it. */
  readonly at: number;
}

/** Which session of each room has begun in this process. */
const begun = new WeakMap<Machine, Map<RoomId, Begun>>();

const isYoung = (begunAt: number): boolean => Date.now() >= begunAt && Date.now() - begunAt <= halfPeriodMs;

/** For how many more messages a key need not be asked about, as long as nobody's keys change: it has begun here, so its age is known. */
function servesFor(
  machine: Machine,
  room: RoomId,
  encrypted: JsonObject,
): { readonly serves: number; readonly begunAt: number } {
  const use = roomKeyUse(encrypted);
  const rooms = begun.get(machine) ?? new Map<RoomId, Begun>();
  begun.set(machine, rooms);
  if (use?.index === 0) rooms.set(room, { session: use.session, at: Date.now() });
  const known = rooms.get(room);
  if (use === undefined || known?.session !== use.session || !isYoung(known.at)) return { serves: 0, begunAt: 0 };
  return { serves: Number(rotationMessages) - 1 - use.index, begunAt: known.at };
}

const carriesKey = (request: ToDeviceRequest): boolean => request.event_type === 'm.room.encrypted';

/**
 * Returns the key messages to send, or undefined where no device would get the key: a device without one-time keys is only told that
 * the key is withheld, and the library calls that shared.
 */
async function shareRoomKey(
  machine: Machine,
  room: RoomId,
  recipients: readonly UserId[],
  policy: DevicePolicy,
): Promise<ToDeviceRequest[] | undefined> {
  const ask = () => machine.call((olm) => olm.shareRoomKey(roomId(room), userIds(recipients), settings(policy)));
  const requests = await ask();
  if (requests.length === 0 || requests.some(carriesKey)) return requests;
  // Some device is left out; whether another one had this key before, the library does not say. A new key goes to all.
  await forget(machine, room);
  const anew = await ask();
  if (anew.some(carriesKey)) return anew;
  await forget(machine, room);
  return undefined;
}
