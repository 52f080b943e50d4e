// How an account's primary device vouches for its companions (ADV), byte by byte: docs/protocol.md, and linking in docs/sandbox.md.
import { createHmac } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import {
  AdvDeviceIdentitySchema,
  AdvKeyIndexListSchema,
  AdvSignedDeviceIdentityHmacSchema,
  AdvSignedDeviceIdentitySchema,
  AdvSignedKeyIndexListSchema,
} from '../proto/adv_pb.ts';
import { decodeProto } from '../proto/decode.ts';
import { verify } from '../whatsapp/noise/index.ts';

/** What is signed starts with two bytes that say what the signature is for. */
const ACCOUNT_SIGNATURE = Uint8Array.of(6, 0);
const DEVICE_SIGNATURE = Uint8Array.of(6, 1);
const KEY_INDEX_LIST_SIGNATURE = Uint8Array.of(6, 2);

/** The primary device's identity key, and signatures (XEdDSA) with its private half. */
export interface AccountSigner {
  readonly identityKey: Uint8Array;
  /** The same number in everything that one installation of the primary device signs. */
  readonly rawId: number;
  sign(message: Uint8Array): Uint8Array;
}

/** Serialised AdvSignedDeviceIdentity without the companion's own signature. `timestamp` in Unix seconds. */
export function vouch(
  by: AccountSigner,
  { keyIndex, timestamp, identityKey }: { keyIndex: number; timestamp: number; identityKey: Uint8Array },
): Uint8Array {
  const identity = create(AdvDeviceIdentitySchema, { rawId: by.rawId, timestamp: BigInt(timestamp), keyIndex });
  const details = toBinary(AdvDeviceIdentitySchema, identity);
  const accountSignature = by.sign(Buffer.concat([ACCOUNT_SIGNATURE, details, identityKey]));
  const signed = { details, accountSignatureKey: by.identityKey, accountSignature };
  return toBinary(AdvSignedDeviceIdentitySchema, create(AdvSignedDeviceIdentitySchema, signed));
}

/** The same under the secret of the QR code: only the client that showed it accepts it. */
export function sealDeviceIdentity(details: Uint8Array, advSecret: Uint8Array): Uint8Array {
  const hmac = createHmac('sha256', advSecret).update(details).digest();
  return toBinary(AdvSignedDeviceIdentityHmacSchema, create(AdvSignedDeviceIdentityHmacSchema, { details, hmac }));
}

/**
 * The whole chain, serialised with the account's key: what the primary device signed and the companion has countersigned.
 * Undefined if `countersigned` speaks of something else or its signature does not hold. Throws ProtoError.
 */
export function completeDeviceIdentity(
  vouched: Uint8Array,
  countersigned: Uint8Array,
  identityKey: Uint8Array,
): Uint8Array | undefined {
  const own = decodeProto(AdvSignedDeviceIdentitySchema, vouched);
  const { details, deviceSignature } = decodeProto(AdvSignedDeviceIdentitySchema, countersigned);
  const { accountSignatureKey = new Uint8Array() } = own;
  if (!details || !deviceSignature || !own.details || !Buffer.from(own.details).equals(details)) return undefined;
  const signed = Buffer.concat([DEVICE_SIGNATURE, details, identityKey, accountSignatureKey]);
  if (!verify(identityKey, signed, deviceSignature)) return undefined;
  return toBinary(AdvSignedDeviceIdentitySchema, { ...own, deviceSignature });
}

/** What a companion does with what was vouched for it: the whole chain with its own signature. */
export function countersign(
  vouched: Uint8Array,
  identityKey: Uint8Array,
  sign: (message: Uint8Array) => Uint8Array,
): Uint8Array {
  const own = decodeProto(AdvSignedDeviceIdentitySchema, vouched);
  const { details = new Uint8Array(), accountSignatureKey = new Uint8Array() } = own;
  const deviceSignature = sign(Buffer.concat([DEVICE_SIGNATURE, details, identityKey, accountSignatureKey]));
  return toBinary(AdvSignedDeviceIdentitySchema, { ...own, deviceSignature });
}

/** Serialised AdvSignedKeyIndexList: which key indexes are in force. `timestamp` in Unix seconds. */
export function signKeyIndexList(by: AccountSigner, validIndexes: readonly number[], timestamp: number): Uint8Array {
  const list = create(AdvKeyIndexListSchema, {
    rawId: by.rawId,
    timestamp: BigInt(timestamp),
    currentIndex: Math.max(0, ...validIndexes),
    validIndexes: [0, ...validIndexes],
  });
  const details = toBinary(AdvKeyIndexListSchema, list);
  const accountSignature = by.sign(Buffer.concat([KEY_INDEX_LIST_SIGNATURE, details]));
  const signed = { details, accountSignature, accountSignatureKey: by.identityKey };
  return toBinary(AdvSignedKeyIndexListSchema, create(AdvSignedKeyIndexListSchema, signed));
}
