// An actor's own keys on the homeserver (device, cross-signing), and other users' as the machine knows them.
import { type Device, RequestType, UserId } from '@matrix-org/matrix-sdk-crypto-wasm';
import { z } from 'zod';
import { BridgeError } from '../../model/errors.ts';
import type { UserId as MatrixUserId } from '../../model/ids.ts';
import type { JsonObject } from '../../model/journal.ts';
import type { UserDevices } from '../../model/matrix.ts';
import type { DevicePolicy } from '../../model/trust.ts';
import { request } from '../client-request.ts';
import { type Machine, userIds } from './machine.ts';

const publicKeys = z.object({ keys: z.record(z.string(), z.string()) });

/** The user's master key (unpadded base64), as the machine last saw it. */
export function masterKeyOf(machine: Machine, user: MatrixUserId): Promise<string | undefined> {
  return machine.recall(`master key of ${user}`, async () => {
    const identity = await machine.call((olm) => olm.getIdentity(new UserId(user)));
    if (identity === undefined) return undefined;
    return Object.values(publicKeys.parse(JSON.parse(identity.masterKey)).keys)[0];
  });
}

/** Makes sure that the machine knows the user's devices, asking the homeserver where they are new or out of date. */
export function follow(machine: Machine, user: MatrixUserId): Promise<void> {
  return machine.recall(`following ${user}`, async () => {
    await machine.call((olm) => olm.updateTrackedUsers(userIds([user])));
    await machine.sendOutgoing();
  });
}

/** Asks the homeserver for the user's devices now. */
export async function refresh(machine: Machine, user: MatrixUserId): Promise<void> {
  await machine.call((olm) => olm.updateTrackedUsers(userIds([user])));
  const sent = await machine.sendOutgoing();
  // An extra query would not count as the one that is due: the machine would go on waiting for that.
  const asked = sent.some(({ type, body }) => type === RequestType.KeysQuery && body.includes(`"${user}"`));
  if (!asked) await machine.send(machine.olm.queryKeysForUsers(userIds([user])));
}

export function devicesOf(machine: Machine, user: MatrixUserId, policy: DevicePolicy): Promise<UserDevices> {
  return machine.recall(`devices of ${user}, ${policy}`, async () => {
    const devices = (await machine.call((olm) => olm.getUserDevices(new UserId(user), 0))).devices();
    const isEligible = (device: Device): boolean =>
      !device.isDeleted() && !device.isBlacklisted() && (policy === 'all' || device.isCrossSignedByOwner());
    return { masterKey: await masterKeyOf(machine, user), eligible: devices.filter(isEligible).length };
  });
}

/**
 * Publishes the actor's device keys and its cross-signing identity as far as the homeserver has them not. Repeatable: an identity that
 * was made before is published again, never made anew. An appservice needs no interactive authentication for it (docs/protocol.md).
 */
export async function publishIdentity(machine: Machine, existed: boolean): Promise<void> {
  const requests = await machine.call((olm) => olm.bootstrapCrossSigning(false));
  const { uploadKeysRequest, uploadSigningKeysRequest, uploadSignaturesRequest } = requests;
  if (existed && (await isPublished(machine, uploadSigningKeysRequest.body))) return;
  // In this order the device's upload carries its signature already, and nothing has to be asked in between.
  if (uploadKeysRequest !== undefined) await machine.send(uploadKeysRequest);
  await machine.post(request('POST keys/device_signing/upload', {}, { body: uploadSigningKeysRequest.body }));
  const { failures } = await machine.send(uploadSignaturesRequest);
  if (typeof failures === 'object' && failures !== null && Object.keys(failures).length > 0) {
    throw new BridgeError('crypto.signature-refused', 'the homeserver refused a cross-signing signature');
  }
}

const signed = publicKeys.extend({ signatures: z.record(z.string(), z.record(z.string(), z.string())) });
const published = z.object({
  device_keys: z.record(z.string(), z.record(z.string(), signed)),
  master_keys: z.record(z.string(), publicKeys),
  self_signing_keys: z.record(z.string(), publicKeys),
});

const identity = z.object({ master_key: publicKeys, self_signing_key: publicKeys });
const firstKey = (keys: z.infer<typeof publicKeys> | undefined) => Object.values(keys?.keys ?? {})[0];

/** Whether the homeserver has this device with these keys, signed by the identity of this upload. */
async function isPublished(machine: Machine, upload: string): Promise<boolean> {
  const { user, device } = machine.actor;
  const own = identity.parse(JSON.parse(upload));
  const body: JsonObject = { device_keys: { [user]: [device] } };
  const answer = published.safeParse(await machine.post(request('POST keys/query', {}, { body })));
  if (!answer.success) return false;
  const { device_keys: devices, master_keys: masters, self_signing_keys: selfSigning } = answer.data;
  const keys = devices[user]?.[device];
  return (
    firstKey(masters[user]) === firstKey(own.master_key) &&
    firstKey(selfSigning[user]) === firstKey(own.self_signing_key) &&
    keys?.keys[`ed25519:${device}`] === machine.olm.identityKeys.ed25519.toBase64() &&
    keys.signatures[user]?.[`ed25519:${firstKey(own.self_signing_key)}`] !== undefined
  );
}
