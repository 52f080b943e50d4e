// Stanzas as pure functions: the message as it is stored and sent, pauses between attempts, and readers that meet nonsense.
import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MessageId } from '../../src/model/ids.ts';
import type { StanzaKind } from '../../src/model/interop.ts';
import { groupJid, interopJid, type Jid, lidJid, phoneJid, SERVER } from '../../src/model/jid.ts';
import { backOff } from '../../src/whatsapp/backoff.ts';
import {
  type AttributeValue,
  attribute,
  children,
  decodeStanza,
  encodeStanza,
  requireChild,
  type Stanza,
  StanzaError,
  stanza,
} from '../../src/whatsapp/binary/index.ts';
import { disconnectOfFailure, disconnectOfStreamError } from '../../src/whatsapp/disconnect.ts';
import { acknowledgement, readIncoming } from '../../src/whatsapp/stanzas.ts';
import { readBundle, readPreKeyCount } from '../../src/whatsapp/stanzas-keys.ts';
import { readLookUp } from '../../src/whatsapp/stanzas-lookup.ts';
import { encodeMessage } from '../../src/whatsapp/stanzas-message.ts';
import { pictureRequest, readPicture } from '../../src/whatsapp/stanzas-picture.ts';
import { readTyping } from '../../src/whatsapp/stanzas-presence.ts';

const id = '3EB0AA' as MessageId;
const to = lidJid('100000001');
const bytes = Uint8Array.of(0x33, 1, 2);

test('a message names each device with its own ciphertext, and is the same bytes each time', () => {
  const message = {
    id,
    to,
    recipients: [
      { device: 0, ciphertext: { type: 'pkmsg', bytes } },
      { device: 5, ciphertext: { type: 'msg', bytes } },
    ],
  } as const;
  const encoded = encodeMessage(message);
  expect(encodeMessage(message)).toEqual(encoded);
  const decoded = decodeStanza(encoded);
  expect(decoded.attrs).toEqual(
    new Map<string, AttributeValue>([
      ['id', id],
      ['to', to],
      ['type', 'text'],
    ]),
  );
  expect(
    children(requireChild(decoded, 'participants')).map((node) => {
      const enc = requireChild(node, 'enc');
      return [attribute(node, 'jid'), attribute(enc, 'type'), attribute(enc, 'v'), enc.content];
    }),
  ).toEqual([
    ['100000001@lid', 'pkmsg', '2', bytes],
    ['100000001:5@lid', 'msg', '2', bytes],
  ]);
});

test('the envelope says what is a file, an edit, a deletion or a reaction, and what a client hides that cannot read it', () => {
  const recipients = [{ device: 0, ciphertext: { type: 'msg', bytes } }] as const;
  const envelope = (kind: StanzaKind, retryCount?: number) => {
    const message = decodeStanza(encodeMessage({ id, to, recipients, kind, ...(retryCount ? { retryCount } : {}) }));
    const enc = retryCount ? message : requireChild(requireChild(message, 'participants'), 'to');
    return [
      attribute(message, 'type'),
      attribute(requireChild(enc, 'enc'), 'mediatype'),
      attribute(message, 'edit'),
      attribute(requireChild(enc, 'enc'), 'decrypt-fail'),
    ];
  };
  expect(envelope({ type: 'text', edit: '1', hidden: true })).toEqual(['text', undefined, '1', 'hide']);
  expect(envelope({ type: 'text', edit: '7', hidden: false }, 1)).toEqual(['text', undefined, '7', undefined]);
  expect(envelope({ type: 'reaction', hidden: true }, 1)).toEqual(['reaction', undefined, undefined, 'hide']);
  expect(envelope({ type: 'media', mediaType: 'ptt', hidden: false })).toEqual(['media', 'ptt', undefined, undefined]);
  expect(envelope({ type: 'media', mediaType: 'gif', hidden: false }, 1)).toEqual([
    'media',
    'gif',
    undefined,
    undefined,
  ]);
});

