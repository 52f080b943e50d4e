// Places, contact cards, polls, invitations: in another form, labelled, and never anything that the contact could shape further.
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { proto } from '@whiskeysockets/baileys';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { MessageSchema } from '../../src/proto/message_pb.ts';
import { parseMessage, toMatrix } from '../../src/translate/to-matrix.ts';
import { toWhatsApp } from '../../src/translate/to-whatsapp.ts';
import { readCard } from '../../src/translate/vcard.ts';

const contentOf = (init: MessageInitShape<typeof MessageSchema>): Record<string, unknown> => {
  const result = toMatrix(create(MessageSchema, init));
  if (result.kind !== 'message') throw new Error(JSON.stringify(result));
  return result.content;
};

/** As an independent client writes it. */
const fromBaileys = (message: proto.IMessage): Record<string, unknown> => {
  const result = toMatrix(parseMessage(proto.Message.encode(message).finish()));
  if (result.kind !== 'message') throw new Error(JSON.stringify(result));
  return result.content;
};

const locationSent = (content: Record<string, unknown>): proto.Message.ILocationMessage | null | undefined => {
  const result = toWhatsApp('m.room.message', { msgtype: 'm.location', body: 'Here', ...content });
  return result.kind === 'message' ? proto.Message.decode(result.payload).locationMessage : undefined;
};

const card = [
  'BEGIN:VCARD',
  'VERSION:3.0',
  'N:;Anna;;;',
  'FN:Anna \\, Bäcker',
  'PHOTO;ENCODING=b;TYPE=JPEG:AAAA',
  'item1.TEL;type=CELL;waid=31612345678:+31 6 1234',
  ' 5678',
  'TEL;X-A="a:b";waid=4917012345:call me',
  'item1.X-ABLabel:TEL:+1 234',
  'END:VCARD',
  'TEL:+99 999',
].join('\r\n');

