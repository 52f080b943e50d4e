// Keys in stanzas: bundles, uploads, counts, and the key nodes that retry receipts share with them (docs/protocol.md).
import { SERVER, sameJid, type UserJid } from '../model/jid.ts';
import type { PreKeyBundle, PublicKeys } from '../model/signal.ts';
import {
  bytesContent,
  child,
  children,
  jidAttribute,
  requireBytes,
  requireChild,
  requireInteger,
  type Stanza,
  StanzaError,
  stanza,
} from './binary/index.ts';

/** Curve25519, in front of keys that stanzas carry without it. */
const KEY_TYPE = 5;
const ID_BYTES = 3;
const REGISTRATION_BYTES = 4;

const request = (type: 'get' | 'set', id: string, content: readonly Stanza[]): Stanza =>
  stanza('iq', { id, to: SERVER, type, xmlns: 'encrypt' }, content);

export const countPreKeysRequest = (id: string): Stanza => request('get', id, [stanza('count')]);

/** Throws StanzaError. */
export function readPreKeyCount(reply: Stanza): number {
  return requireInteger(requireChild(reply, 'count'), 'value');
}

export function uploadKeysRequest(id: string, keys: PublicKeys): Stanza {
  return request('set', id, [
    registrationNode(keys.registrationId),
    typeNode(),
    stanza('identity', {}, keys.identityKey),
    stanza('list', {}, keys.preKeys.map(preKeyNode)),
    signedPreKeyNode(keys.signedPreKey),
  ]);
}

export const rotateSignedPreKeyRequest = (id: string, key: PublicKeys['signedPreKey']): Stanza =>
  request('set', id, [stanza('rotate', {}, [signedPreKeyNode(key)])]);

export const bundleRequest = (id: string, device: UserJid): Stanza =>
  request('get', id, [stanza('key', {}, [stanza('user', { jid: device })])]);

/** Undefined where the network has no keys of this device. Throws StanzaError. */
export function readBundle(reply: Stanza, device: UserJid): PreKeyBundle | undefined {
  const user = children(requireChild(reply, 'list'), 'user').find((candidate) => {
    const jid = jidAttribute(candidate, 'jid');
    return jid !== undefined && sameJid(jid, device);
  });
  if (user === undefined || child(user, 'error')) return undefined;
  return withProof(readKeyNodes(child(user, 'keys') ?? user, readRegistration(user)), user);
}

function withProof(bundle: PreKeyBundle, from: Stanza): PreKeyBundle {
  const deviceIdentity = bundle.deviceIdentity ?? readDeviceIdentity(from);
  return deviceIdentity === undefined ? bundle : { ...bundle, deviceIdentity };
}

/** The proof of a companion device, as it stands in bundles, messages and retry receipts. Throws StanzaError. */
export function readDeviceIdentity(from: Stanza): Uint8Array | undefined {
  const proof = child(from, 'device-identity');
  return proof && bytesContent(proof);
}

/** The keys that a retry receipt offers. */
export function keyNodes(keys: PublicKeys): readonly Stanza[] {
  return [
    typeNode(),
    stanza('identity', {}, keys.identityKey),
    ...keys.preKeys.slice(0, 1).map(preKeyNode),
    signedPreKeyNode(keys.signedPreKey),
  ];
}

/** Reads type, identity, signed pre-key and, if they are there, one-time pre-key and proof from the children. Throws StanzaError. */
export function readKeyNodes(from: Stanza, registrationId: number): PreKeyBundle {
  if (requireBytes(requireChild(from, 'type'), 1)[0] !== KEY_TYPE) throw new StanzaError('wrong-content', 'type');
  const signed = requireChild(from, 'skey');
  const oneTime = child(from, 'key');
  const bundle: PreKeyBundle = {
    registrationId,
    identityKey: requireBytes(requireChild(from, 'identity'), 32),
    signedPreKey: { ...readKey(signed), signature: requireBytes(requireChild(signed, 'signature'), 64) },
    preKey: oneTime && readKey(oneTime),
  };
  return withProof(bundle, from);
}

export function registrationNode(registrationId: number): Stanza {
  return stanza('registration', {}, bigEndian(registrationId, REGISTRATION_BYTES));
}

/** Throws StanzaError. */
export function readRegistration(from: Stanza): number {
  return Buffer.from(requireBytes(requireChild(from, 'registration'), REGISTRATION_BYTES)).readUInt32BE();
}

function readKey(node: Stanza): { readonly id: number; readonly publicKey: Uint8Array } {
  return {
    id: Buffer.from(requireBytes(requireChild(node, 'id'), ID_BYTES)).readUIntBE(0, ID_BYTES),
    publicKey: requireBytes(requireChild(node, 'value'), 32),
  };
}

function preKeyNode({ id, publicKey }: PublicKeys['preKeys'][number]): Stanza {
  return stanza('key', {}, [stanza('id', {}, bigEndian(id, ID_BYTES)), stanza('value', {}, publicKey)]);
}

function signedPreKeyNode({ id, publicKey, signature }: PublicKeys['signedPreKey']): Stanza {
  return stanza('skey', {}, [
    stanza('id', {}, bigEndian(id, ID_BYTES)),
    stanza('value', {}, publicKey),
    stanza('signature', {}, signature),
  ]);
}

const typeNode = (): Stanza => stanza('type', {}, Uint8Array.of(KEY_TYPE));

function bigEndian(value: number, length: number): Uint8Array {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}
