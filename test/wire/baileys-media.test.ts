import { createHash, randomBytes } from 'node:crypto';
import { buffer } from 'node:stream/consumers';
import type { AnyMessageContent } from '@whiskeysockets/baileys';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PhoneFile, SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { lidJid } from '../../src/model/jid.ts';
import { encrypting } from '../../src/sandbox/media-cipher.ts';
import { fileMessage } from '../../src/sandbox/phone-file-messages.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';
import { FileHost } from './file-host.ts';
import { InteropUser, Provider } from './sandbox-client.ts';

let provider: Provider;
let host: FileHost;
let sandbox: Sandbox;
let anna: SandboxPhone;
let ben: SandboxPhone;
/** Linked to Ben's phone. */
let client: WhatsAppClient;
const content = randomBytes(100_003);
const thumbnail = randomBytes(100);
/** Its type does not name the waveform, which it takes. */
const voice = { audio: content, ptt: true, seconds: 5, waveform: Uint8Array.of(1, 2, 3) };

beforeAll(async () => {
  provider = await Provider.start();
  host = await FileHost.start();
  sandbox = await startSandbox({ provider: { ...provider.settings, media: { origin: host.url } } });
  anna = await SandboxPhone.create(sandbox.url, '31660000001', 'Anna');
  ben = await SandboxPhone.create(sandbox.url, '31660000002', 'Ben');
  client = await WhatsAppClient.link(sandbox, ben);
});
afterAll(async () => {
  await client.dispose();
  await sandbox.close();
  host.stop();
  provider.stop();
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
const lidOf = async (phone: SandboxPhone): Promise<string> =>
  ((await phone.call('GET', `/phones/${phone.number}`)) as { lid: string }).lid;

describe('an unmodified client', () => {
  it.each<[Omit<PhoneFile, 'content'>]>([
    [{ type: 'image', caption: 'sea', thumbnail }],
    [{ type: 'image', viewOnce: true }],
    [{ type: 'video', seconds: 4 }],
    [{ type: 'gif' }],
    [{ type: 'video-note' }],
    [{ type: 'audio' }],
    [{ type: 'voice', seconds: 2, waveform: [1, 2, 3], viewOnce: true }],
    [{ type: 'document', fileName: 'a.pdf' }],
    [{ type: 'document', fileName: 'b.pdf', caption: 'page 2' }],
    [{ type: 'sticker', thumbnail }],
  ])('decrypts what a phone sends: $type', async (file) => {
    const id = await anna.sendFile(ben.number, { ...file, content });
    const shown = await client.waitForMessage(({ key, message }) => key.id === id && Boolean(message));
    expect(sha256(await client.download(shown))).toBe(sha256(content));
    // The phone that the client is linked to has it as well.
    expect((await ben.fetched(id)).media?.state).toBe('verified');
  });

  it.each<[string, AnyMessageContent, object]>([
    ['image', { image: content, caption: 'sea', jpegThumbnail: '' }, { kind: 'image', caption: 'sea' }],
    ['view-once image', { image: content, viewOnce: true, jpegThumbnail: '' }, { kind: 'image', viewOnce: true }],
    ['video', { video: content, seconds: 4, jpegThumbnail: '' }, { kind: 'video', seconds: 4 }],
    ['gif', { video: content, gifPlayback: true, jpegThumbnail: '' }, { kind: 'video', gif: true }],
    ['video note', { video: content, ptv: true, jpegThumbnail: '' }, { kind: 'video-note' }],
    ['audio', { audio: content, mimetype: 'audio/mp4', seconds: 5 }, { kind: 'audio', mimetype: 'audio/mp4' }],
    ['voice note', voice, { kind: 'audio', voice: true, seconds: 5, waveform: [1, 2, 3] }],
    [
      'document',
      { document: content, mimetype: 'application/pdf', fileName: 'a.pdf', caption: 'page 2' },
      { kind: 'document', mimetype: 'application/pdf', fileName: 'a.pdf', caption: 'page 2' },
    ],
    ['sticker', { sticker: content }, { kind: 'sticker', mimetype: 'image/webp' }],
  ])('sends what phones decrypt and verify: %s', async (_name, sent, described) => {
    const id = await client.send(await lidOf(anna), sent);
    // The one that it is written to, and its own.
    for (const phone of [anna, ben]) {
      await phone.waitForMessage((message) => message.id === id);
      const { media } = await phone.fetched(id);
      expect(media).toMatchObject({ ...described, state: 'verified', size: content.length, sha256: sha256(content) });
      expect(sha256(await phone.download(id))).toBe(sha256(content));
    }
  });

  it('gets what a third-party user hosts from the network’s media host', async () => {
    const alice = new InteropUser(sandbox.info, provider, '@alice:example.org');
    await alice.enlist();
    await alice.connect();
    const mediaKey = randomBytes(32);
    const { ciphertext, facts } = encrypting('document', mediaKey, [content]);
    host.put('/media/abc', await buffer(ciphertext));
    const directPath = '/media/abc?expires=1';
    const location = { ...facts(), mediaKey, url: host.url + directPath, directPath, encryptedAt: Date.now() };
    const message = fileMessage({ type: 'document', fileName: 'from afar' }, location);
    const companion = { ...lidJid(client.lid.replace(/@.*/, '')), device: client.me.device };
    await alice.write(companion, message, 'M1');
    const shown = await client.waitForMessage(({ key }) => key.id === 'M1');
    expect(sha256(await client.download(shown))).toBe(sha256(content));
    expect(host.asked).toEqual(['GET /media/abc?expires=1']);
  });
});
