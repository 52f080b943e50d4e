// One room event encrypted for people, or decrypted, by one machine.
import {
  CollectStrategy,
  DecryptionErrorCode,
  DecryptionSettings,
  DeviceId,
  EncryptionSettings,
  HistoryVisibility,
  MegolmDecryptionError,
  ShieldColor,
  ShieldStateCode,
  type ToDeviceRequest,
  TrustRequirement,
  UserId,
} from '@matrix-org/matrix-sdk-crypto-wasm';
import { z } from 'zod';
import type { RoomId as MatrixRoomId, UserId as MatrixUserId } from '../../model/ids.ts';
import type { JsonObject, MatrixEvent } from '../../model/journal.ts';
import type { MatrixDecryption, MatrixEncryption } from '../../model/matrix.ts';
import type { DevicePolicy } from '../../model/trust.ts';
import { passed } from '../../observability/fail-points.ts';
import { devicesOf, follow, masterKeyOf, refresh } from './identity.ts';
import { type Machine, roomId, userIds } from './machine.ts';
import { roomKeyUse } from './megolm-index.ts';

export interface Recipient {
  readonly user: MatrixUserId;
  /** Their pinned master key; undefined where none is. */
  readonly pinned: string | undefined;
}

/** Of several recipients those who have no device that may receive keys are left out. */
export interface EncryptionTask {
  readonly room: MatrixRoomId;
  readonly recipients: readonly Recipient[];
  readonly policy: DevicePolicy;
  readonly type: string;
  readonly content: JsonObject;
}

/** Matrix spec, "m.room.encryption": 100 messages, one week. The library counts in microseconds. */
const rotationMessages = 100n;
const rotationPeriodUs = 7n * 24n * 3_600n * 1_000_000n;
const halfPeriodMs = Number(rotationPeriodUs / 2_000n);
/** Messages for which a key is used without being asked about. */
const servesAtMost = 20;

function settings(policy: DevicePolicy): EncryptionSettings {
  const result = new EncryptionSettings();
  result.rotationPeriodMessages = rotationMessages;
  result.rotationPeriod = rotationPeriodUs;
  result.historyVisibility = HistoryVisibility.Invited;
  result.sharingStrategy =
    policy === 'cross-signed' ? CollectStrategy.identityBasedStrategy() : CollectStrategy.allDevices();
  return result;
}

/** The checks come first: an outcome other than `encrypted` has sent nothing to anybody. */
export async function encryptFor(machine: Machine, task: EncryptionTask): Promise<MatrixEncryption> {
  const { room, recipients, policy } = task;
  const able: MatrixUserId[] = [];
  for (const { user, pinned } of recipients) {
    await follow(machine, user);
    const { masterKey, eligible } = await devicesOf(machine, user, policy);
    if (pinned !== undefined && masterKey !== undefined && masterKey !== pinned) {
      return { outcome: 'identity-changed', seen: masterKey };
    }
    if (eligible > 0 && (pinned === undefined || masterKey !== undefined)) able.push(user);
  }
  if (able.length === 0) return { outcome: 'no-eligible-device' };

  for (const user of able) {
    await machine.recall(`sessions with ${user}`, async () => {
      const claim = await machine.call((olm) => olm.getMissingSessions(userIds([user])));
      if (claim) await machine.send(claim);
    });
  }
  const key = await machine.recall(`key of ${room}`, async () => ({ for: '', serves: 0, begunAt: 0 }));
  const whom = JSON.stringify([able, policy]);
  if (key.for !== whom || key.serves === 0 || !isYoung(key.begunAt)) {
    Object.assign(key, { for: whom, serves: 0 });
    const requests = await shareRoomKey(machine, room, able, policy);
    if (requests === undefined) return { outcome: 'no-eligible-device' };
    for (const request of requests) await machine.send(request);
    if (requests.length > 0) passed('W11-room-key-shared');
  }

  // Without a shared session, or with one that is over, this call would panic and never return: never call it but after `shareRoomKey`.
  const encrypted = await machine.call((olm) =>
    olm.encryptRoomEvent(roomId(room), task.type, JSON.stringify(task.content)),
  );
  const content = jsonObject.parse(JSON.parse(encrypted));
  if (key.serves > 0) key.serves -= 1;
  else Object.assign(key, servesFor(machine, room, content));
  return { outcome: 'encrypted', type: 'm.room.encrypted', content };
}

interface Begun {
  readonly session: string;
  /** By the clock of the machine, as the library counts the age of a key: one from the future is over for it. */
  readonly at: number;
}

/** Which session of each room has begun in this process. */
const begun = new WeakMap<Machine, Map<MatrixRoomId, Begun>>();

const isYoung = (begunAt: number): boolean => Date.now() >= begunAt && Date.now() - begunAt <= halfPeriodMs;

/** For how many more messages a key need not be asked about: while it is known to be far from its end, and nobody's keys have changed. */
function servesFor(
  machine: Machine,
  room: MatrixRoomId,
  content: JsonObject,
): { readonly serves: number; readonly begunAt: number } {
  const use = roomKeyUse(content);
  const rooms = begun.get(machine) ?? new Map<MatrixRoomId, Begun>();
  begun.set(machine, rooms);
  if (use?.index === 0) rooms.set(room, { session: use.session, at: Date.now() });
  const known = rooms.get(room);
  if (use === undefined || known?.session !== use.session || !isYoung(known.at)) return { serves: 0, begunAt: 0 };
  return { serves: Math.min(servesAtMost, Number(rotationMessages) - 1 - use.index), begunAt: known.at };
}

