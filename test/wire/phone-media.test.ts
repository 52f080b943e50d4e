import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type PhoneFile, SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { lidJid } from '../../src/model/jid.ts';
import { encrypting } from '../../src/sandbox/media-cipher.ts';
import { fileMessage } from '../../src/sandbox/phone-file-messages.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { attribute, child, requireChild } from '../../src/whatsapp/binary/index.ts';
import { FileHost } from './file-host.ts';
import { InteropUser, Provider } from './sandbox-client.ts';

let provider: Provider;
let host: FileHost;
let directory: string;
let sandbox: Sandbox;
let phones = 0;

const start = (): Promise<Sandbox> =>
  startSandbox({
    dataDir: join(directory, 'sandbox'),
    provider: { ...provider.settings, media: { origin: host.url } },
    limits: { mediaBytes: 4 << 20 },
  });

beforeAll(async () => {
  provider = await Provider.start();
  host = await FileHost.start();
  directory = await mkdtemp(join(tmpdir(), 'phone-media-'));
  sandbox = await start();
});
afterAll(async () => {
  await sandbox.close();
  host.stop();
  provider.stop();
  await rm(directory, { recursive: true });
});

const newPhone = (name: string): Promise<SandboxPhone> => {
  phones += 1;
  return SandboxPhone.create(sandbox.url, `3165000${1000 + phones}`, name);
};
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

/** Sends from one new phone to another; what the receiving one has made of it. */
async function exchange(file: PhoneFile) {
  const [anna, ben] = [await newPhone('Anna'), await newPhone('Ben')];
  const id = await anna.sendFile(ben.number, file);
  await ben.waitForMessage((message) => message.id === id);
  return { anna, ben, id, media: (await ben.fetched(id)).media };
}

describe('files between phones', () => {
  const content = randomBytes(200_001);
  const thumbnail = randomBytes(50);

  it.each<[Omit<PhoneFile, 'content'>, object, string]>([
    [
      { type: 'image', caption: 'sea', width: 640, height: 480, thumbnail },
      { kind: 'image', mimetype: 'image/jpeg', caption: 'sea', width: 640, height: 480, thumbnail: true },
      'imageMessage',
    ],
    [{ type: 'image', viewOnce: true }, { kind: 'image', viewOnce: true }, 'viewOnceMessageV2'],
    [{ type: 'video', seconds: 9, mimetype: 'video/webm' }, { kind: 'video', seconds: 9 }, 'videoMessage'],
    [{ type: 'gif' }, { kind: 'video', gif: true }, 'videoMessage'],
    [{ type: 'video-note', seconds: 3 }, { kind: 'video-note', seconds: 3 }, 'ptvMessage'],
    [{ type: 'audio', seconds: 60 }, { kind: 'audio', mimetype: 'audio/mp4', seconds: 60 }, 'audioMessage'],
    [
      { type: 'voice', seconds: 2, waveform: [0, 50, 100] },
      { kind: 'audio', voice: true, mimetype: 'audio/ogg; codecs=opus', waveform: [0, 50, 100] },
      'audioMessage',
    ],
    [{ type: 'document', fileName: 'a.pdf' }, { kind: 'document', fileName: 'a.pdf' }, 'documentMessage'],
    [
      { type: 'document', fileName: 'a.pdf', caption: 'see page 2' },
      { kind: 'document', caption: 'see page 2' },
      'documentWithCaptionMessage',
    ],
    [{ type: 'sticker', thumbnail }, { kind: 'sticker', mimetype: 'image/webp' }, 'stickerMessage'],
  ])('arrive whole, verified and described: $0.type as $2', async (file, described, type) => {
    const { anna, ben, id, media } = await exchange({ ...file, content });
    expect(media).toMatchObject({ ...described, state: 'verified', size: content.length, sha256: sha256(content) });
    expect((await ben.message(id, 'delivered', 0)).type).toBe(type);
    for (const phone of [anna, ben]) expect(sha256(await phone.download(id))).toBe(sha256(content));
  });

  it('come from a path, may be empty, and may answer a message', async () => {
    const path = join(directory, 'large');
    const large = randomBytes(3 << 20);
    await writeFile(path, large);
    const { anna, ben, id } = await exchange({ type: 'document', content: path });
    expect(sha256(await ben.download(id))).toBe(sha256(large));
    const empty = await ben.sendFile(anna.number, { type: 'image', content: new Uint8Array(), reply: id });
    await anna.waitForMessage((message) => message.id === empty);
    expect((await anna.fetched(empty)).media).toMatchObject({ state: 'verified', size: 0 });
    const { raw } = await anna.message(empty, 'delivered', 0);
    expect(Buffer.from(raw, 'base64').includes(id)).toBe(true);
  });

  it('are refused above the limit, where there is none, and where the request is not clear', async () => {
    const [anna, ben] = [await newPhone('Anna'), await newPhone('Ben')];
    const send = (file: Partial<PhoneFile> & object) =>
      anna.sendFile(ben.number, { type: 'image', content: '/nowhere/at/all', ...file });
    await expect(send({ content: randomBytes((4 << 20) + 1) })).rejects.toThrow(/413.*too_large/);
    await expect(send({})).rejects.toThrow(/400.*unreadable/);
    await expect(send({ content: 'relative' })).rejects.toThrow(/400.*absolute/);
    await expect(anna.post('messages', { to: ben.number, type: 'image' })).rejects.toThrow(/400.*path or base64/);
  });

  it('are fetched later where the phone was off or the network away, and not again', async () => {
    const [anna, ben] = [await newPhone('Anna'), await newPhone('Ben')];
    await ben.post('offline', { offline: true });
    const id = await anna.sendFile(ben.number, {
      type: 'image',
      content,
      fault: { fault: 'slow', bytesPerSecond: 10_000 },
    });
    await ben.post('offline', { offline: false });
    const { media } = await ben.waitForMessage((message) => message.id === id);
    expect(media?.state).toBe('fetching');
    await sandbox.close();
    sandbox = await start();
    const again = new SandboxPhone(sandbox.url, ben.number, ben.name);
    expect((await again.fetched(id)).media).toMatchObject({ state: 'verified', downloads: 1 });
    expect(sha256(await again.download(id))).toBe(sha256(content));
  });
});

