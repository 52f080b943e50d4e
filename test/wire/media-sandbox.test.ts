// The files of sandbox phones, which encrypt and host them without any code of ours: fetched, refused where they are wrong, asked for again.
import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock } from '../../src/model/clock.ts';
import type { MessageId } from '../../src/model/ids.ts';
import type { UserJid } from '../../src/model/jid.ts';
import type { NetworkFile, NetworkMedia } from '../../src/model/media.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { capabilities } from '../../src/translate/capabilities.ts';
import { fileFeature, fileToMatrix } from '../../src/translate/media/to-matrix.ts';
import { attribute, requireAttribute, requireJid } from '../../src/whatsapp/binary/index.ts';
import { createNetworkMedia } from '../../src/whatsapp/media/network-media.ts';
import { readIncoming } from '../../src/whatsapp/stanzas.ts';
import { mediaRetryReceipt } from '../../src/whatsapp/stanzas-media-retry.ts';
import { collect } from '../support/bytes.ts';
import { control, InteropUser, Provider } from './sandbox-client.ts';

const number = '447700900301';
const MiB = 1024 * 1024;

let provider: Provider;
let sandbox: Sandbox;
let user: InteropUser;
let media: NetworkMedia;

beforeAll(async () => {
  provider = await Provider.start();
  sandbox = await startSandbox({ provider: provider.settings });
  const { mediaHost: host, mediaAuthority: authority } = sandbox.info;
  const hosts = { host, allowed: [], privateAddresses: true, authority };
  media = createNetworkMedia({
    endpoints: { whatsapp: { media: hosts } },
    clock: systemClock,
    tuning: { backOffBaseMs: 1, backOffCapMs: 1 },
  });
  user = new InteropUser(sandbox.info, provider, '@media:example.org');
  await user.enlist();
  await user.connect();
  await control(sandbox.url, '/sandbox/phones', { number, name: 'Anna' });
});
afterAll(async () => {
  await sandbox.close();
  provider.stop();
});

interface Received {
  readonly id: MessageId;
  readonly from: UserJid;
  readonly file: NetworkFile;
}

/** The phone sends a file; what our side makes of the message. */
async function receive(type: string, bytes: Uint8Array, more: object = {}): Promise<Received> {
  const base64 = Buffer.from(bytes).toString('base64');
  await control(sandbox.url, `/sandbox/phones/${number}/messages`, { to: user.identifier, type, base64, ...more });
  const stanza = await user.nextTag('message');
  user.ack(stanza);
  const message = await user.decrypt(stanza);
  const feature = message && fileFeature(message);
  const found = message && feature && fileToMatrix(feature, message, capabilities.whatsapp);
  if (!found) throw new Error('no file was received');
  const from = requireJid(stanza, 'from') as UserJid;
  return { id: requireAttribute(stanza, 'id') as MessageId, from, file: found.file };
}

const spoil = ({ id }: Received, fault: string, more: object = {}) =>
  control(sandbox.url, '/sandbox/faults/media', { phone: number, messageId: id, fault, ...more });

async function read(file: NetworkFile, maxBytes = 100 * MiB): Promise<Buffer> {
  const { bytes } = await media.open('whatsapp', file, { maxBytes, signal: new AbortController().signal });
  return collect(bytes);
}

const failure = (code: string) => expect.objectContaining({ code });

describe('a file of a phone', () => {
  it.each(['image', 'video', 'gif', 'video-note', 'audio', 'voice', 'document', 'sticker'])(
    'of type %s arrives',
    async (type) => {
      const original = randomBytes(100_001);
      const { file } = await receive(type, original);
      expect((await read(file)).equals(original)).toBe(true);
    },
  );

  it.each(['hash', 'encrypted-hash', 'mac'])('with a forged %s is noticed', async (forge) => {
    const { file } = await receive('image', randomBytes(100_001), { forge });
    await expect(read(file)).rejects.toEqual(failure('media.corrupt'));
  });

  it('that was changed on the host, or lost its end, is noticed', async () => {
    const received = await receive('document', randomBytes(100_001));
    for (const fault of ['corrupt', 'wrong-mac', 'truncate']) {
      await spoil(received, fault);
      await expect(read(received.file)).rejects.toEqual(failure('media.corrupt'));
    }
    await spoil(received, 'none');
    expect(await read(received.file)).toHaveLength(100_001);
  });

  it('comes in spite of a cut, and a host that promises or sends too much is left', async () => {
    const original = randomBytes(3 * MiB);
    const received = await receive('video', original);
    await spoil(received, 'cut', { afterBytes: 2 * MiB });
    expect((await read(received.file)).equals(original)).toBe(true);
    for (const fault of ['huge-length', 'endless']) {
      await spoil(received, fault);
      await expect(read(received.file, 4 * MiB)).rejects.toEqual(failure('media.too-large'));
    }
  });
});

describe('a file that the network has dropped', () => {
  const askAgain = async ({ id, from, file }: Received, mediaKey = file.mediaKey) => {
    user.send(mediaRetryReceipt({ id, to: from, fromMe: false, mediaKey }));
    const stanza = await user.next((one) => attribute(one, 'type') === 'mediaretry' && one.tag === 'notification');
    user.ack(stanza);
    const incoming = readIncoming(stanza, 0);
    if (incoming.kind !== 'media-retry') throw new Error(`read as ${incoming.kind}`);
    return incoming.retry;
  };

  it('is asked for again, and comes from its new path', async () => {
    const original = randomBytes(100_001);
    const received = await receive('image', original);
    await spoil(received, 'drop');
    await expect(read(received.file)).rejects.toEqual(failure('media.gone'));
    const { id, from, answer } = await askAgain(received);
    expect([id, from.user]).toEqual([received.id, received.from.user]);
    const outcome = media.readMediaRetry(received.file.mediaKey, id, answer);
    if (outcome.outcome !== 'found') throw new Error(outcome.outcome);
    expect(outcome.directPath).not.toBe(received.file.directPath);
    await spoil(received, 'none');
    expect((await read({ ...received.file, directPath: outcome.directPath })).equals(original)).toBe(true);
  });

  it('may be gone for good', async () => {
    const received = await receive('image', randomBytes(10));
    const unknown = { ...received, id: 'UNKNOWN' as MessageId };
    const { id, answer } = await askAgain(unknown);
    expect(media.readMediaRetry(received.file.mediaKey, id, answer)).toEqual({ outcome: 'gone' });
    const misunderstood = await askAgain(received, randomBytes(32));
    expect(media.readMediaRetry(received.file.mediaKey, received.id, misunderstood.answer)).toEqual({
      outcome: 'unreadable',
    });
  });
});