const carriesKey = (request: ToDeviceRequest): boolean => request.event_type === 'm.room.encrypted';

/**
 * Returns the key messages to send, or undefined where no device would get the key: a device without one-time keys is only told that
 * the key is withheld, and the library calls that shared.
 */
async function shareRoomKey(
  machine: Machine,
  room: MatrixRoomId,
  recipients: readonly MatrixUserId[],
  policy: DevicePolicy,
): Promise<ToDeviceRequest[] | undefined> {
  const share = () => machine.call((olm) => olm.shareRoomKey(roomId(room), userIds(recipients), settings(policy)));
  const requests = await share();
  if (requests.length === 0 || requests.some(carriesKey)) return requests;
  // Some device is left out; whether another one had this key before, the library does not say. A new key goes to all.
  await machine.call((olm) => olm.invalidateGroupSession(roomId(room)));
  const anew = await share();
  if (anew.some(carriesKey)) return anew;
  await machine.call((olm) => olm.invalidateGroupSession(roomId(room)));
  return undefined;
}

const jsonObject = z.record(z.string(), z.unknown());
const plainEvent = z.looseObject({ type: z.string(), content: jsonObject });

const failureCodes: Readonly<Record<DecryptionErrorCode, string>> = {
  [DecryptionErrorCode.MissingRoomKey]: 'missing-room-key',
  [DecryptionErrorCode.UnknownMessageIndex]: 'unknown-message-index',
  [DecryptionErrorCode.MismatchedIdentityKeys]: 'mismatched-identity-keys',
  [DecryptionErrorCode.UnknownSenderDevice]: 'unknown-sender-device',
  [DecryptionErrorCode.UnsignedSenderDevice]: 'unsigned-sender-device',
  [DecryptionErrorCode.SenderIdentityVerificationViolation]: 'identity-violation',
  [DecryptionErrorCode.UnableToDecrypt]: 'unable-to-decrypt',
  [DecryptionErrorCode.MismatchedSender]: 'mismatched-sender',
};

/** A device that is not cross-signed is looked up again before it is called so: we may have missed a change. */
export async function decryptFrom(machine: Machine, event: MatrixEvent): Promise<MatrixDecryption> {
  await follow(machine, event.sender);
  const result = await decryptOnce(machine, event);
  if (result.outcome !== 'decrypted' || result.crossSigned) return result;
  await refresh(machine, event.sender);
  return decryptOnce(machine, event);
}

async function decryptOnce(machine: Machine, event: MatrixEvent): Promise<MatrixDecryption> {
  const use = roomKeyUse(event.content);
  try {
    // The lowest requirement: who may speak is decided by the domain, which is told what it needs for that.
    const decrypted = await machine.call((olm) =>
      olm.decryptRoomEvent(
        JSON.stringify(event),
        roomId(event.room_id),
        new DecryptionSettings(TrustRequirement.Untrusted),
      ),
    );
    // Not strict: red or grey unless the session demonstrably came from a device that the sender's identity has signed.
    const shield = decrypted.shieldState(false);
    if (shield.code === ShieldStateCode.MismatchedSender) return { outcome: 'failed', code: 'mismatched-sender' };
    if (use === undefined) return { outcome: 'failed', code: 'malformed' };
    const { type, content } = plainEvent.parse(JSON.parse(decrypted.event));
    const trusted = shield.color === ShieldColor.None && decrypted.forwarder === undefined;
    return {
      outcome: 'decrypted',
      type,
      content,
      crossSigned:
        trusted && (await isSignedNow(machine, event.sender, decrypted.senderDevice, decrypted.senderCurve25519Key)),
      masterKey: await masterKeyOf(machine, event.sender),
      use,
    };
  } catch (error) {
    if (error instanceof z.ZodError || error instanceof SyntaxError) return { outcome: 'failed', code: 'malformed' };
    if (!(error instanceof MegolmDecryptionError)) throw error;
    if (error.code === DecryptionErrorCode.MissingRoomKey) return { outcome: 'missing-key' };
    return { outcome: 'failed', code: failureCodes[error.code] };
  }
}

/**
 * The shield tells what held when the key came. That the device exists and that the identity of today has signed it is asked again:
 * otherwise a homeserver could swap the identity, hand over a key, and swap it back.
 */
async function isSignedNow(
  machine: Machine,
  user: MatrixUserId,
  deviceId: DeviceId | undefined,
  curve25519: string,
): Promise<boolean> {
  if (deviceId === undefined) return false;
  const id = deviceId.toString();
  return machine.recall(`whether ${user} has signed ${id} with ${curve25519}`, async () => {
    const device = await machine.call((olm) => olm.getDevice(new UserId(user), new DeviceId(id), 0));
    return device?.curve25519Key?.toBase64() === curve25519 && device.isCrossSignedByOwner();
  });
}