describe('a file that is not what its message says', () => {
  const content = randomBytes(100_000);

  it.each([
    [{ fault: 'drop' }, 'gone'],
    [{ fault: 'corrupt' }, 'wrong_encrypted_hash'],
    [{ fault: 'wrong-mac' }, 'wrong_encrypted_hash'],
    [{ fault: 'huge-length' }, 'wrong_size'],
    [{ fault: 'endless' }, 'wrong_size'],
  ] as const)('is given up: %j', async (fault, error) => {
    const { ben, id, media } = await exchange({ type: 'image', content, fault });
    expect(media).toMatchObject({ state: 'failed', error });
    await expect(ben.download(id)).rejects.toThrow(/404/);
  });

  it('is given up when it ends too early', async () => {
    const { media } = await exchange({ type: 'image', content, fault: { fault: 'truncate' } });
    expect(media?.state).toBe('failed');
    expect(media?.error).toMatch(/truncated|wrong_encrypted_hash/);
  });

  it.each([
    ['hash', 'wrong_hash'],
    ['encrypted-hash', 'wrong_encrypted_hash'],
    ['mac', 'wrong_mac'],
    ['size', 'wrong_size'],
  ] as const)('is given up where the sender lies about the %s', async (forge, error) => {
    const { media } = await exchange({ type: 'video', content, forge });
    expect(media).toMatchObject({ state: 'failed', error });
  });

  it('is asked for again where the connection broke, and when somebody wants it once more', async () => {
    const { media } = await exchange({ type: 'image', content, fault: { fault: 'cut', afterBytes: 5000 } });
    expect(media).toMatchObject({ state: 'verified', downloads: 2 });

    const dropped = await exchange({ type: 'image', content, fault: { fault: 'drop' } });
    await dropped.anna.setFault(dropped.id, { fault: 'none' });
    await dropped.ben.post(`messages/${dropped.id}/media`, {});
    expect((await dropped.ben.fetched(dropped.id)).media?.state).toBe('verified');
    expect(sha256(await dropped.ben.download(dropped.id))).toBe(sha256(content));
  });
});

describe('a third-party user', () => {
  const content = randomBytes(70_000);

  async function newUser(name: string): Promise<InteropUser> {
    const user = new InteropUser(sandbox.info, provider, `@${name}:example.org`);
    await user.enlist();
    await user.connect();
    return user;
  }

  it('hosts its files itself, and phones get them through the network', async () => {
    const [alice, anna] = [await newUser('alice'), await newPhone('Anna')];
    const lid = await lidOf(anna);
    const mediaKey = randomBytes(32);
    const { ciphertext, facts } = encrypting('image', mediaKey, [content]);
    const file = await buffer(ciphertext);
    host.put('/media/abc', file);
    const directPath = '/media/abc?expires=1';
    const location = { ...facts(), mediaKey, url: host.url + directPath, directPath, encryptedAt: Date.now() };
    await alice.write(lid, fileMessage({ type: 'image', caption: 'from afar' }, location), 'M1');
    await anna.waitForMessage(({ id }) => id === 'M1');
    expect((await anna.fetched('M1')).media).toMatchObject({ state: 'verified', caption: 'from afar' });
    expect(sha256(await anna.download('M1'))).toBe(sha256(content));
    expect(host.asked.at(-1)).toMatch(/^GET \/media\/abc\?expires=1&hash=[\w-]{43}&mms-type=image&__wa-mms=$/);
  });

  it('is told in the envelope what kind of file a phone sends', async () => {
    const [alice, anna] = [await newUser('aline'), await newPhone('Anna')];
    await anna.sendFile(alice.identifier, { type: 'voice', content });
    const message = await alice.nextTag('message');
    expect([attribute(message, 'type'), attribute(requireChild(message, 'enc'), 'mediatype')]).toEqual([
      'media',
      'ptt',
    ]);
    expect((await alice.decrypt(message))?.audioMessage?.url).toContain(sandbox.info.mediaHost);
    await anna.refer(alice.identifier, { type: 'reaction', id: 'M1', emoji: '' });
    const reaction = await alice.nextTag('message');
    expect([attribute(reaction, 'type'), attribute(reaction, 'edit')]).toEqual(['reaction', '7']);
    expect(attribute(child(reaction, 'enc') ?? reaction, 'decrypt-fail')).toBe('hide');
  });
});

async function lidOf(phone: SandboxPhone) {
  const { lid } = (await phone.call('GET', `/phones/${phone.number}`)) as { lid: string };
  return lidJid(lid.split('@')[0] ?? '');
}
