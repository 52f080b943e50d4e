import {
  create,
  type DescField,
  type DescFile,
  type DescMessage,
  equals,
  type MessageInitShape,
  ScalarType,
  toBinary,
} from '@bufbuild/protobuf';
import { proto } from '@whiskeysockets/baileys';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { file_adv } from '../../src/proto/adv_pb.ts';
import { decodeProto, ProtoError } from '../../src/proto/decode.ts';
import { file_message, MessageSchema, ProtocolMessage_Type } from '../../src/proto/message_pb.ts';
import { file_wire, NoiseCertificate_DetailsSchema } from '../../src/proto/wire_pb.ts';

const allMessages = (file: DescFile): DescMessage[] => {
  const withNested = (message: DescMessage): DescMessage[] => [message, ...message.nestedMessages.flatMap(withNested)];
  return file.messages.flatMap(withNested);
};
const messages = [file_wire, file_adv, file_message]
  .flatMap(allMessages)
  // It stands for many types of theirs.
  .filter(({ name }) => name !== 'Opaque');

interface Codec {
  decode(bytes: Uint8Array): Record<string, unknown>;
  encode(value: Record<string, unknown>): { finish(): Uint8Array };
}

const isCodec = (found: unknown): found is Codec => typeof found === 'function' && 'decode' in found;

/** Where Baileys' schema keeps the type: some of our top-level types are nested there, or have another name. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  NoiseCertificate: 'CertChain.NoiseCertificate',
  'NoiseCertificate.Details': 'CertChain.NoiseCertificate.Details',
  DnsSource: 'ClientPayload.DNSSource',
  DevicePairingData: 'ClientPayload.DevicePairingRegistrationData',
  AppVersion: 'ClientPayload.UserAgent.AppVersion',
  // Signal's own structure has the same name at the top.
  SenderKeyDistributionMessage: 'Message.SenderKeyDistributionMessage',
};

function theirType(message: DescMessage): Codec {
  const ours = message.typeName.replace('whatsapp.v1.', '');
  const renamed = ours.replace(/^Adv/, 'ADV').replace(/Hmac$/, 'HMAC');
  const paths = [ELSEWHERE[ours], renamed, `ClientPayload.${renamed}`, `Message.${renamed}`];
  for (const path of paths) {
    const found = path
      ?.split('.')
      .reduce<unknown>((at, key) => (at === undefined ? at : Reflect.get(Object(at), key)), proto);
    if (isCodec(found)) return found;
  }
  throw new Error(`no ${ours} in Baileys`);
}

const theirName = ({ name }: DescField): string => (name === 'callLogMessage' ? 'callLogMesssage' : name);

const int64 = { min: -(2n ** 63n), max: 2n ** 63n - 1n };
function scalar(type: ScalarType): fc.Arbitrary<unknown> {
  switch (type) {
    case ScalarType.BOOL:
      return fc.boolean();
    case ScalarType.STRING:
      return fc.string({ unit: 'grapheme', maxLength: 12 });
    case ScalarType.BYTES:
      return fc.uint8Array({ maxLength: 12 });
    case ScalarType.DOUBLE:
      return fc.double({ noNaN: true });
    case ScalarType.FLOAT:
      return fc.float({ noNaN: true });
    case ScalarType.UINT64:
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case ScalarType.INT64:
      return fc.bigInt(int64);
    case ScalarType.UINT32:
    case ScalarType.FIXED32:
      return fc.nat(0xffffffff);
    default:
      return fc.integer();
  }
}

function value(field: DescField, depth: number): fc.Arbitrary<unknown> | undefined {
  switch (field.fieldKind) {
    case 'scalar':
      return scalar(field.scalar);
    case 'enum':
      return fc.constantFrom(...field.enum.values.map(({ number }) => number));
    case 'message':
      return depth === 0 ? undefined : message(field.message, depth - 1);
    case 'list': {
      if (field.listKind === 'scalar') return fc.array(scalar(field.scalar), { maxLength: 3 });
      if (field.listKind === 'enum' || depth === 0) return undefined;
      return fc.array(message(field.message, depth - 1), { maxLength: 2 });
    }
    default:
      return undefined;
  }
}

function message(desc: DescMessage, depth: number): fc.Arbitrary<Record<string, unknown>> {
  const fields = desc.fields.flatMap((field) => {
    const arbitrary = value(field, depth);
    return arbitrary ? [[field.localName, arbitrary] as const] : [];
  });
  return fc.record(Object.fromEntries(fields), { requiredKeys: [] });
}

/** Every scalar must have arrived under the same name with the same value: numbers alone could be two swapped fields. */
function sameNames(desc: DescMessage, ours: Record<string, unknown>, theirs: Record<string, unknown>): void {
  for (const field of desc.fields) {
    const sent = ours[field.localName];
    if (sent === undefined || field.fieldKind === 'list') continue;
    const read = theirs[theirName(field)];
    if (field.fieldKind === 'message') {
      if (field.message.name === 'Opaque') expect(read).toBeDefined();
      else sameNames(field.message, sent as Record<string, unknown>, read as Record<string, unknown>);
    } else if (sent instanceof Uint8Array) expect(Buffer.from(read as Uint8Array)).toEqual(Buffer.from(sent));
    else expect(String(read)).toBe(String(sent));
  }
}

