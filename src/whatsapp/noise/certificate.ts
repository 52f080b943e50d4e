/** The server's certificate chain: root key -> intermediate -> leaf -> the server's static key (docs/protocol.md). */

import { create, toBinary } from '@bufbuild/protobuf';
import { decodeProto, ProtoError } from '../../proto/decode.ts';
import {
  CertChainSchema,
  type NoiseCertificate,
  NoiseCertificate_DetailsSchema,
  NoiseCertificateSchema,
} from '../../proto/wire_pb.ts';
import { type CurveKeyPair, KEY_LENGTH, SIGNATURE_LENGTH, sign, verify } from './curve.ts';
import { NoiseError } from './error.ts';

/** WhatsApp's own root key. */
export const WHATSAPP_ROOT_KEY: Uint8Array = Uint8Array.from(
  Buffer.from('142375574d0a587166aae71ebe516437c4a28b73e3695c6ce1f7f9545da8ee6b', 'hex'),
);
const ROOT_SERIAL = 0;

export interface CertificateExpectation {
  readonly rootKey: Uint8Array;
  /** The static key that the server proved to own in the handshake. */
  readonly serverStatic: Uint8Array;
  /** Milliseconds since the Unix epoch. */
  readonly now: number;
}

/** Checks everything that any client is known to check. Throws NoiseError `certificate-…`. */
export function verifyCertChain(chain: Uint8Array, { rootKey, serverStatic, now }: CertificateExpectation): void {
  const { leaf, intermediate } = parseChain(chain);
  if (!verify(rootKey, intermediate.signed, intermediate.signature)) {
    throw new NoiseError('certificate-untrusted-root');
  }
  if (!verify(intermediate.key, leaf.signed, leaf.signature)) throw new NoiseError('certificate-signature');
  if (intermediate.issuerSerial !== ROOT_SERIAL || leaf.issuerSerial !== intermediate.serial) {
    throw new NoiseError('certificate-issuer');
  }
  if (Buffer.compare(leaf.key, serverStatic) !== 0) throw new NoiseError('certificate-key');
  const seconds = BigInt(Math.floor(now / 1000));
  for (const { notBefore, notAfter } of [intermediate, leaf]) {
    if (seconds < notBefore) throw new NoiseError('certificate-not-yet-valid');
    if (seconds > notAfter) throw new NoiseError('certificate-expired');
  }
}

interface Certificate {
  readonly signed: Uint8Array;
  readonly signature: Uint8Array;
  readonly serial: number;
  readonly issuerSerial: number;
  readonly key: Uint8Array;
  readonly notBefore: bigint;
  readonly notAfter: bigint;
}

function parseChain(bytes: Uint8Array): { readonly leaf: Certificate; readonly intermediate: Certificate } {
  try {
    const chain = decodeProto(CertChainSchema, bytes);
    return { leaf: parseCertificate(chain.leaf), intermediate: parseCertificate(chain.intermediate) };
  } catch (error) {
    throw error instanceof ProtoError ? new NoiseError('certificate-malformed', error) : error;
  }
}

/** Every field must be present: an absent issuer serial is not the same as 0. */
function parseCertificate(certificate: NoiseCertificate | undefined): Certificate {
  const { details: signed, signature } = certificate ?? {};
  if (signed === undefined || signature?.length !== SIGNATURE_LENGTH) throw new NoiseError('certificate-malformed');
  const { serial, issuerSerial, key, notBefore, notAfter } = decodeProto(NoiseCertificate_DetailsSchema, signed);
  if (
    serial === undefined ||
    issuerSerial === undefined ||
    key?.length !== KEY_LENGTH ||
    notBefore === undefined ||
    notAfter === undefined
  ) {
    throw new NoiseError('certificate-malformed');
  }
  return { signed, signature, serial, issuerSerial, key, notBefore, notAfter };
}

export interface CertificateRequest {
  readonly serial: number;
  readonly issuerSerial: number;
  readonly key: Uint8Array;
  /** Milliseconds since the Unix epoch; written as whole seconds. */
  readonly notBefore: number;
  readonly notAfter: number;
}

/** Signs a chain: the root signs the intermediate, the intermediate's key the leaf. Used by servers. */
export function issueCertChain(
  root: CurveKeyPair,
  intermediateKey: CurveKeyPair,
  intermediate: Omit<CertificateRequest, 'key' | 'issuerSerial'>,
  leaf: Omit<CertificateRequest, 'issuerSerial'>,
): Uint8Array {
  return encodeCertChain(
    issueCertificate(intermediateKey, { ...leaf, issuerSerial: intermediate.serial }),
    issueCertificate(root, { ...intermediate, key: intermediateKey.publicKey, issuerSerial: ROOT_SERIAL }),
  );
}

export function issueCertificate(issuer: CurveKeyPair, request: CertificateRequest): NoiseCertificate {
  const details = toBinary(
    NoiseCertificate_DetailsSchema,
    create(NoiseCertificate_DetailsSchema, {
      ...request,
      notBefore: BigInt(Math.floor(request.notBefore / 1000)),
      notAfter: BigInt(Math.floor(request.notAfter / 1000)),
    }),
  );
  return create(NoiseCertificateSchema, { details, signature: sign(issuer.privateKey, details) });
}

export function encodeCertChain(leaf: NoiseCertificate, intermediate: NoiseCertificate): Uint8Array {
  return toBinary(CertChainSchema, create(CertChainSchema, { leaf, intermediate }));
}
