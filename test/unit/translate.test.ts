import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { BridgeError } from '../../src/model/errors.ts';
import { MessageSchema, ProtocolMessage_Type } from '../../src/proto/message_pb.ts';
import { nouns } from '../../src/translate/capabilities.ts';
import { parseMessage, toMatrix } from '../../src/translate/to-matrix.ts';
import { longestText, toWhatsApp, withoutReplyFallback } from '../../src/translate/to-whatsapp.ts';

const message = (init: Parameters<typeof create<typeof MessageSchema>>[1]) => create(MessageSchema, init);

describe('text', () => {
  it('survives the way to WhatsApp and back', () => {
    fc.assert(
      fc.property(fc.string({ minLength: 1, unit: 'grapheme' }), (body) => {
        fc.pre(body.trim() !== '');
        const sent = toWhatsApp('m.room.message', { msgtype: 'm.text', body });
        expect(sent.kind).toBe('message');
        if (sent.kind !== 'message') return;
        expect(toMatrix(parseMessage(sent.payload))).toMatchObject({
          kind: 'message',
          content: { msgtype: 'm.text', body },
        });
      }),
    );
  });

  it('is read from both places in which clients write it', () => {
    expect(toMatrix(message({ conversation: 'hi' }))).toMatchObject({ content: { body: 'hi' } });
    expect(toMatrix(message({ extendedTextMessage: { text: 'hi' } }))).toMatchObject({ content: { body: 'hi' } });
  });

  it('never becomes a notice of the bridge, whatever a contact writes', () => {
    fc.assert(
      fc.property(fc.string(), (conversation) => {
        const result = toMatrix(message({ conversation }));
        if (result.kind !== 'message') return;
        const { msgtype, body, ...rest } = result.content;
        expect({ msgtype, body }).toEqual({ msgtype: 'm.text', body: conversation });
        if (Object.keys(rest).length === 0) return;
        expect(rest).toEqual({ format: 'org.matrix.custom.html', formatted_body: expect.stringContaining('<') });
      }),
    );
  });

  it('is refused aloud when WhatsApp would cut it off', () => {
    expect(toWhatsApp('m.room.message', { msgtype: 'm.text', body: 'x'.repeat(longestText + 1) })).toMatchObject({
      kind: 'refused',
    });
  });

  it('loses the quotation that older clients put in front of a reply, and nothing else', () => {
    const reply = { 'm.relates_to': { 'm.in_reply_to': { event_id: '$e' } } };
    expect(withoutReplyFallback(reply, '> <@a:b> quoted\n> more\n\nanswer\n> own quote')).toBe('answer\n> own quote');
    expect(withoutReplyFallback({}, '> not a reply\n\ntext')).toBe('> not a reply\n\ntext');
    expect(withoutReplyFallback(reply, 'plain answer')).toBe('plain answer');
  });
});

describe('what is not carried', () => {
  it('is named, so that the user can be told', () => {
    expect(toMatrix(message({ imageMessage: {} }))).toEqual({ kind: 'unsupported', feature: 'image' });
    expect(toMatrix(message({ viewOnceMessage: { message: { videoMessage: {} } } }))).toEqual({
      kind: 'unsupported',
      feature: 'video',
    });
    expect(toMatrix(message({ reactionMessage: { text: 'x' } }))).toEqual({ kind: 'unsupported', feature: 'reaction' });
    expect(toMatrix(message({ protocolMessage: { key: { id: '' }, type: 0 } }))).toEqual({
      kind: 'unsupported',
      feature: 'deletion',
    });
    const timer = { protocolMessage: { type: ProtocolMessage_Type.EPHEMERAL_SETTING, ephemeralExpiration: 86_400 } };
    expect(toMatrix(message(timer))).toEqual({ kind: 'unsupported', feature: 'disappearing' });
    expect(toMatrix(message({}))).toEqual({ kind: 'unsupported', feature: 'unknown' });
    expect(toWhatsApp('m.call.invite', {})).toEqual({ kind: 'refused', feature: 'call' });
    const edit = { msgtype: 'm.text', body: '* new', 'm.relates_to': { rel_type: 'm.replace', event_id: '$e' } };
    expect(toWhatsApp('m.room.message', edit)).toEqual({ kind: 'refused', feature: 'edit' });
  });

  it('is silent only for housekeeping without anything to read', () => {
    expect(toMatrix(message({ senderKeyDistributionMessage: { groupId: 'g' } }))).toEqual({ kind: 'silent' });
  });

  it('does not hang or overflow on wrappers without end', () => {
    let nested = message({ conversation: 'deep' });
    for (let depth = 0; depth < 50; depth += 1) nested = message({ ephemeralMessage: { message: nested } });
    expect(toMatrix(nested)).toEqual({ kind: 'unsupported', feature: 'unknown' });
  });
});

it('malformed payloads give a typed error', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      try {
        toMatrix(parseMessage(bytes));
      } catch (error) {
        expect(error).toBeInstanceOf(BridgeError);
      }
    }),
  );
});

it('help and labels name what the table says', () => {
  expect(nouns('to-whatsapp', 'full')).toContain('text messages');
  expect(nouns('to-whatsapp', 'refused')).not.toContain('text messages');
});

it('what is sent is a message that other parsers read as plain conversation text', () => {
  const sent = toWhatsApp('m.room.message', { msgtype: 'm.notice', body: 'waves' });
  if (sent.kind !== 'message') throw new Error('refused');
  expect(fromBinary(MessageSchema, sent.payload).conversation).toBe('waves');
  expect(toBinary(MessageSchema, fromBinary(MessageSchema, sent.payload))).toEqual(sent.payload);
});