describe('protobuf against Baileys', () => {
  it.each(messages.map((desc) => [desc.typeName, desc] as const))('%s, both ways', (_name, desc) => {
    const theirs = theirType(desc);
    fc.assert(
      fc.property(message(desc, 2), (init) => {
        const original = create(desc, init as MessageInitShape<DescMessage>);
        const read = theirs.decode(toBinary(desc, original));
        sameNames(desc, init, read);
        expect(equals(desc, decodeProto(desc, theirs.encode(read).finish()), original)).toBe(true);
      }),
      { numRuns: 60 },
    );
  });

  it('writes a zero that is meant', () => {
    const revoke = create(MessageSchema, { protocolMessage: { type: ProtocolMessage_Type.REVOKE } });
    expect(Buffer.from(toBinary(MessageSchema, revoke)).toString('hex')).toBe('62021000');
    const details = create(NoiseCertificate_DetailsSchema, { issuerSerial: 0 });
    expect(Buffer.from(toBinary(NoiseCertificate_DetailsSchema, details)).toString('hex')).toBe('1000');
    expect(decodeProto(MessageSchema, new Uint8Array(0)).protocolMessage?.type).toBeUndefined();
  });

  it('keeps content that it does not know', () => {
    const theirs = proto.Message.encode({ invoiceMessage: { note: 'n' } }).finish();
    const read = decodeProto(MessageSchema, theirs);
    expect(read.$unknown?.map(({ no }) => no)).toEqual([41]);
    expect(Buffer.compare(toBinary(MessageSchema, read), theirs)).toBe(0);
  });
});

describe('malformed protobuf', () => {
  const survives = (desc: DescMessage, bytes: Uint8Array): void => {
    try {
      decodeProto(desc, bytes);
    } catch (error) {
      if (!(error instanceof ProtoError)) throw error;
    }
  };

  it('gives a typed error or a message for any bytes and any damage', { timeout: 120_000 }, () => {
    const anyMessage = fc.constantFrom(...messages);
    fc.assert(fc.property(anyMessage, fc.uint8Array({ maxLength: 200 }), survives), { numRuns: 10_000 });
    const damage = fc.array(fc.tuple(fc.nat(400), fc.nat(255)), { minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(message(MessageSchema, 1), damage, fc.nat(400), (init, changes, cut) => {
        const bytes = toBinary(MessageSchema, create(MessageSchema, init as MessageInitShape<typeof MessageSchema>));
        for (const [at, byte] of changes) if (bytes.length > 0) bytes[at % bytes.length] = byte;
        survives(MessageSchema, bytes);
        survives(MessageSchema, bytes.subarray(0, cut));
      }),
      { numRuns: 500 },
    );
  });

  it('stops at wrappers within wrappers', () => {
    let bytes = Uint8Array.of(0x0a, 0x00);
    // Message.ephemeralMessage (40) { message (1) { … } }
    const field = (tag: readonly number[], body: Uint8Array): Uint8Array => {
      const length: number[] = [];
      for (let rest = body.length; ; rest >>>= 7) {
        length.push(rest > 0x7f ? (rest & 0x7f) | 0x80 : rest);
        if (rest <= 0x7f) break;
      }
      return Buffer.concat([Uint8Array.from([...tag, ...length]), body]);
    };
    for (let i = 0; i < 5_000; i++) bytes = Uint8Array.from(field([0xc2, 0x02], field([0x0a], bytes)));
    expect(() => decodeProto(MessageSchema, bytes)).toThrow(ProtoError);
  });
});
