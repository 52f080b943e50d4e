import { decryptPollVote, type WAMessage } from '@whiskeysockets/baileys';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';
import { Provider } from './sandbox-client.ts';

let provider: Provider;
let sandbox: Sandbox;
let anna: SandboxPhone;
let ben: SandboxPhone;
/** Linked to Ben's phone. */
let client: WhatsAppClient;
let annaLid: string;

beforeAll(async () => {
  provider = await Provider.start();
  sandbox = await startSandbox({ provider: provider.settings });
  anna = await SandboxPhone.create(sandbox.url, '31690000001', 'Anna');
  ben = await SandboxPhone.create(sandbox.url, '31690000002', 'Ben');
  client = await WhatsAppClient.link(sandbox, ben);
  annaLid = z.object({ lid: z.string() }).parse(await anna.call('GET', `/phones/${anna.number}`)).lid;
});
afterAll(async () => {
  await client.dispose();
  await sandbox.close();
  provider.stop();
});

/** What Ben's phone and the client linked to it have of a message. */
async function arrived(id: string) {
  const [onPhone, inClient] = await Promise.all([
    ben.waitForMessage((message) => message.id === id),
    client.waitForMessage(({ key, message }) => key.id === id && Boolean(message)),
  ]);
  return { onPhone, content: inClient.message };
}

describe('what a phone sends', () => {
  it.each<[string, object, object, object]>([
    [
      'location',
      { latitude: 52.37, longitude: 4.9, name: 'Dam', address: 'Amsterdam', accuracy: 10 },
      { location: { latitude: 52.37, longitude: 4.9, name: 'Dam', address: 'Amsterdam', accuracy: 10 } },
      { locationMessage: { degreesLatitude: 52.37, name: 'Dam' } },
    ],
    [
      'live-location',
      { latitude: -1, longitude: 0.5, caption: 'on my way', sequence: 3 },
      { location: { latitude: -1, longitude: 0.5, caption: 'on my way', live: true } },
      { liveLocationMessage: { degreesLatitude: -1, caption: 'on my way' } },
    ],
    [
      'contact',
      { contacts: [{ name: 'Carl', number: '+31612345678' }] },
      { contacts: [{ name: 'Carl', vcard: expect.stringContaining('waid=31612345678:+31612345678') }] },
      { contactMessage: { displayName: 'Carl' } },
    ],
    [
      'contact',
      { contacts: [{ name: 'Carl', vcard: 'BEGIN:VCARD' }, { name: 'Dora' }] },
      { contacts: [{ name: 'Carl', vcard: 'BEGIN:VCARD' }, { name: 'Dora' }] },
      { contactsArrayMessage: { contacts: [{ displayName: 'Carl' }, { displayName: 'Dora' }] } },
    ],
    [
      'poll',
      { question: 'Tea?', options: ['yes', 'no'], selectable: 0 },
      { poll: { question: 'Tea?', options: ['yes', 'no'], selectable: 0 } },
      { pollCreationMessage: { name: 'Tea?', options: [{ optionName: 'yes' }, { optionName: 'no' }] } },
    ],
    [
      'group-invite',
      { group: '1203630', code: 'abc', name: 'Tea', caption: 'come', expiresAt: 1_700_000_000_000 },
      { invite: { group: '1203630', code: 'abc', name: 'Tea', caption: 'come', expiresAt: 1_700_000_000_000 } },
      { groupInviteMessage: { groupJid: '1203630@g.us', inviteCode: 'abc', groupName: 'Tea' } },
    ],
    [
      'disappearing-timer',
      { seconds: 86_400 },
      { timer: { seconds: 86_400 } },
      { protocolMessage: { ephemeralExpiration: 86_400 } },
    ],
  ])('is read by phones and by an unmodified client: %s', async (type, sent, shown, content) => {
    const message = await arrived(await anna.sendOther(ben.number, { type, ...sent }));
    expect(message.onPhone).toMatchObject(shown);
    expect(message.content).toMatchObject(content);
  });

  it('can be about an earlier message, and says so', async () => {
    const id = await anna.send(ben.number, 'first');
    const read = async (type: string, more = {}) =>
      (await arrived(await anna.refer(ben.number, { type, id, ...more }))).onPhone;
    expect(await read('reply', { text: 'second' })).toMatchObject({
      reply: { id, author: anna.number },
      text: 'second',
    });
    expect(await read('reaction', { emoji: '👍' })).toMatchObject({ reaction: { id, fromMe: true, emoji: '👍' } });
    expect(await read('edit', { text: 'changed' })).toMatchObject({ edit: { id, fromMe: true, text: 'changed' } });
    expect(await read('pin')).toMatchObject({ pin: { id, fromMe: true, pinned: true } });
    expect(await read('pin', { unpin: true })).toMatchObject({ pin: { id, pinned: false } });
    expect(await read('delete')).toMatchObject({ deletion: { id, fromMe: true } });
  });

  it('can be a text that disappears, or something that nobody knows', async () => {
    await anna.post('messages', { to: ben.number, text: 'soon gone', disappears: 60 });
    const gone = await ben.received('soon gone');
    expect(gone).toMatchObject({ type: 'text', disappears: { seconds: 60 } });
    const id = await anna.sendOther(ben.number, { type: 'unknown' });
    expect(await ben.waitForMessage((message) => message.id === id)).toMatchObject({ type: 'unknown' });
  });

  it('is refused where it makes no sense', async () => {
    const refused = (message: { type: string } & Record<string, unknown>) =>
      expect(anna.sendOther(ben.number, message)).rejects;
    await refused({ type: 'location', latitude: 1 }).toThrow(/400.*longitude/);
    await refused({ type: 'poll-vote', id: 'NONE', options: [] }).toThrow(/409.*no_poll/);
    await refused({ type: 'contact', contacts: [] }).toThrow(/400/);
    await refused({ type: 'nonsense' }).toThrow(/400/);
  });
});

