import { Curve, proto } from '@whiskeysockets/baileys';
import { describe, expect, it } from 'vitest';
import {
  connectNoise,
  encodeCertChain,
  generateKeyPair,
  issueCertificate,
  verifyCertChain,
} from '../../src/whatsapp/noise/index.ts';
import {
  bytes,
  certChain,
  clientKey,
  DAY,
  faultOf,
  intermediateKey,
  listen,
  NOW,
  options,
  root,
  serverKey,
  validity,
} from './noise-server.ts';

describe('certificate chain', () => {
  const leafRequest = { serial: 2, issuerSerial: 1, key: serverKey.publicKey, ...validity };
  const intermediateRequest = { serial: 1, issuerSerial: 0, key: intermediateKey.publicKey, ...validity };
  const leaf = (change: Partial<typeof leafRequest> = {}) =>
    issueCertificate(intermediateKey, { ...leafRequest, ...change });
  const intermediate = (change: Partial<typeof intermediateRequest> = {}) =>
    issueCertificate(root, { ...intermediateRequest, ...change });
  const expected = { rootKey: root.publicKey, serverStatic: serverKey.publicKey, now: NOW };
  const shortKey = serverKey.publicKey.subarray(1);

  it.each<[string, Uint8Array, string | undefined]>([
    ['good', encodeCertChain(leaf(), intermediate()), undefined],
    ['no protobuf', bytes('\x0a\xff'), 'certificate-malformed'],
    ['empty', new Uint8Array(0), 'certificate-malformed'],
    [
      'leaf signed by a stranger',
      encodeCertChain(issueCertificate(root, leafRequest), intermediate()),
      'certificate-signature',
    ],
    [
      'intermediate signed by itself',
      encodeCertChain(leaf(), issueCertificate(intermediateKey, intermediateRequest)),
      'certificate-untrusted-root',
    ],
    ['intermediate of another root', encodeCertChain(leaf(), intermediate({ issuerSerial: 7 })), 'certificate-issuer'],
    ['leaf of another intermediate', encodeCertChain(leaf({ issuerSerial: 9 }), intermediate()), 'certificate-issuer'],
    ['leaf for another server', encodeCertChain(leaf({ key: clientKey.publicKey }), intermediate()), 'certificate-key'],
    ['short key', encodeCertChain(leaf({ key: shortKey }), intermediate()), 'certificate-malformed'],
    [
      'short signature',
      encodeCertChain({ ...leaf(), signature: new Uint8Array(63) }, intermediate()),
      'certificate-malformed',
    ],
    ['expired leaf', encodeCertChain(leaf({ notAfter: NOW - 1000 }), intermediate()), 'certificate-expired'],
    ['expired intermediate', encodeCertChain(leaf(), intermediate({ notAfter: NOW - 1000 })), 'certificate-expired'],
    ['leaf of tomorrow', encodeCertChain(leaf({ notBefore: NOW + 1000 }), intermediate()), 'certificate-not-yet-valid'],
  ])('%s: %s', (_name, chain, fault) => {
    expect(faultOf(() => verifyCertChain(chain, expected))).toBe(fault);
  });

  it('insists on the issuer serial being written, although it is 0', () => {
    const unwritten = proto.CertChain.NoiseCertificate.Details.encode({
      serial: 1,
      key: intermediateKey.publicKey,
      notBefore: 0,
      notAfter: Math.floor((NOW + DAY) / 1000),
    }).finish();
    const signed = { ...intermediate(), details: unwritten, signature: Curve.sign(root.privateKey, unwritten) };
    expect(faultOf(() => verifyCertChain(encodeCertChain(leaf(), signed), expected))).toBe('certificate-malformed');
  });

  it('refuses in the handshake a chain that was issued for another server key', async () => {
    const server = await listen('tcp', { staticKeyPair: generateKeyPair(), certChain });
    await expect(connectNoise(options(server.endpoint))).rejects.toMatchObject({ code: 'noise.certificate-key' });
  });
});