describe('locations', () => {
  it('become places that Matrix clients show on a map', () => {
    const place = { degreesLatitude: 52.3731234567, degreesLongitude: -4.5, accuracyInMeters: 12 };
    expect(fromBaileys({ locationMessage: { ...place, name: 'Dam', address: '1012\nAmsterdam' } })).toEqual({
      msgtype: 'm.location',
      geo_uri: 'geo:52.373123,-4.5;u=12',
      body: 'Location: Dam, 1012 Amsterdam (geo:52.373123,-4.5;u=12)',
    });
    const tiny = { degreesLatitude: 1e-7, degreesLongitude: -0.0000014 };
    expect(contentOf({ locationMessage: tiny })).toMatchObject({ geo_uri: 'geo:0,-0.000001' });
  });

  it('that move are shown where they start, and say so', () => {
    const live = { degreesLatitude: 1, degreesLongitude: 2, caption: 'on my way' };
    const content = fromBaileys({ liveLocationMessage: live });
    expect(content).toMatchObject({ msgtype: 'm.location', geo_uri: 'geo:1,2' });
    expect(content.body).toMatch(/^Location: on my way .*\n\n\(Live location: only this position/s);
    expect(contentOf({ locationMessage: { ...live, isLive: true } }).body).toMatch(/Live location/);
  });

  it('off the Earth are refused aloud', () => {
    for (const [degreesLatitude, degreesLongitude] of [
      [91, 0],
      [0, 181],
      [Number.NaN, 0],
      [0, Number.POSITIVE_INFINITY],
    ] as const) {
      const result = toMatrix(create(MessageSchema, { locationMessage: { degreesLatitude, degreesLongitude } }));
      expect(result).toEqual({ kind: 'unsupported', feature: 'location' });
    }
    expect(toMatrix(create(MessageSchema, { locationMessage: { name: 'x' } })).kind).toBe('unsupported');
  });

  it('of Matrix users become places that independent clients read', () => {
    expect(locationSent({ geo_uri: 'geo:52.5,-4.25,10;crs=wgs84;u=35.5', body: 'Big Ben' })).toMatchObject({
      degreesLatitude: 52.5,
      degreesLongitude: -4.25,
      accuracyInMeters: 35,
      name: 'Big Ben',
    });
    const named = { 'org.matrix.msc3488.location': { description: 'Home' }, geo_uri: 'geo:1,2' };
    expect(locationSent({ ...named, body: 'Location geo:1,2 at 10:00' })?.name).toBe('Home');
    expect(locationSent({ geo_uri: 'geo:1,2', body: 'Location geo:1,2 at 10:00' })?.name).toBeFalsy();
  });

  it.each(['geo:91,0', 'geo:1', 'geo:1,2;crs=moon', 'geo:1e1,2', 'https://x', 'geo:1,2 ', undefined, 7])(
    'refuses %j',
    (geo_uri) => {
      expect(toWhatsApp('m.room.message', { msgtype: 'm.location', body: 'x', geo_uri })).toEqual({
        kind: 'refused',
        feature: 'location',
      });
    },
  );

  it('survive the way there and back to within a metre', () => {
    const degrees = (most: number) => fc.double({ min: -most, max: most, noNaN: true });
    fc.assert(
      fc.property(degrees(90), degrees(180), (degreesLatitude, degreesLongitude) => {
        const { geo_uri } = contentOf({ locationMessage: { degreesLatitude, degreesLongitude } });
        const back = locationSent({ geo_uri });
        expect(back?.degreesLatitude).toBeCloseTo(degreesLatitude, 5);
        expect(back?.degreesLongitude).toBeCloseTo(degreesLongitude, 5);
      }),
    );
  });
});

describe('contact cards', () => {
  it('are shown as name and numbers', () => {
    expect(fromBaileys({ contactMessage: { displayName: 'Anna\u202e B', vcard: card } })).toEqual({
      msgtype: 'm.text',
      body: 'Anna B\n    +31 6 12345678\n    +4917012345\n\n(Contact card from WhatsApp, shown as text.)',
    });
  });

  it('are counted where there are many', () => {
    const contacts = Array.from({ length: 12 }, (_, index) => ({ displayName: `Person ${index}`, vcard: '' }));
    const { body } = fromBaileys({ contactsArrayMessage: { contacts } });
    expect(body).toContain('Person 0\n    no telephone number\nPerson 1\n');
    expect(body).toContain('Person 9\n    no telephone number\n… and 2 more\n\n(Contact card');
    expect(body).not.toContain('Person 10');
  });

  it('are read up to their end, and only if they are cards', () => {
    expect(readCard(card)).toEqual({ name: 'Anna , Bäcker', numbers: ['+31 6 12345678', '+4917012345'] });
    expect(readCard(`x${card}`)).toEqual({ name: '', numbers: [] });
    expect(readCard(`BEGIN:VCARD\n${'TEL:+1 23\n'.repeat(5)}${'TEL:+1 2345\n'.repeat(5)}`).numbers).toHaveLength(2);
  });

  it('of any shape and size are read at once', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 200 }), (text) => {
        const { numbers } = readCard(`BEGIN:VCARD\n${text}\nTEL:${text}\nTEL;${text}:+31 6\n`);
        for (const number of numbers) expect(number).toMatch(/^[+\d\s()./#*,;x-]{2,40}$/);
      }),
    );
    for (const unit of ['TEL:+1 234567\n', '\n ', ';', '"', ';"', 'TEL;"', 'a.', ':', 'FN:\\\\n', '+1 ', ' ']) {
      const start = performance.now();
      expect(readCard(`BEGIN:VCARD\n${unit.repeat(1_000_000 / unit.length)}`).numbers.length).toBeLessThanOrEqual(10);
      expect(performance.now() - start).toBeLessThan(5000);
    }
  });
});

