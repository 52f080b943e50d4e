import { createHash, randomBytes } from 'node:crypto';
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
  anna = await SandboxPhone.create(sandbox.url, '31680000001', 'Anna');
  ben = await SandboxPhone.create(sandbox.url, '31680000002', 'Ben');
  client = await WhatsAppClient.link(sandbox, ben);
  annaLid = z.object({ lid: z.string() }).parse(await anna.call('GET', `/phones/${anna.number}`)).lid;
});
afterAll(async () => {
  await client.dispose();
  await sandbox.close();
  provider.stop();
});

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

describe('an unmodified client', () => {
  it('shows who types, and is seen typing', async () => {
    for (const state of ['composing', 'recording', 'paused'] as const) {
      await anna.showTyping(ben.number, state);
      const shown = state === 'paused' ? 'available' : state;
      await client.until(state, () => client.presences.find((one) => one.from === annaLid && one.state === shown));
    }
    for (const state of ['composing', 'recording', 'paused'] as const) {
      await client.socket.sendPresenceUpdate(state, annaLid);
      await anna.seesTyping(ben.number, state);
    }
  });

  it('learns who is there once it has asked, and who has left', async () => {
    const carl = await SandboxPhone.create(sandbox.url, '31680000003', 'Carl');
    const other = await WhatsAppClient.link(sandbox, carl);
    try {
      // It says nothing of itself before it knows its name.
      other.socket.ev.emit('creds.update', { me: { ...other.me, id: other.me.jid, name: 'Carl' } });
      await client.socket.presenceSubscribe(other.lid);
      const seen = (state: string) =>
        client.until(state, () => client.presences.find((one) => one.from === other.lid && one.state === state));
      await seen('unavailable');
      await other.socket.sendPresenceUpdate('available');
      await seen('available');
      client.presences.length = 0;
      await other.stop();
      await seen('unavailable');
    } finally {
      await other.dispose();
    }
  });

  it('is told what was played, and tells it', async () => {
    const content = randomBytes(1000);
    const id = await client.send(annaLid, { audio: content, ptt: true, seconds: 1 });
    await anna.fetched((await anna.waitForMessage((message) => message.id === id)).id);
    await anna.confirm(id, 'played');
    await client.waitForReceipt(id, 5);

    const voice = await anna.sendFile(ben.number, { type: 'voice', content, seconds: 1 });
    await client.markPlayed(await client.waitForMessage(({ key, message }) => key.id === voice && Boolean(message)));
    expect((await anna.hasStatus(voice, 'played')).status).toBe('played');
  });

  it('sees profile pictures, and is told when they change', async () => {
    await expect(client.socket.profilePictureUrl(annaLid, 'image')).rejects.toThrow(/item-not-found/);
    const image = randomBytes(3000);
    await anna.setPicture(image);
    const changed = (change: string) =>
      client.until(change, () => client.pictures.find((one) => one.of === annaLid && one.change === change));
    await changed('changed');
    const url = await client.socket.profilePictureUrl(annaLid, 'image');
    expect(sha256(await (await fetch(url ?? '')).bytes())).toBe(sha256(image));
    await anna.setPicture(null);
    await changed('removed');
  });

  it('rings, declines, and sees that the caller has given up', async () => {
    const video = await anna.ring(ben.number, { video: true });
    const offer = await client.until('a call', () => client.calls.find(({ id }) => id === video));
    expect(offer).toMatchObject({
      status: 'offer',
      isVideo: true,
      from: annaLid,
      callerPn: `${anna.number}@s.whatsapp.net`,
    });
    await client.socket.rejectCall(offer.id, offer.from);
    expect((await anna.callIs(video, 'rejected')).state).toBe('rejected');

    const voice = await anna.ring(ben.number);
    await anna.hangUp(voice);
    await client.until('the end', () => client.calls.find(({ id, status }) => id === voice && status === 'terminate'));
  });

  it.each(['of others', 'of its own'] as const)(
    'asks its phone for files %s that the network has lost',
    async (whose) => {
      const content = randomBytes(50_000);
      const id =
        whose === 'of others'
          ? await anna.sendFile(ben.number, { type: 'image', content })
          : await client.send(annaLid, { image: content, jpegThumbnail: '' });
      const shown = await client.waitForMessage(({ key, message }) => key.id === id && Boolean(message));
      await ben.waitForMessage((message) => message.id === id);
      expect((await ben.fetched(id)).media?.state).toBe('verified');
      await ben.setFault(id, { fault: 'drop' });
      await expect(client.download(shown)).rejects.toThrow(/Failed to fetch/);
      const updated = await client.socket.updateMediaMessage(shown);
      expect(sha256(await client.download(updated))).toBe(sha256(content));
    },
  );

  it('hears that its phone does not have a file either', async () => {
    const fault = { fault: 'drop' } as const;
    const id = await anna.sendFile(ben.number, { type: 'image', content: randomBytes(10), fault });
    const shown = await client.waitForMessage(({ key, message }) => key.id === id && Boolean(message));
    await ben.waitForMessage((message) => message.id === id);
    expect((await ben.fetched(id)).media).toMatchObject({ state: 'failed', error: 'gone' });
    await expect(client.socket.updateMediaMessage(shown)).rejects.toThrow(/NOT_FOUND/);
  });
});
