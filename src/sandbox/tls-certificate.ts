// An X.509 authority for one sandbox, and a certificate for `localhost` under it: what HTTPS needs, encoded in DER (RFC 5280).
import {
  createHash,
  createPrivateKey,
  createPublicKey,
  generateKeyPairSync,
  type KeyObject,
  randomBytes,
  sign,
} from 'node:crypto';
import type { State } from './state.ts';

export interface TlsIdentity {
  /** The authority's certificate, which clients are told to trust. */
  readonly caPem: string;
  readonly certPem: string;
  readonly keyPem: string;
}

const AUTHORITY = 'WhatsApp sandbox media authority';
const SUBJECT = 'localhost';
const DAY_MS = 86_400_000;
const VALID_DAYS = 3650;
const ECDSA_SHA256 = [1, 2, 840, 10045, 4, 3, 2];

/** The authority stays the same for the life of the data directory; the certificate is made anew at each start. */
export function tlsIdentity(state: Pick<State, 'setting'>): TlsIdentity {
  const stored = state.setting('media-authority-key', () => newKey().export({ type: 'pkcs8', format: 'der' }));
  const authority = createPrivateKey({ key: Buffer.from(stored), type: 'pkcs8', format: 'der' });
  const caDer = state.setting('media-authority-certificate', () =>
    issue(authority, authority, AUTHORITY, [
      extension([2, 5, 29, 19], sequence(der(0x01, Buffer.of(0xff))), true),
      extension([2, 5, 29, 15], der(0x03, Buffer.of(1, 0x06)), true),
    ]),
  );
  const key = newKey();
  const names = [der(0x82, Buffer.from('localhost')), der(0x87, Buffer.of(127, 0, 0, 1)), der(0x87, loopback6)];
  const certificate = issue(authority, key, SUBJECT, [
    extension([2, 5, 29, 19], sequence(), true),
    extension([2, 5, 29, 15], der(0x03, Buffer.of(7, 0x80)), true),
    extension([2, 5, 29, 37], sequence(oid([1, 3, 6, 1, 5, 5, 7, 3, 1]))),
    extension([2, 5, 29, 17], sequence(...names)),
  ]);
  const keyPem = key.export({ type: 'pkcs8', format: 'pem' }).toString();
  return { caPem: pem(caDer), certPem: pem(certificate), keyPem };
}

const loopback6 = Buffer.concat([Buffer.alloc(15), Buffer.of(1)]);

const newKey = (): KeyObject => generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;

function issue(authority: KeyObject, key: KeyObject, subject: string, extensions: readonly Buffer[]): Buffer {
  const algorithm = sequence(oid(ECDSA_SHA256));
  const now = Date.now();
  const keyIdentifiers = [
    extension([2, 5, 29, 14], der(0x04, keyIdentifier(key))),
    extension([2, 5, 29, 35], sequence(der(0x80, keyIdentifier(authority)))),
  ];
  const toBeSigned = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(15)])),
    algorithm,
    commonName(AUTHORITY),
    sequence(utcTime(now - DAY_MS), utcTime(now + VALID_DAYS * DAY_MS)),
    commonName(subject),
    publicKeyOf(key),
    der(0xa3, sequence(...extensions, ...keyIdentifiers)),
  );
  return sequence(toBeSigned, algorithm, bitString(sign('sha256', toBeSigned, authority)));
}

const publicKeyOf = (key: KeyObject): Buffer => createPublicKey(key).export({ type: 'spki', format: 'der' });

/** SHA-1 of the point, the last 65 bytes of a P-256 key. */
const keyIdentifier = (key: KeyObject): Buffer => createHash('sha1').update(publicKeyOf(key).subarray(-65)).digest();

function extension(id: readonly number[], value: Buffer, critical = false): Buffer {
  return sequence(oid(id), ...(critical ? [der(0x01, Buffer.of(0xff))] : []), der(0x04, value));
}

const commonName = (name: string): Buffer =>
  sequence(der(0x31, sequence(oid([2, 5, 4, 3]), der(0x0c, Buffer.from(name)))));

const utcTime = (ms: number): Buffer =>
  der(0x17, Buffer.from(`${new Date(ms).toISOString().slice(2, 19).replace(/[-T:]/g, '')}Z`));

const bitString = (bytes: Buffer): Buffer => der(0x03, Buffer.concat([Buffer.of(0), bytes]));

const sequence = (...parts: readonly Buffer[]): Buffer => der(0x30, Buffer.concat(parts));

function oid([first = 0, second = 0, ...rest]: readonly number[]): Buffer {
  const bytes = [first * 40 + second];
  for (const part of rest) {
    const groups = [part & 0x7f];
    for (let left = part >> 7; left > 0; left >>= 7) groups.unshift((left & 0x7f) | 0x80);
    bytes.push(...groups);
  }
  return der(0x06, Buffer.from(bytes));
}

function der(tag: number, content: Buffer): Buffer {
  const { length } = content;
  const size = length < 0x80 ? [length] : length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.of(tag, ...size), content]);
}

function pem(certificate: Uint8Array): string {
  const lines =
    Buffer.from(certificate)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return ['-----BEGIN CERTIFICATE-----', ...lines, '-----END CERTIFICATE-----', ''].join('\n');
}
