// Encoders keep to the metadata budget, and its page is what it says now.
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { privacyPage } from '../../scripts/privacy-page.ts';
import { prepared, request, sendEndpoint } from '../../src/matrix/client-request.ts';
import { allowedNames, nameBeyond } from '../../src/model/budget/check.ts';
import type { MessageId } from '../../src/model/ids.ts';
import { lidJid } from '../../src/model/jid.ts';
import { createMetrics } from '../../src/observability/metrics.ts';
import { stanza } from '../../src/whatsapp/binary/index.ts';
import { encodeOutgoing } from '../../src/whatsapp/outgoing.ts';
import { typing } from '../../src/whatsapp/stanzas-presence.ts';
import { deliveryReceipt } from '../../src/whatsapp/stanzas-receipt.ts';

test('docs/privacy.md is what the budget says; npm run docs:privacy writes it', () => {
  expect(readFileSync('docs/privacy.md', 'utf8')).toBe(privacyPage());
});

const to = lidJid('100000001');
const refused = expect.objectContaining({ code: 'privacy.unbudgeted', retry: 'never' });

test('a stanza with a tag or an attribute that is not budgeted is refused', () => {
  expect(() => encodeOutgoing(typing(to, 'composing'))).not.toThrow();
  expect(() => encodeOutgoing(deliveryReceipt('3EB0AA' as MessageId, to, 0))).not.toThrow();
  expect(() => encodeOutgoing(stanza('chatstate', { to, location: 'here' }))).toThrow(refused);
  expect(() => encodeOutgoing(stanza('message', { to }, [stanza('battery', {})]))).toThrow(refused);
  expect(() => encodeOutgoing(stanza('telemetry'))).toThrow(refused);
});

test('stanzas of ours become bytes in one place', () => {
  const encoding = globSync('src/whatsapp/**/*.ts').filter((file) =>
    readFileSync(file, 'utf8').includes('encodeStanza('),
  );
  expect(encoding.filter((file) => !file.includes('binary'))).toEqual(['src/whatsapp/outgoing.ts']);
});

test('a request to the homeserver with more in it than is budgeted is refused; what it names is not in its error', () => {
  const params = { room: '!r:example.org', txn: 't' };
  const send = (content: object) => prepared(request(sendEndpoint('m.reaction'), params, { body: { ...content } }));
  expect(send({ 'm.relates_to': { event_id: '$e' } }).path).toBe(
    '/_matrix/client/v3/rooms/!r%3Aexample.org/send/m.reaction/t',
  );
  expect(() => send({ 'm.relates_to': {}, 'org.example.phone': '+31612345678' })).toThrow(refused);
  expect(() => sendEndpoint('org.example.telemetry')).toThrow(refused);
});

test('a nested name is judged by itself, unless everything below is allowed', () => {
  const allowed = allowedNames('a b/c d/*');
  expect(nameBeyond({ a: { anything: 1 }, b: [{ c: 1 }], d: { x: { y: 1 } } }, allowed)).toBeUndefined();
  expect(nameBeyond({ b: [{ c: 1 }, { e: 1 }] }, allowed)).toBe('b/e');
  expect(nameBeyond({ f: undefined }, allowed)).toBe('f');
});

test('the metric says how many bytes of metadata each recipient was sent', async () => {
  const { disclosed, registry } = createMetrics();
  disclosed('homeserver', 120);
  disclosed('homeserver', 30);
  expect(await registry.metrics()).toContain('maw_metadata_bytes_total{recipient="homeserver"} 150');
});