describe('polls and invitations', () => {
  it('are shown as text that says what does not work', () => {
    const poll = { name: 'Lunch?', options: [{ optionName: 'Soup' }, { optionName: 'Salad\n(forged)' }] };
    const body =
      'Poll: Lunch?\n• Soup\n• Salad (forged)\n\n(Poll from WhatsApp, shown as text. You cannot vote from here: write your answer instead.)';
    expect(fromBaileys({ pollCreationMessage: poll }).body).toBe(body);
    expect(fromBaileys({ pollCreationMessageV3: poll }).body).toBe(body);
    expect(contentOf({ pollCreationMessageV4: { message: { pollCreationMessageV5: poll } } }).body).toBe(body);
    expect(
      fromBaileys({ groupInviteMessage: { groupName: 'Family', caption: 'Join us', groupJid: '1@g.us' } }).body,
    ).toBe(
      'Invitation to the group “Family”\nJoin us\n\n(Invitation from WhatsApp, shown as text. You cannot join groups from here.)',
    );
  });

  it('of Matrix users are read in both forms in which clients write them', () => {
    const asked = (type: string, content: Record<string, unknown>) => {
      const result = toWhatsApp(type, content);
      return result.kind === 'message' ? proto.Message.decode(result.payload).conversation : result;
    };
    const words = (body: string) => ({ 'm.text': [{ body }] });
    const stable = { question: words('Lunch?'), answers: [{ 'm.id': '1', ...words('Soup\n• forged') }] };
    expect(asked('m.poll.start', { 'm.poll': stable })).toMatch(
      /^Poll: Lunch\?\n• Soup • forged\n\n\(Poll from Matrix/,
    );
    const many = Array.from({ length: 22 }, (_, index) => ({ 'org.matrix.msc1767.text': `${index}` }));
    const poll = { question: { 'org.matrix.msc1767.text': 'Which?' }, answers: many };
    expect(asked('org.matrix.msc3381.poll.start', { 'org.matrix.msc3381.poll.start': poll })).toMatch(
      /^Poll: Which\?\n• 0\n.*\n• 19\n… and 2 more\n\n/s,
    );
    const replaced = { 'm.poll': stable, 'm.relates_to': { rel_type: 'm.replace', event_id: '$e' } };
    expect(asked('m.poll.start', replaced)).toEqual({ kind: 'refused', feature: 'edit' });
    expect(asked('m.poll.end', { body: 'over' })).toEqual({ kind: 'refused', feature: 'poll-end' });
    fc.assert(
      fc.property(fc.anything(), fc.anything(), (question, answers) => {
        const content = { 'm.poll': { question, answers } };
        expect(['message', 'refused']).toContain(toWhatsApp('m.poll.start', content).kind);
      }),
    );
  });

  it('votes are told', () => {
    expect(toMatrix(create(MessageSchema, { pollUpdateMessage: {} }))).toEqual({
      kind: 'unsupported',
      feature: 'poll-vote',
    });
  });
});

it('whatever stands in a wrapper is treated as what it is', () => {
  const place = { locationMessage: { degreesLatitude: 1, degreesLongitude: 2 } };
  expect(contentOf({ viewOnceMessageV2: { message: place } }).msgtype).toBe('m.location');
  expect(contentOf({ groupMentionedMessage: { message: { conversation: 'hi' } } }).body).toBe('hi');
  expect(toMatrix(create(MessageSchema, { viewOnceMessageV2Extension: { message: { audioMessage: {} } } }))).toEqual({
    kind: 'unsupported',
    feature: 'audio',
  });
});

it('nothing a contact sends becomes a notice, or carries a field of its own', () => {
  const text = fc.oneof(
    fc.string(),
    fc.constantFrom('m.notice', '*b*', 'matrix-appservice-whatsapp.notice', '"}', '\n\n('),
  );
  const fields = ['body', 'format', 'formatted_body', 'geo_uri', 'msgtype'];
  fc.assert(
    fc.property(text, text, fc.double(), fc.nat(11), (one, two, degrees, kind) => {
      const place = { degreesLatitude: degrees, degreesLongitude: degrees };
      const all: MessageInitShape<typeof MessageSchema>[] = [
        { conversation: one },
        { extendedTextMessage: { text: one, title: two, matchedText: two } },
        { locationMessage: { ...place, name: one, address: two } },
        { liveLocationMessage: { ...place, caption: one } },
        { contactMessage: { displayName: one, vcard: two } },
        {
          contactsArrayMessage: {
            displayName: one,
            contacts: [{ displayName: two, vcard: `BEGIN:VCARD\nTEL:${one}` }],
          },
        },
        { pollCreationMessage: { name: one, options: [{ optionName: two }] } },
        { groupInviteMessage: { groupName: one, caption: two } },
        { imageMessage: { caption: one } },
        { reactionMessage: { text: one } },
        { templateMessage: {} },
        { documentMessage: { fileName: one, title: two } },
      ];
      const init = all[kind];
      const result = init === undefined ? undefined : toMatrix(create(MessageSchema, init));
      if (result?.kind !== 'message') return;
      expect(['m.text', 'm.location']).toContain(result.content.msgtype);
      for (const [field, value] of Object.entries(result.content)) {
        expect(fields).toContain(field);
        expect(typeof value).toBe('string');
      }
    }),
    { numRuns: 500 },
  );
});
