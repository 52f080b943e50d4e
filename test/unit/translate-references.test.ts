// Messages about other messages, each way.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { MessageId } from '../../src/model/ids.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import { MessageSchema } from '../../src/proto/message_pb.ts';
import { capabilities, longestText } from '../../src/translate/capabilities.ts';
import type { Quoted } from '../../src/translate/quotations.ts';
import { parseMessage, toMatrix } from '../../src/translate/to-matrix.ts';
import { answeredEvent, toWhatsApp } from '../../src/translate/to-whatsapp.ts';

const received = (init: MessageInitShape<typeof MessageSchema>) => toMatrix(create(MessageSchema, init));
const text = (body: string) => ({ msgtype: 'm.text', body });

function sent(content: JsonObject, quoted?: Quoted) {
  const result = toWhatsApp('m.room.message', content, capabilities.whatsapp, quoted);
  if (result.kind !== 'message') throw new Error('refused');
  return parseMessage(result.payload);
}

describe('replies of a contact', () => {
  const reply = (quotedMessage?: MessageInitShape<typeof MessageSchema>) =>
    received({
      extendedTextMessage: {
        text: 'answer',
        contextInfo: { stanzaId: 'A1', ...(quotedMessage === undefined ? {} : { quotedMessage }) },
      },
    });

  it('name what they answer and carry what may have to stand for it', () => {
    expect(reply({ conversation: 'one\ntwo' })).toMatchObject({
      kind: 'message',
      content: text('answer'),
      answers: { id: 'A1', quoting: { msgtype: 'm.text', body: '> one\n> two\n\nanswer' } },
    });
    expect(reply({ imageMessage: {} })).toMatchObject({ answers: { quoting: { body: '> [pictures]\n\nanswer' } } });
    expect(reply()).toMatchObject({ answers: { quoting: text('answer') } });
  });

  it('may be places too; forwarded texts and mentions are no replies', () => {
    const place = { degreesLatitude: 1, degreesLongitude: 2, contextInfo: { stanzaId: 'A1' } };
    expect(received({ locationMessage: place })).toMatchObject({ answers: { id: 'A1' } });
    const forwarded = { extendedTextMessage: { text: 'news', contextInfo: { isForwarded: true } } };
    expect(received(forwarded)).not.toHaveProperty('answers');
  });

  it('quote no more than a few lines', () => {
    const result = reply({ conversation: 'line\n'.repeat(1000) });
    expect(result.kind === 'message' && JSON.stringify(result.answers).length).toBeLessThan(500);
  });
});

describe('replies of a Matrix user', () => {
  const known = { known: true, id: 'A1' as MessageId, author: '1@lid', text: 'earlier' } as const;

  it('name the message, its author and its words', () => {
    expect(sent(text('answer'), known).extendedTextMessage).toMatchObject({
      text: 'answer',
      contextInfo: { stanzaId: 'A1', participant: '1@lid', quotedMessage: { conversation: 'earlier' } },
    });
    const place = { msgtype: 'm.location', body: 'here', geo_uri: 'geo:1,2' };
    expect(sent(place, known).locationMessage?.contextInfo?.stanzaId).toBe('A1');
  });

  it('to something unknown quote it, as far as it can be read and there is room', () => {
    expect(sent(text('answer'), { known: false, text: 'a\nb' }).conversation).toBe('> a\n> b\n\nanswer');
    expect(sent(text('answer'), { known: false, text: '' }).conversation).toBe('answer');
    const longest = 'x'.repeat(longestText);
    expect(sent(text(longest), { known: false, text: 'a' }).conversation).toBe(longest);
  });

  it('are not what clients put into threads for those who do not know threads', () => {
    const relation = { rel_type: 'm.thread', event_id: '$a', 'm.in_reply_to': { event_id: '$b' } };
    expect(answeredEvent({ 'm.relates_to': { ...relation, is_falling_back: true } })).toBeUndefined();
    expect(answeredEvent({ 'm.relates_to': relation })).toBe('$b');
  });
});