test('the answer to a retry receipt goes to one device only, with the count', () => {
  const recipient = { device: 5, ciphertext: { type: 'pkmsg', bytes } } as const;
  const answer = decodeStanza(encodeMessage({ id, to, recipients: [recipient], retryCount: 2 }));
  expect([attribute(answer, 'to'), attribute(answer, 'device_fanout')]).toEqual(['100000001:5@lid', 'false']);
  expect(children(answer).map((node) => [node.tag, attribute(node, 'count')])).toEqual([['enc', '2']]);
  const many = { id, to, recipients: [recipient, recipient], retryCount: 1 };
  expect(() => encodeMessage(many)).toThrow(expect.objectContaining({ code: 'interop.no-recipient' }));
  expect(() => encodeMessage({ id, to, recipients: [] })).toThrow(
    expect.objectContaining({ code: 'interop.no-recipient' }),
  );
});

test('the proof of a companion is read from messages, bundles and retry receipts', () => {
  const proof = Uint8Array.of(9, 9);
  const device = lidJid('100000001', 5);
  const identity = stanza('device-identity', {}, proof);
  const enc = stanza('enc', { v: '2', type: 'pkmsg' }, bytes);
  const incoming = readIncoming(stanza('message', { from: device, id, t: 1 }, [enc, identity]), 0);
  expect(incoming).toMatchObject({ kind: 'message', message: { from: to, device: 5, deviceIdentity: proof } });

  const key = new Uint8Array(32).fill(1);
  const number = (tag: string, length: number): Stanza => stanza(tag, {}, new Uint8Array(length).fill(1));
  const signed = stanza('skey', {}, [number('id', 3), stanza('value', {}, key), number('signature', 64)]);
  const keys = [stanza('type', {}, Uint8Array.of(5)), stanza('identity', {}, key), signed];
  const registration = number('registration', 4);
  const bundle = (...more: Stanza[]): Stanza =>
    stanza('iq', {}, [stanza('list', {}, [stanza('user', { jid: device }, [registration, ...keys, ...more])])]);
  expect(readBundle(bundle(identity), device)).toMatchObject({ identityKey: key, deviceIdentity: proof });
  expect(readBundle(bundle(), device)).not.toHaveProperty('deviceIdentity');
  // The other form has the keys one level down, the proof in either place.
  const nested = (inner: readonly Stanza[], outer: readonly Stanza[]): Stanza =>
    stanza('iq', {}, [
      stanza('list', {}, [stanza('user', { jid: device }, [registration, stanza('keys', {}, inner), ...outer])]),
    ]);
  expect(readBundle(nested(keys, [identity]), device)?.deviceIdentity).toEqual(proof);
  expect(readBundle(nested([...keys, identity], []), device)?.deviceIdentity).toEqual(proof);

  const retry = stanza('retry', { count: 1, id, t: 1, v: 1 });
  const offered = stanza('keys', {}, [...keys, identity]);
  expect(
    readIncoming(stanza('receipt', { from: device, id, type: 'retry' }, [retry, registration, offered]), 0),
  ).toMatchObject({ kind: 'retry', retry: { device: 5, bundle: { deviceIdentity: proof } } });
});

test('a list of devices leaves out what no address can express', () => {
  const device = (number: number): Stanza => stanza('device', { id: number, 'key-index': number || undefined });
  const list = stanza('device-list', {}, [device(0), device(7), device(7), device(256)]);
  const user = stanza('user', { jid: to }, [stanza('devices', {}, [list])]);
  const reply = stanza('iq', {}, [stanza('usync', {}, [stanza('list', {}, [user])])]);
  expect(readLookUp(reply)?.devices).toEqual([
    { device: 0, keyIndex: undefined },
    { device: 7, keyIndex: 7 },
  ]);
});

test('a picture is where the network says, or the one that is known, or none', () => {
  const request = pictureRequest('1', lidJid('100000001', 3), '77');
  expect(attribute(request, 'target')).toBe('100000001@lid');
  expect(requireChild(request, 'picture').attrs.get('id')).toBe('77');
  const reply = (...content: readonly Stanza[]): Stanza => stanza('iq', {}, content);
  const url = 'https://pps.whatsapp.net/v/a?b=c';
  const named = reply(stanza('picture', { id: '77', type: 'image', url, direct_path: '/v/a?b=c' }));
  expect(readPicture(named, undefined)).toEqual({ outcome: 'found', id: '77', url, directPath: '/v/a?b=c' });
  expect(readPicture(named, '77')).toEqual({ outcome: 'unchanged' });
  expect(readPicture(reply(stanza('picture', { status: 304 })), '77')).toEqual({ outcome: 'unchanged' });
  expect(readPicture(reply(stanza('picture', { status: 204 })), '77')).toEqual({ outcome: 'none' });
  expect(readPicture(reply(), '77')).toEqual({ outcome: 'unchanged' });
  expect(readPicture(reply(), undefined)).toEqual({ outcome: 'none' });
  for (const id of [undefined, '', 'a b', 'x'.repeat(200)]) {
    expect(() => readPicture(reply(stanza('picture', { id, url })), undefined)).toThrow(StanzaError);
  }
});