describe('a vote', () => {
  it('of a phone is read by phones, and by an unmodified client', async () => {
    const poll = await ben.sendOther(anna.number, {
      type: 'poll',
      question: 'Tea?',
      options: ['yes', 'no', 'perhaps'],
    });
    await anna.waitForMessage((message) => message.id === poll);
    const vote = await anna.refer(ben.number, { type: 'poll-vote', id: poll, options: ['perhaps'] });
    const { onPhone, content } = await arrived(vote);
    expect(onPhone.vote).toEqual({ id: poll, fromMe: false, options: ['perhaps'] });

    const asked = await client.waitForMessage(({ key }) => key.id === poll);
    const secret = asked.message?.messageContextInfo?.messageSecret ?? new Uint8Array();
    const people = { pollCreatorJid: client.lid, pollMsgId: poll, voterJid: annaLid };
    const decrypted = decryptPollVote(content?.pollUpdateMessage?.vote ?? {}, { pollEncKey: secret, ...people });
    expect(decrypted.selectedOptions).toHaveLength(1);
  });

  it('in a poll of an unmodified client reaches it as one', async () => {
    const poll = await client.send(annaLid, { poll: { name: 'Cake?', values: ['yes', 'no'], selectableCount: 1 } });
    const asked = await anna.waitForMessage((message) => message.id === poll);
    expect(asked.poll).toEqual({ question: 'Cake?', options: ['yes', 'no'], selectable: 1 });
    const { onPhone } = await arrived(await anna.refer(ben.number, { type: 'poll-vote', id: poll, options: ['yes'] }));
    expect(onPhone.vote).toMatchObject({ id: poll, options: ['yes'] });
  });
});

describe('what an unmodified client sends', () => {
  it('is shown by phones in words', async () => {
    const sent = async (content: Parameters<WhatsAppClient['send']>[1]) => {
      const id = await client.send(annaLid, content);
      return anna.waitForMessage((message) => message.id === id);
    };
    expect(await sent({ location: { degreesLatitude: 1.5, degreesLongitude: 2, name: 'Here' } })).toMatchObject({
      location: { latitude: 1.5, longitude: 2, name: 'Here' },
    });
    expect(await sent({ contacts: { displayName: 'E', contacts: [{ vcard: 'BEGIN:VCARD' }] } })).toMatchObject({
      contacts: [{ vcard: 'BEGIN:VCARD' }],
    });
    const { key } = shownTo(await anna.send(ben.number, 'react to this'));
    const first = await client.waitForMessage(key);
    expect(await sent({ react: { text: '🎉', key: first.key } })).toMatchObject({
      reaction: { emoji: '🎉', fromMe: false },
    });
    expect(await sent({ delete: { ...first.key, fromMe: true } })).toMatchObject({ deletion: { fromMe: true } });
  });
});

const shownTo = (id: string) => ({ key: (message: WAMessage) => message.key.id === id && Boolean(message.message) });
