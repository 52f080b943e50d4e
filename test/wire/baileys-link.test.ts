import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type PhoneMessage, SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';

let sandbox: Sandbox;
const clients: WhatsAppClient[] = [];
let phones = 0;

beforeAll(async () => {
  sandbox = await startSandbox({});
});
afterAll(async () => {
  await Promise.all(clients.map((client) => client.dispose()));
  await sandbox.close();
});

const link = async (phone: SandboxPhone): Promise<WhatsAppClient> => {
  const client = await WhatsAppClient.link(sandbox, phone);
  clients.push(client);
  return client;
};

const newPhone = (name: string): Promise<SandboxPhone> => {
  phones += 1;
  return SandboxPhone.create(sandbox.url, `3164000${1000 + phones}`, name);
};

const devicesSchema = z.object({
  devices: z.array(z.object({ device: z.number(), identityKey: z.string(), connected: z.boolean() })),
});
const devicesOf = async (phone: SandboxPhone) =>
  devicesSchema.parse(await phone.call('GET', `/phones/${phone.number}/devices`)).devices;

const sentTo = (phone: SandboxPhone): string => `${phone.number}@s.whatsapp.net`;
describe('an unmodified client', () => {
  it('is linked by QR code, and writes and reads as one device of its phone', async () => {
    const [anna, ben] = [await newPhone('Anna'), await newPhone('Ben')];
    const client = await link(anna);
    const listed = await devicesOf(anna);
    expect(listed.map(({ device }) => device)).toEqual([0, client.me.device]);
    expect(listed[1]).toMatchObject({
      connected: true,
      identityKey: Buffer.from(client.identityKey).toString('base64'),
    });

    const id = await client.send(sentTo(ben), 'from the client');
    await ben.received('from the client');
    await anna.waitForMessage(({ direction, text }) => direction === 'out' && text === 'from the client');
    await client.waitForReceipt(id, 3);
    await ben.post('receipts', { id, type: 'read' });
    await client.waitForReceipt(id, 4);

    const answer = await ben.send(anna.number, 'answer');
    const shown = await client.waitForText('answer');
    expect(shown.pushName).toBe('Ben');
    await anna.received('answer');
    await client.markRead(shown);
    await ben.hasStatus(answer, 'read');
    // What is read on one device is read on all.
    await anna.hasStatus(answer, 'read');

    await anna.send(ben.number, 'from the phone');
    const copy = await client.waitForText('from the phone');
    expect(copy.key).toMatchObject({ fromMe: true });
  });

  it('goes on after a restart, and gets in order what came while it was away', async () => {
    const [anna, ben] = [await newPhone('Anna'), await newPhone('Ben')];
    const client = await link(anna);
    await ben.send(anna.number, 'before');
    await client.waitForText('before');
    await client.stop();
    for (let n = 1; n <= 5; n += 1) await ben.send(anna.number, `away ${n}`);
    await anna.received('away 5');
    await client.start();
    await client.waitForText('away 5');
    expect(client.texts).toEqual(['before', 'away 1', 'away 2', 'away 3', 'away 4', 'away 5']);
    await client.send(sentTo(ben), 'back');
    await ben.received('back');
  });

  it('shares its phone with a second client, and each shows everything once', async () => {
    const [anna, ben] = [await newPhone('Anna'), await newPhone('Ben')];
    const first = await link(anna);
    const second = await link(anna);
    expect(second.me.device).not.toBe(first.me.device);
    const other = await link(ben);
    await other.send(sentTo(anna), 'to all three');
    await Promise.all([first.waitForText('to all three'), second.waitForText('to all three')]);
    await anna.received('to all three');
    await first.send(other.lid, 'from the first');
    await second.waitForText('from the first');
    await other.waitForText('from the first');
    await second.send(other.lid, 'from the second');
    await first.waitForText('from the second');
    await other.waitForText('from the second');
    for (const client of [first, second, other]) expect(client.texts).toEqual([...new Set(client.texts)]);
  });

  it('reads again after it has lost its sessions', async () => {
    const [anna, ben] = [await newPhone('Anna'), await newPhone('Ben')];
    const [client, other] = [await link(anna), await link(ben)];
    await other.send(client.lid, 'one');
    await client.waitForText('one');
    await client.send(other.lid, 'two');
    await other.waitForText('two');
    await client.deleteSessions(other.lid);
    await other.send(client.lid, 'three');
    await client.waitForText('three');
    await ben.send(anna.number, 'four');
    await client.waitForText('four');
  });

  it('answers those who could not read a message: a phone, its own phone, and its own other client', async () => {
    const [anna, ben] = [await newPhone('Anna'), await newPhone('Ben')];
    const first = await link(anna);
    const corruptNext = (phone: SandboxPhone) => anna.call('POST', '/faults/corrupt', { to: phone.number });
    await corruptNext(ben);
    await first.send(sentTo(ben), 'damaged for Ben');
    await ben.received('damaged for Ben');
    await corruptNext(anna);
    await first.send(sentTo(ben), 'damaged for Anna');
    const isCopy = (text: string) => (message: PhoneMessage) => message.direction === 'out' && message.text === text;
    await anna.waitForMessage(isCopy('damaged for Anna'));

    const second = await link(anna);
    await anna.send(ben.number, 'both are there');
    await second.waitForText('both are there');
    await anna.post('offline', { offline: true });
    await corruptNext(anna);
    const benLid = z.object({ lid: z.string() }).parse(await ben.call('GET', `/phones/${ben.number}`)).lid;
    await first.send(benLid, 'damaged for the second');
    const copy = await second.waitForText('damaged for the second');
    expect(copy.key).toMatchObject({ fromMe: true, remoteJid: benLid });
    await anna.post('offline', { offline: false });
    await anna.waitForMessage(isCopy('damaged for the second'));
    expect((await ben.messages()).map(({ text }) => text)).toEqual([
      'damaged for Ben',
      'damaged for Anna',
      'both are there',
      'damaged for the second',
    ]);
  });

  it('is out when its phone unlinks it, and when it logs out itself', async () => {
    const anna = await newPhone('Anna');
    const [unlinked, leaving] = [await link(anna), await link(anna)];
    await anna.call('DELETE', `/phones/${anna.number}/devices/${unlinked.me.device}`);
    expect(await unlinked.until('the end', () => unlinked.endedWith)).toBe(401);
    await leaving.logOut();
    await expect.poll(() => devicesOf(anna)).toHaveLength(1);
    unlinked.connect();
    expect(await unlinked.until('the refusal', () => unlinked.endedWith)).toBe(401);
  });

  it('is out when its phone is installed anew', async () => {
    const anna = await newPhone('Anna');
    const client = await link(anna);
    await anna.post('reset', {});
    expect(await client.until('the end', () => client.endedWith)).toBe(401);
    expect(await devicesOf(anna)).toHaveLength(1);
  });
});

describe('a QR code', () => {
  it('is refused if it is none, or none that a client shows', async () => {
    const anna = await newPhone('Anna');
    const refused = (qr: string, code: string) => expect(anna.post('link', { qr })).rejects.toThrow(code);
    await refused('nonsense', 'link_code_malformed');
    const key = Buffer.alloc(32, 1).toString('base64');
    await refused(`2@unknown,${key},${key},${key},1`, 'link_unknown_ref');
  });
});