test('a notification says whose picture has changed; those of groups are passed over', () => {
  const notified = (from: Jid) =>
    readIncoming(stanza('notification', { from, id, type: 'picture' }, [stanza('set', { jid: from, id: '78' })]), 0);
  expect(notified(lidJid('100000001', 3))).toEqual({ kind: 'picture-changed', from: to });
  expect(notified(groupJid('1'))).toEqual({ kind: 'ignored' });
});

test('a pause lies between half and all of the doubled base, and never above the cap', () => {
  fc.assert(
    fc.property(fc.nat(2000), fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }), (attempt, random) => {
      const full = Math.min(60_000, 1000 * 2 ** attempt);
      const pause = backOff(attempt, random, 1000, 60_000);
      expect(pause).toBeGreaterThanOrEqual(full / 2);
      expect(pause).toBeLessThanOrEqual(full);
    }),
  );
});

test('readers answer nonsense with a typed error or a value that can be acknowledged', () => {
  const jid = fc.constantFrom<Jid>(to, phoneJid('31600000001', 2), interopJid(7, '42'), groupJid('1'), SERVER);
  const value: fc.Arbitrary<AttributeValue> = fc.oneof(
    jid,
    fc.constantFrom(
      '',
      '1',
      '-1',
      '1e9',
      'retry',
      'read',
      'encrypt',
      'mediaretry',
      'constructor',
      '99999999999999999999',
    ),
    fc.string(),
  );
  const attrs = fc
    .uniqueArray(
      fc.tuple(
        fc.constantFrom(
          'id',
          'from',
          't',
          'type',
          'jid',
          'val',
          'value',
          'count',
          'v',
          'notify',
          'sender_pn',
          'participant',
          'reason',
          'expire',
          'code',
          'call-id',
          'caller_pn',
          'media',
        ),
        value,
      ),
      { selector: ([name]) => name },
    )
    .map((entries): ReadonlyMap<string, AttributeValue> => new Map(entries));
  const tag = fc.constantFrom(
    'message',
    'receipt',
    'notification',
    'call',
    'offer',
    'chatstate',
    'composing',
    'failure',
    'iq',
    'enc',
    'retry',
    'keys',
    'key',
    'skey',
    'id',
    'value',
    'signature',
    'type',
    'identity',
    'registration',
    'list',
    'item',
    'user',
    'usync',
    'devices',
    'device-list',
    'device',
    'lid',
    'contact',
    'count',
    'error',
    'conflict',
    'encrypt',
    'enc_p',
    'enc_iv',
    'rmr',
    'picture',
  );
  const { node } = fc.letrec<{ node: Stanza }>((tie) => ({
    node: fc
      .record({ tag, attrs }, { requiredKeys: ['tag', 'attrs'] })
      .chain((start) =>
        fc
          .oneof(
            { maxDepth: 4 },
            fc.constant(undefined),
            fc.uint8Array({ maxLength: 70 }),
            fc.array(tie('node'), { maxLength: 4 }),
          )
          .map((content): Stanza => (content === undefined ? start : { ...start, content })),
      ),
  }));
  const readers = [
    (stanza: Stanza) => readIncoming(stanza, 0),
    readLookUp,
    (stanza: Stanza) => readBundle(stanza, to),
    (stanza: Stanza) => readPicture(stanza, '1'),
    readPreKeyCount,
    readTyping,
    disconnectOfFailure,
    disconnectOfStreamError,
  ];
  fc.assert(
    fc.property(node, (stanza) => {
      for (const read of readers) {
        try {
          read(stanza);
        } catch (error) {
          expect(error).toBeInstanceOf(StanzaError);
        }
      }
      const ack = acknowledgement(stanza, 487);
      if (ack) expect(() => encodeStanza(ack)).not.toThrow();
    }),
    { numRuns: 2000 },
  );
});
