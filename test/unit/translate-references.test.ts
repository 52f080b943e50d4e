// Messages about other messages, each way.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { describe, expect, it } from 'vitest';
import type { MessageId } from '../../src/model/ids.ts';
import { lidJid } from '../../src/model/jid.ts';
import type { JsonObject } from '../../src/model/journal.ts';
import { MessageSchema, ProtocolMessage_Type } from '../../src/proto/message_pb.ts';
import { capabilities, longestText } from '../../src/translate/capabilities.ts';
import type { Quoted } from '../../src/translate/quotations.ts';
import { deedOf, deletion, edit, type Meant, reaction, replacing, stanzaKind } from '../../src/translate/references.ts';
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

describe('what a contact does to earlier messages', () => {
  const key = { remoteJid: 'whoever@lid', id: 'A1' };

  it('is seen from the other side: what is theirs is not the user’s, whatever addresses it names', () => {
    const reactionTo = (fromMe: boolean | undefined) =>
      received({ reactionMessage: { key: { ...key, ...(fromMe === undefined ? {} : { fromMe }) }, text: '👍' } });
    expect(reactionTo(true)).toEqual({ kind: 'reaction', target: { messageId: 'A1', fromUser: false }, key: '👍' });
    expect(reactionTo(false)).toMatchObject({ target: { fromUser: true } });
    expect(reactionTo(undefined)).toMatchObject({ target: { fromUser: true } });
  });

  it.each(['👍', '❤️', '❤', '👩🏽‍🚒', '🏳️‍🌈', '🇪🇺', '1️⃣'])('a reaction is one emoji: %s', (text) => {
    expect(received({ reactionMessage: { key, text } })).toMatchObject({ kind: 'reaction' });
  });

  it.each(['x', '👍👍', 'my PIN is 1234', '👍 secret', ' ', '1', `👍${'\u0301'.repeat(50)}`, `👍\u{e0061}\u{e0062}`])(
    'nothing else goes into the plain: %j',
    (text) => {
      expect(received({ reactionMessage: { key, text } })).toEqual({ kind: 'unsupported', feature: 'reaction' });
      expect(reaction(text, meant)).toEqual({ kind: 'refused', feature: 'reaction' });
    },
  );

  it('an empty reaction is one that is taken back', () => {
    expect(received({ reactionMessage: { key } })).toMatchObject({ kind: 'reaction', key: undefined });
    expect(received({ reactionMessage: { key, text: '' } })).toMatchObject({ kind: 'reaction', key: undefined });
  });

  it('an edit is read in both forms that clients write', () => {
    const protocolMessage = {
      key: { ...key, fromMe: true },
      type: ProtocolMessage_Type.MESSAGE_EDIT,
      editedMessage: { extendedTextMessage: { text: '*new*' } },
    };
    const expected = {
      kind: 'edit',
      target: { messageId: 'A1', fromUser: false },
      text: '*new*',
      ofFile: false,
      apart: { msgtype: 'm.text', body: expect.stringMatching(/^\*new\*\n\n\(Edited on WhatsApp/) },
    };
    expect(received({ protocolMessage })).toMatchObject(expected);
    expect(received({ editedMessage: { message: { protocolMessage } } })).toMatchObject(expected);
    const place = { ...protocolMessage, editedMessage: { locationMessage: {} } };
    expect(received({ protocolMessage: place })).toEqual({ kind: 'unsupported', feature: 'edit' });
  });

  it('an edit in Matrix keeps within what an event may take', () => {
    const content = replacing({ msgtype: 'm.text', body: 'x'.repeat(45_000) }, '$e');
    expect(JSON.stringify(content).length).toBeLessThan(47_000);
    expect(content).toMatchObject({ 'm.relates_to': { rel_type: 'm.replace', event_id: '$e' } });
  });
});

const meant: Meant = { target: { messageId: 'A1' as MessageId, fromUser: false }, chat: lidJid('1'), now: 5 };

describe('what a Matrix user does to earlier messages', () => {
  const own: Meant = { ...meant, target: { ...meant.target, fromUser: true } };
  const payloadOf = (result: ReturnType<typeof deletion>) => {
    if (result.kind !== 'message') throw new Error('refused');
    return parseMessage(result.payload);
  };

  it('names the message from the user’s side, and says on the envelope what it is', () => {
    const liked = payloadOf(reaction('👍', meant));
    expect(liked.reactionMessage).toMatchObject({ text: '👍', key: { id: 'A1', fromMe: false, remoteJid: '1@lid' } });
    expect(stanzaKind(liked)).toEqual({ type: 'reaction', hidden: true });
    const unliked = payloadOf(reaction(undefined, meant));
    expect(unliked.reactionMessage?.text).toBe('');
    expect(stanzaKind(unliked)).toEqual({ type: 'reaction', edit: '7', hidden: true });
    const gone = payloadOf(deletion(own));
    expect(gone.protocolMessage).toMatchObject({ type: ProtocolMessage_Type.REVOKE, key: { id: 'A1', fromMe: true } });
    expect(stanzaKind(gone)).toEqual({ type: 'text', edit: '7', hidden: false });
    expect(stanzaKind(sent(text('hello')))).toEqual({ type: 'text', hidden: false });
    expect(deedOf(liked)).toEqual({ kind: 'reaction', target: meant.target });
    expect(deedOf(gone)).toEqual({ kind: 'deletion', target: own.target });
    expect(deedOf(sent(text('hello')))).toBeUndefined();
  });

  it('edits texts with their formatting, and nothing else', () => {
    const html = { format: 'org.matrix.custom.html', formatted_body: '<b>new</b>' };
    const edited = payloadOf(edit({ body: '* new', 'm.new_content': { ...text('new'), ...html } }, own));
    expect(edited.protocolMessage).toMatchObject({
      type: ProtocolMessage_Type.MESSAGE_EDIT,
      key: { id: 'A1', fromMe: true },
      editedMessage: { conversation: '*new*' },
    });
    expect(stanzaKind(edited)).toEqual({ type: 'text', edit: '1', hidden: true });
    expect(deedOf(edited)).toEqual({ kind: 'edit', target: own.target });
    for (const replacement of [undefined, 'new', { msgtype: 'm.location', body: 'x' }, text(' ')]) {
      expect(edit({ 'm.new_content': replacement }, own)).toEqual({ kind: 'refused', feature: 'edit' });
    }
  });
});
