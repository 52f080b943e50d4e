// One room event encrypted for people, or decrypted, by one machine.
import {
  DecryptionErrorCode,
  DecryptionSettings,
  DeviceId,
  MegolmDecryptionError,
  ShieldColor,
  ShieldStateCode,
  TrustRequirement,
  UserId,
} from '@matrix-org/matrix-sdk-crypto-wasm';
import { z } from 'zod';
import type { RoomId as MatrixRoomId, UserId as MatrixUserId } from '../../model/ids.ts';
import type { JsonObject, MatrixEvent } from '../../model/journal.ts';
import type { MatrixDecryption, MatrixEncryption } from '../../model/matrix.ts';
import type { DevicePolicy } from '../../model/trust.ts';
import { devicesOf, follow, masterKeyOf, refresh } from './identity.ts';
import { type Machine, roomId, userIds } from './machine.ts';
import { roomKeyUse } from './megolm-index.ts';
import { encryptInRoom } from './own-room-key.ts';

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

/** The checks come first: an outcome other than `encrypted` has sent nothing to anybody. */
export async function encryptFor(machine: Machine, task: EncryptionTask): Promise<MatrixEncryption> {
  const { recipients, policy } = task;
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
  const content = await encryptInRoom(machine, task, able);
  if (content === undefined) return { outcome: 'no-eligible-device' };
  return { outcome: 'encrypted', type: 'm.room.encrypted', content };
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
