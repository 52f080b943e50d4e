// Proof of companion devices, judged by Baileys' own pairing code: what it signs we accept, what anybody changes we do not.
import { createHmac, randomBytes } from 'node:crypto';
import { create, toBinary } from '@bufbuild/protobuf';
import { Curve, configureSuccessfulPairing, encodeSignedDeviceIdentity, proto } from '@whiskeysockets/baileys';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { AdvSignedDeviceIdentitySchema } from '../../src/proto/adv_pb.ts';
import { decodeProto } from '../../src/proto/decode.ts';
import { proveDevice, readSignedDevices } from '../../src/whatsapp/adv.ts';

const typed = (key: Uint8Array): Uint8Array => Uint8Array.of(5, ...key);
const primary = Curve.generateKeyPair();
const companion = Curve.generateKeyPair();
const stranger = Curve.generateKeyPair();

/** Links `companion` to `primary`: the phone's part by Baileys' curve, the companion's by its pairing code. */
function link(details = { rawId: 7, timestamp: 1_700_000_000, keyIndex: 2 }, withKey = true): Uint8Array {
  const encoded = proto.ADVDeviceIdentity.encode(details).finish();
  const accountSignature = Curve.sign(primary.private, Buffer.concat([Uint8Array.of(6, 0), encoded, companion.public]));
  const signed = { details: encoded, accountSignature, accountSignatureKey: primary.public };
  const inner = proto.ADVSignedDeviceIdentity.encode(signed).finish();
  const secret = randomBytes(32);
  const hmac = createHmac('sha256', secret).update(inner).digest();
  const content = proto.ADVSignedDeviceIdentityHMAC.encode({ details: inner, hmac }).finish();
  const node = (tag: string, attrs: Record<string, string>, children?: unknown) => ({ tag, attrs, content: children });
  const device = node('device', { jid: '31600000001:2@s.whatsapp.net', lid: '100:2@lid' });
  const pairing = node('pair-success', {}, [node('device-identity', {}, content), device]);
  const stanza = node('iq', { id: '1' }, [pairing]) as Parameters<typeof configureSuccessfulPairing>[0];
  const { creds } = configureSuccessfulPairing(stanza, {
    advSecretKey: secret.toString('base64'),
    signedIdentityKey: companion,
    signalIdentities: [],
  });
  if (!creds.account) throw new Error('Baileys kept no account');
  return new Uint8Array(encodeSignedDeviceIdentity(creds.account, withKey));
}

const prove = (bytes: Uint8Array, { by = primary.public as Uint8Array | undefined, of = companion.public } = {}) =>
  proveDevice(bytes, typed(of), by && typed(by));

test('what Baileys presents is proven by the pinned primary, with and without the key in it', () => {
  const number = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  fc.assert(
    fc.property(
      number,
      number,
      fc.integer({ min: 1, max: 250 }),
      fc.boolean(),
      (rawId, timestamp, keyIndex, withKey) => {
        const proof = prove(link({ rawId, timestamp, keyIndex }, withKey));
        const linked = { keyIndex, timestamp };
        expect(proof).toEqual({ outcome: 'proven', primaryKey: typed(primary.public), link: linked });
      },
    ),
    { numRuns: 20 },
  );
});

test('without a pinned primary the key in the proof is taken; without that there is none', () => {
  expect(proveDevice(link(), typed(companion.public), undefined)).toMatchObject({ primaryKey: typed(primary.public) });
  expect(proveDevice(link(undefined, false), typed(companion.public), undefined)).toMatchObject({ why: 'no-primary' });
});

test('another primary, another companion, and a chain that another primary has signed prove nothing', () => {
  expect(prove(link(), { by: stranger.public })).toEqual({ outcome: 'unproven', why: 'other-primary' });
  expect(prove(link(undefined, false), { by: stranger.public })).toMatchObject({ why: 'account-signature' });
  expect(prove(link(), { of: stranger.public })).toMatchObject({ why: 'account-signature' });
});

test('a device signature that is not the companion’s proves nothing, though the primary vouches', () => {
  const signed = decodeProto(AdvSignedDeviceIdentitySchema, link());
  const forged = Curve.sign(stranger.private, Buffer.from('anything'));
  const bytes = toBinary(
    AdvSignedDeviceIdentitySchema,
    create(AdvSignedDeviceIdentitySchema, { ...signed, deviceSignature: forged }),
  );
  expect(prove(bytes)).toEqual({ outcome: 'unproven', why: 'device-signature' });
});

test('no byte can be changed: what still counts as proven says the same, signed by the same', () => {
  const genuine = link();
  const original = decodeProto(AdvSignedDeviceIdentitySchema, genuine);
  for (let at = 0; at < genuine.length; at += 1) {
    for (const mask of [0x01, 0x80, 0xff]) {
      const tampered = genuine.map((byte, i) => (i === at ? byte ^ mask : byte));
      if (prove(tampered).outcome === 'unproven') continue;
      // A tag that has become an unknown field leaves out what it named; what is left is genuine.
      const left = decodeProto(AdvSignedDeviceIdentitySchema, tampered);
      expect([left.details, left.accountSignature]).toEqual([original.details, original.accountSignature]);
      expect([undefined, original.deviceSignature]).toContainEqual(left.deviceSignature);
      expect([undefined, original.accountSignatureKey]).toContainEqual(left.accountSignatureKey);
    }
  }
});

test('nonsense is unproven, never an exception', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      expect(prove(bytes).outcome).toBe('unproven');
    }),
  );
  const whole = link();
  const { details } = decodeProto(AdvSignedDeviceIdentitySchema, whole);
  for (let length = 0; length < whole.length; length += 1) {
    const cut = whole.subarray(0, length);
    if (prove(cut).outcome === 'proven')
      expect(decodeProto(AdvSignedDeviceIdentitySchema, cut).details).toEqual(details);
  }
});

test('a list of devices counts where the primary has signed it, unchanged', () => {
  const details = proto.ADVKeyIndexList.encode({
    rawId: 7,
    timestamp: 1_700_000_000,
    currentIndex: 3,
    validIndexes: [0, 1, 3],
  });
  const encoded = details.finish();
  const signedBy = ({ private: key }: typeof primary, prefix = 2): Uint8Array => {
    const accountSignature = Curve.sign(key, Buffer.concat([Uint8Array.of(6, prefix), encoded]));
    return proto.ADVSignedKeyIndexList.encode({ details: encoded, accountSignature }).finish();
  };
  const read = (list: Uint8Array) => readSignedDevices(list, typed(primary.public));
  const genuine = signedBy(primary);
  expect(read(genuine)).toEqual({ timestamp: 1_700_000_000, valid: [1, 3] });
  expect(read(signedBy(stranger))).toBeUndefined();
  expect(read(signedBy(primary, 0))).toBeUndefined();
  for (let at = 0; at < genuine.length; at += 1) {
    const tampered = read(genuine.map((byte, i) => (i === at ? byte ^ 0x01 : byte)));
    expect([undefined, read(genuine)]).toContainEqual(tampered);
  }
  const nothing = (bytes: Uint8Array): void => {
    expect(read(bytes)).toBeUndefined();
  };
  fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), nothing));
});
