// How keys are written in stanzas: uploads, bundles, and the keys inside retry receipts.
import { child, requireBytes, requireChild, type Stanza, stanza } from '../whatsapp/binary/index.ts';
import type { Bundle, OneTimeKey, SignedKey } from './pre-keys.ts';

const KEY_TYPE = Uint8Array.of(5);

/** Children of a user in a key answer; compare keysContent. `deviceIdentity` is there for linked clients. */
export function bundleContent(bundle: Bundle, deviceIdentity: Uint8Array | undefined): Stanza[] {
  return [
    stanza('registration', {}, integerBytes(bundle.registrationId, 4)),
    ...keysContent(bundle),
    ...(deviceIdentity?.length ? [stanza('device-identity', {}, deviceIdentity)] : []),
  ];
}

/** Children of `<keys>` in a retry receipt, where the registration id stands outside. */
export function keysContent({ identityKey, signedPreKey, preKey }: Omit<Bundle, 'registrationId'>): Stanza[] {
  return [
    stanza('type', {}, KEY_TYPE),
    stanza('identity', {}, identityKey),
    ...(preKey ? [keyStanza('key', preKey)] : []),
    signedKeyStanza(signedPreKey),
  ];
}

export function readBundle(of: Stanza, registration: Stanza): Bundle {
  const key = child(of, 'key');
  return {
    registrationId: Buffer.from(requireBytes(registration, 4)).readUInt32BE(),
    identityKey: requireBytes(requireChild(of, 'identity'), 32),
    signedPreKey: readSignedKey(requireChild(of, 'skey')),
    preKey: key && readKey(key),
  };
}

export function keyStanza(tag: 'key' | 'skey', key: OneTimeKey, more: readonly Stanza[] = []): Stanza {
  return stanza(tag, {}, [stanza('id', {}, integerBytes(key.id, 3)), stanza('value', {}, key.publicKey), ...more]);
}

export function signedKeyStanza(key: SignedKey): Stanza {
  return keyStanza('skey', key, [stanza('signature', {}, key.signature)]);
}

export function integerBytes(value: number, length: 3 | 4): Uint8Array {
  const bytes = Buffer.alloc(length);
  bytes.writeUIntBE(value, 0, length);
  return bytes;
}

export function readKey(key: Stanza): OneTimeKey {
  const id = Buffer.from(requireBytes(requireChild(key, 'id'), 3)).readUIntBE(0, 3);
  return { id, publicKey: requireBytes(requireChild(key, 'value'), 32) };
}

export function readSignedKey(key: Stanza): SignedKey {
  return { ...readKey(key), signature: requireBytes(requireChild(key, 'signature'), 64) };
}
