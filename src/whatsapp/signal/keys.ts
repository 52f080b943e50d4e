// The account's own keys: identity, signed pre-keys, one-time pre-keys, and the two forms of a public key.
import { randomInt } from 'node:crypto';
import { IdentityKeyPair, PreKeyRecord, PrivateKey, PublicKey, SignedPreKeyRecord } from '@signalapp/libsignal-client';
import { BridgeError } from '../../model/errors.ts';
import type { KeptSignedPreKey, OneTimePreKey, PublicKeys, SignalIdentity, SignedPreKey } from '../../model/signal.ts';

/** Key ids travel in three bytes; 0 counts as absent for some clients. */
const MAX_KEY_ID = 0xffffff;
/** Identifies an installation, not a secret. 14 bits, the range that every client accepts. */
const MAX_REGISTRATION_ID = 16380;
/** The type byte in front of an X25519 key: stanzas leave it out, Signal messages and our pins have it. */
const DJB_TYPE = 5;

function nextKeyId(id: number): number {
  return (id % MAX_KEY_ID) + 1;
}

/** The id that follows the newest one, unless it is taken: a damaged key keeps its own. */
export function freeKeyId(newestFirst: readonly KeptSignedPreKey[]): number {
  let id = nextKeyId(newestFirst[0]?.id ?? 0);
  while (newestFirst.some((key) => key.id === id)) id = nextKeyId(id);
  return id;
}

export function isWhole(key: KeptSignedPreKey): key is SignedPreKey {
  return key.record !== undefined;
}

/** Reads a public key with (33) or without (32) its type byte. Throws BridgeError `signal.invalid-key`. */
export function publicKey(bytes: Uint8Array): PublicKey {
  try {
    return PublicKey.deserialize(bytes.length === 32 ? Buffer.from([DJB_TYPE, ...bytes]) : Buffer.from(bytes));
  } catch (cause) {
    throw new BridgeError('signal.invalid-key', 'not a public key', { cause });
  }
}

/** Code `signal.invalid-bundle`: keys of somebody that are incomplete, or do not belong together. */
export function invalidBundle(cause: unknown): BridgeError {
  return new BridgeError('signal.invalid-bundle', 'the network handed out keys that do not fit together', {
    userText:
      'The network handed out invalid keys for this contact, so no secure session could be started. Try again later.',
    cause,
  });
}

export function sameKey(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

export function makeIdentity(): SignalIdentity {
  const keyPair = new Uint8Array(IdentityKeyPair.generate().serialize());
  return { keyPair, registrationId: randomInt(1, MAX_REGISTRATION_ID + 1), nextPreKeyId: 1 };
}

export function makeSignedPreKey(identity: SignalIdentity, id: number, createdAt: number): SignedPreKey {
  const key = PrivateKey.generate();
  const signature = keyPairOf(identity).privateKey.sign(key.getPublicKey().serialize());
  const record = SignedPreKeyRecord.new(id, createdAt, key.getPublicKey(), key, signature);
  return { id, record: new Uint8Array(record.serialize()), createdAt };
}

/** Returns `count` keys from `identity.nextPreKeyId` on, and the identity with the id that follows. */
export function makePreKeys(
  identity: SignalIdentity,
  count: number,
): { readonly preKeys: readonly OneTimePreKey[]; readonly identity: SignalIdentity } {
  const preKeys: OneTimePreKey[] = [];
  let id = identity.nextPreKeyId;
  for (; preKeys.length < count; id = nextKeyId(id)) {
    const key = PrivateKey.generate();
    preKeys.push({ id, record: new Uint8Array(PreKeyRecord.new(id, key.getPublicKey(), key).serialize()) });
  }
  return { preKeys, identity: { ...identity, nextPreKeyId: id } };
}

export function keyPairOf(identity: SignalIdentity): IdentityKeyPair {
  return IdentityKeyPair.deserialize(Buffer.from(identity.keyPair));
}

export function publicSignedPreKey(key: SignedPreKey): PublicKeys['signedPreKey'] {
  const record = SignedPreKeyRecord.deserialize(Buffer.from(key.record));
  return { id: key.id, publicKey: raw(record.publicKey()), signature: new Uint8Array(record.signature()) };
}

export function publicKeys(
  identity: SignalIdentity,
  signedPreKey: SignedPreKey,
  preKeys: readonly OneTimePreKey[],
): PublicKeys {
  return {
    registrationId: identity.registrationId,
    identityKey: raw(keyPairOf(identity).publicKey),
    signedPreKey: publicSignedPreKey(signedPreKey),
    preKeys: preKeys.map(({ id, record }) => ({
      id,
      publicKey: raw(PreKeyRecord.deserialize(Buffer.from(record)).publicKey()),
    })),
  };
}

function raw(key: PublicKey): Uint8Array {
  return new Uint8Array(key.getPublicKeyBytes());
}
