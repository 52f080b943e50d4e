// Proof of companion devices (ADV): the primary device signs a companion's identity key, the companion signs back.
// Prefixes and byte layout as Baileys verifies them when it is linked (docs/protocol.md).
import type { DeviceProof } from '../model/interop.ts';
import { type AdvSignedDeviceIdentity, AdvSignedDeviceIdentitySchema } from '../proto/adv_pb.ts';
import { decodeProto, ProtoError } from '../proto/decode.ts';
import { publicKey, sameKey } from './signal/keys.ts';

const ACCOUNT_PREFIX = Uint8Array.of(6, 0);
const DEVICE_PREFIX = Uint8Array.of(6, 1);
const RAW_KEY_BYTES = 32;
const SIGNATURE_BYTES = 64;

/**
 * Verifies a serialised ADVSignedDeviceIdentity for a companion's identity key. Keys are 33 bytes. The primary's key is the pinned one; if
 * the proof names a key, it must be that one. Without a pinned key the named one is taken: trust on first use. The device's own
 * signature is verified where there is one: it is the primary's that vouches.
 */
export function proveDevice(
  deviceIdentity: Uint8Array,
  companionKey: Uint8Array,
  primaryKey: Uint8Array | undefined,
): DeviceProof {
  const signed = decode(deviceIdentity);
  if (signed === undefined) return { outcome: 'unproven', why: 'malformed' };
  const { details, accountSignature, accountSignatureKey, deviceSignature } = signed;
  if (accountSignatureKey && accountSignatureKey.length !== RAW_KEY_BYTES) {
    return { outcome: 'unproven', why: 'malformed' };
  }
  const named = accountSignatureKey && Uint8Array.of(5, ...accountSignatureKey);
  const primary = primaryKey ?? named;
  if (primary === undefined) return { outcome: 'unproven', why: 'no-primary' };
  if (named && !sameKey(named, primary)) return { outcome: 'unproven', why: 'other-primary' };
  const companion = companionKey.subarray(1);
  if (!verify(primary, [ACCOUNT_PREFIX, details, companion], accountSignature)) {
    return { outcome: 'unproven', why: 'account-signature' };
  }
  const message = [DEVICE_PREFIX, details, companion, primary.subarray(1)];
  if (deviceSignature && !verify(companionKey, message, deviceSignature)) {
    return { outcome: 'unproven', why: 'device-signature' };
  }
  return { outcome: 'proven', primaryKey: primary };
}

type Signed = { readonly details: Uint8Array; readonly accountSignature: Uint8Array } & Pick<
  AdvSignedDeviceIdentity,
  'accountSignatureKey' | 'deviceSignature'
>;

function decode(bytes: Uint8Array): Signed | undefined {
  try {
    const decoded = decodeProto(AdvSignedDeviceIdentitySchema, bytes);
    const { details, accountSignature, accountSignatureKey, deviceSignature } = decoded;
    return details && accountSignature && { details, accountSignature, accountSignatureKey, deviceSignature };
  } catch (error) {
    if (error instanceof ProtoError) return undefined;
    throw error;
  }
}

function verify(key: Uint8Array, message: readonly Uint8Array[], signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && publicKey(key).verify(Buffer.concat(message), Buffer.from(signature));
}
