// Proof of companion devices (ADV): the primary device signs a companion's identity key, the companion signs back, and the primary signs
// which of them are linked.
// Prefixes and byte layout as Baileys verifies them when it is linked (docs/protocol.md).
import type { DescMessage, MessageShape } from '@bufbuild/protobuf';
import type { DeviceProof } from '../model/interop.ts';
import type { LinkedDevice, SignedDevices } from '../model/trust.ts';
import {
  AdvDeviceIdentitySchema,
  AdvKeyIndexListSchema,
  type AdvSignedDeviceIdentity,
  AdvSignedDeviceIdentitySchema,
  AdvSignedKeyIndexListSchema,
} from '../proto/adv_pb.ts';
import { decodeProto, ProtoError } from '../proto/decode.ts';
import { publicKey, sameKey } from './signal/keys.ts';

const ACCOUNT_PREFIX = Uint8Array.of(6, 0);
const DEVICE_PREFIX = Uint8Array.of(6, 1);
const LIST_PREFIX = Uint8Array.of(6, 2);
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
  const link = readDetails(details);
  return link === undefined
    ? { outcome: 'unproven', why: 'malformed' }
    : { outcome: 'proven', primaryKey: primary, link };
}

/** Verifies a serialised ADVSignedKeyIndexList by the primary's identity key, 33 bytes. Undefined where it does not hold. */
export function readSignedDevices(signedList: Uint8Array, primaryKey: Uint8Array): SignedDevices | undefined {
  const { details, accountSignature, accountSignatureKey } = decoded(AdvSignedKeyIndexListSchema, signedList) ?? {};
  if (!details || !accountSignature) return undefined;
  if (accountSignatureKey && !sameKey(Uint8Array.of(5, ...accountSignatureKey), primaryKey)) return undefined;
  if (!verify(primaryKey, [LIST_PREFIX, details], accountSignature)) return undefined;
  const list = decoded(AdvKeyIndexListSchema, details);
  // 0 is the primary itself.
  const valid = list?.validIndexes.filter((index) => index > 0) ?? [];
  return list && { timestamp: Number(list.timestamp ?? 0n), valid };
}

function readDetails(details: Uint8Array): LinkedDevice | undefined {
  const identity = decoded(AdvDeviceIdentitySchema, details);
  return identity && { keyIndex: identity.keyIndex ?? 0, timestamp: Number(identity.timestamp ?? 0n) };
}

type Signed = { readonly details: Uint8Array; readonly accountSignature: Uint8Array } & Pick<
  AdvSignedDeviceIdentity,
  'accountSignatureKey' | 'deviceSignature'
>;

function decode(bytes: Uint8Array): Signed | undefined {
  const { details, accountSignature, accountSignatureKey, deviceSignature } =
    decoded(AdvSignedDeviceIdentitySchema, bytes) ?? {};
  return details && accountSignature && { details, accountSignature, accountSignatureKey, deviceSignature };
}

/** Undefined where that is none. */
function decoded<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> | undefined {
  try {
    return decodeProto(schema, bytes);
  } catch (error) {
    if (error instanceof ProtoError) return undefined;
    throw error;
  }
}

function verify(key: Uint8Array, message: readonly Uint8Array[], signature: Uint8Array): boolean {
  return signature.length === SIGNATURE_BYTES && publicKey(key).verify(Buffer.concat(message), Buffer.from(signature));
}
