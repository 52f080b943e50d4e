// Sealing: AES-256-GCM for everything at rest that holds content or keys, bound to the place where it is stored.
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomBytes,
} from 'node:crypto';
import { damaged } from './errors.ts';

/** A 256-bit key that does not show in logs. */
export type DataKey = KeyObject;

/** Where a value lives. It cannot be opened anywhere else. */
export type Place = readonly [table: string, column: string, ...row: (string | number)[]];

const VERSION = 1;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + NONCE_BYTES;

export const newDataKey = (): DataKey => createSecretKey(randomBytes(32));

/** Returns version (1 byte), random nonce (12), ciphertext, tag (16). Text is sealed as UTF-8. */
export function seal(key: DataKey, place: Place, plain: Uint8Array | string): Buffer {
  const nonce = randomBytes(NONCE_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, nonce);
  cipher.setAAD(associatedData(place));
  const body = typeof plain === 'string' ? Buffer.from(plain) : plain;
  return Buffer.concat([Buffer.of(VERSION), nonce, cipher.update(body), cipher.final(), cipher.getAuthTag()]);
}

/** Throws BridgeError `store.sealed` for a value that was altered, comes from another place or was sealed under another key. */
export function unseal(key: DataKey, place: Place, sealed: Uint8Array): Buffer {
  if (sealed.length < HEADER_BYTES + TAG_BYTES || sealed[0] !== VERSION) throw damaged(place[0]);
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(1, HEADER_BYTES));
  decipher.setAAD(associatedData(place));
  decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
  try {
    return Buffer.concat([decipher.update(sealed.subarray(HEADER_BYTES, -TAG_BYTES)), decipher.final()]);
  } catch (error) {
    throw damaged(place[0], error);
  }
}

export function unsealText(key: DataKey, place: Place, sealed: Uint8Array): string {
  return unseal(key, place, sealed).toString();
}

export const sealJson = (key: DataKey, place: Place, value: unknown): Buffer => seal(key, place, JSON.stringify(value));

/** What is sealed was written by us and has not changed since: its type is the caller's word for what was put in. */
export function unsealJson<Value>(key: DataKey, place: Place, sealed: Uint8Array): Value {
  return JSON.parse(unsealText(key, place, sealed));
}

/** Moves a sealed value to another place or key. */
export function reseal(
  sealed: Uint8Array,
  from: { readonly key: DataKey; readonly place: Place },
  to: { readonly key: DataKey; readonly place: Place },
): Buffer {
  return seal(to.key, to.place, unseal(from.key, from.place, sealed));
}

/** Returns what stands for `text` in a lookup column: equal for equal text, and says nothing without the key. */
export function lookupHash(key: DataKey, ...text: string[]): Buffer {
  return createHmac('sha256', key).update(JSON.stringify(text)).digest();
}

function associatedData(place: Place): Buffer {
  return Buffer.from(JSON.stringify(place));
}
