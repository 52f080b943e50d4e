import { createHash } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { formatJid, type LidJid, lidJid, withDevice } from '../../src/model/jid.ts';
import { AdvSignedDeviceIdentitySchema } from '../../src/proto/adv_pb.ts';
import { decodeProto } from '../../src/proto/decode.ts';
import { askDevices, askKeys, receiptStanza } from '../../src/sandbox/phone-stanzas.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import {
  attribute,
  child,
  children,
  requireBytes,
  requireChild,
  type Stanza,
} from '../../src/whatsapp/binary/index.ts';
import { verify } from '../../src/whatsapp/noise/index.ts';
import { WhatsAppClient } from '../support/whatsapp-client.ts';
import { InteropUser, Provider } from './sandbox-client.ts';

let provider: Provider;
let directory: string;
let sandbox: Sandbox;
const clients: WhatsAppClient[] = [];
let phones = 0;

const start = (port = 0): Promise<Sandbox> => startSandbox({ port, dataDir: directory, provider: provider.settings });

beforeAll(async () => {
  provider = await Provider.start();
  directory = await mkdtemp(join(tmpdir(), 'sandbox-'));
  sandbox = await start();
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.dispose()));
});
afterAll(async () => {
  await sandbox.close();
  provider.stop();
  await rm(directory, { recursive: true });
});

const link = async (phone: SandboxPhone): Promise<WhatsAppClient> => {
  const client = await WhatsAppClient.link(sandbox, phone);
  clients.push(client);
  return client;
};

const newPhone = (name: string): Promise<SandboxPhone> => {
  phones += 1;
  return SandboxPhone.create(sandbox.url, `3164000${2000 + phones}`, name);
};

const lidOf = (client: WhatsAppClient): LidJid => lidJid(client.lid.split('@')[0] ?? '');

/** A third-party user who is connected. */
async function newUser(name: string): Promise<InteropUser> {
  const user = new InteropUser(sandbox.info, provider, `@${name}:example.org`);
  await user.enlist();
  await user.connect();
  return user;
}

const userIn = (answer: Stanza): Stanza => {
  const list = child(answer, 'list') ?? requireChild(requireChild(answer, 'usync'), 'list');
  const [user] = children(list, 'user');
  if (!user) throw new Error('nobody in the answer');
  return user;
};

describe('two unmodified clients of different phones', () => {
  it('exchange pictures through the media store, both ways', async () => {
    const [anna, ben] = [await link(await newPhone('Anna')), await link(await newPhone('Ben'))];
    for (const [from, to, seed] of [
      [anna, ben, 'there'],
      [ben, anna, 'back'],
    ] as const) {
      const image = Buffer.concat(
        Array.from({ length: 4000 }, (_, n) => createHash('sha256').update(`${seed}${n}`).digest()),
      );
      await from.send(to.lid, { image, caption: seed, mimetype: 'image/jpeg', jpegThumbnail: '' });
      const shown = await to.waitForMessage(({ message }) => message?.imageMessage?.caption === seed);
      expect((await to.download(shown)).equals(image)).toBe(true);
      expect(shown.message?.imageMessage?.url).toContain(`https://${sandbox.info.mediaHost}/`);
    }
  });

  it('go on talking when the network has been away', async () => {
    const [anna, ben] = [await link(await newPhone('Anna')), await link(await newPhone('Ben'))];
    await anna.send(ben.lid, 'before');
    await ben.waitForText('before');
    const { port } = new URL(sandbox.url);
    await sandbox.close();
    for (const client of [anna, ben]) await client.until('the break', () => (client.isOnline ? undefined : true));
    sandbox = await start(Number(port));
    await Promise.all([anna.online(), ben.online()]);
    await ben.send(anna.lid, 'after');
    await anna.waitForText('after');
    await anna.send(ben.lid, 'and back');
    await ben.waitForText('and back');
    expect(ben.texts).toEqual(['before', 'and back']);
    expect(anna.texts).toEqual(['after']);
  });
});

describe('a third-party user', () => {
  it('is a LID user without a number to an unmodified client, with a name that says what it is', async () => {
    const phone = await newPhone('Anna');
    const client = await link(phone);
    const alice = await newUser('alice');
    const lid = lidOf(client);
    const companion = withDevice(lid, client.me.device);
    expect(attribute(await alice.write(companion, 'hello', 'A1'), 'error')).toBeUndefined();
    const shown = await client.waitForText('hello');
    expect(shown.pushName).toBe('Alice · third-party chat');
    expect(shown.key.remoteJid).toMatch(/^\d+@lid$/);
    expect(shown.key.remoteJidAlt).toBeUndefined();

    const id = await client.send(shown.key.remoteJid ?? '', 'hello Alice');
    const message = await alice.nextTag('message');
    expect(attribute(message, 'from')).toBe(formatJid(companion));
    expect(await alice.read(message)).toBe('hello Alice');
    alice.send(receiptStanza(id, companion));
    await client.waitForReceipt(id, 3);
    // The primary device shows what its companion has sent.
    await phone.waitForMessage(({ text, direction }) => text === 'hello Alice' && direction === 'out');
  });

  it('learns of the devices, why to trust them, and which of them has got or read a message', async () => {
    const phone = await newPhone('Anna');
    const client = await link(phone);
    const alice = await newUser('aline');
    const lid = lidOf(client);
    const companion = withDevice(lid, client.me.device);

    const devices = requireChild(userIn(await alice.ask('get', 'usync', ...children(askDevices([lid])))), 'devices');
    const listed = children(requireChild(devices, 'device-list'), 'device');
    expect(listed.map((device) => attribute(device, 'id'))).toEqual(['0', String(client.me.device)]);
    expect(attribute(listed[1] ?? devices, 'key-index')).toBe(String(client.me.device));
    expect(requireBytes(requireChild(devices, 'key-index-list')).length).toBeGreaterThan(64);

    const { identityKey } = z
      .object({ identityKey: z.base64() })
      .parse(await phone.call('GET', `/phones/${phone.number}`));
    const bundle = userIn(await alice.ask('get', 'encrypt', ...children(askKeys([companion]))));
    const chain = decodeProto(AdvSignedDeviceIdentitySchema, requireBytes(requireChild(bundle, 'device-identity')));
    const { details = new Uint8Array(), accountSignatureKey, accountSignature, deviceSignature } = chain;
    const [primary, own] = [Buffer.from(identityKey, 'base64'), client.identityKey];
    expect(primary.equals(accountSignatureKey ?? Buffer.of())).toBe(true);
    const none = new Uint8Array();
    const signed = (prefix: number, ...more: Uint8Array[]) =>
      Buffer.concat([Buffer.of(6, prefix), details, own, ...more]);
    expect(verify(primary, signed(0), accountSignature ?? none)).toBe(true);
    expect(verify(own, signed(1, primary), deviceSignature ?? none)).toBe(true);
    expect(requireBytes(requireChild(bundle, 'identity'))).toEqual(new Uint8Array(own));

    await alice.write(companion, 'one', 'B1');
    const shown = await client.waitForText('one');
    const receipt = await alice.nextTag('receipt');
    expect([attribute(receipt, 'from'), attribute(receipt, 'id')]).toEqual([formatJid(companion), 'B1']);
    await client.markRead(shown);
    const read = await alice.next((one) => one.tag === 'receipt' && attribute(one, 'type') === 'read');
    expect(attribute(read, 'from')).toBe(formatJid(companion));

    const id = await client.send(shown.key.remoteJid ?? '', 'two');
    const message = await alice.nextTag('message');
    expect(attribute(message, 'id')).toBe(id);
    // Proof comes with whatever starts a session, and with nothing else.
    const type = attribute(requireChild(message, 'enc'), 'type');
    expect(child(message, 'device-identity') !== undefined).toBe(type === 'pkmsg');
  });

  it('is told when a client is linked and unlinked, and gets the proof with a first message', async () => {
    const phone = await newPhone('Anna');
    const alice = await newUser('alix');
    await phone.send(alice.identifier, 'hi');
    const { attrs } = await alice.nextTag('message');
    const client = await link(phone);
    const added = await alice.next((one) => attribute(one, 'type') === 'devices');
    expect(added.attrs.get('from')).toEqual(attrs.get('from'));
    const device = requireChild(requireChild(added, 'add'), 'device');
    expect(attribute(device, 'jid')).toBe(formatJid(withDevice(lidOf(client), client.me.device)));
    expect(attribute(device, 'key-index')).toBe(String(client.me.device));
    alice.ack(added);

    await client.send(z.string().parse(await lidOfUser(alice)), 'first');
    const first = await alice.next((one) => one.tag === 'message' && attribute(one, 'from')?.includes(':') === true);
    expect(attribute(requireChild(first, 'enc'), 'type')).toBe('pkmsg');
    expect(requireBytes(requireChild(first, 'device-identity')).length).toBeGreaterThan(150);

    await phone.call('DELETE', `/phones/${phone.number}/devices/${client.me.device}`);
    const removed = await alice.next((one) => child(one, 'remove') !== undefined);
    expect(attribute(requireChild(requireChild(removed, 'remove'), 'device'), 'key-index')).toBe(
      String(client.me.device),
    );
    const bundle = await alice.ask(
      'get',
      'encrypt',
      ...children(askKeys([withDevice(lidOf(client), client.me.device)])),
    );
    expect(child(userIn(bundle), 'error')).toBeDefined();
  });

  it('sees a device that the server has injected, with a chain that does not hold', async () => {
    const phone = await newPhone('Anna');
    const alice = await newUser('alva');
    await phone.send(alice.identifier, 'hi');
    await alice.nextTag('message');
    const injected = z
      .object({ attack: z.number(), device: z.number(), identityKey: z.base64() })
      .parse(await phone.call('POST', '/faults/injected-device', { phone: phone.number, chain: 'forged' }));
    const added = await alice.next((one) => child(one, 'add') !== undefined);
    const jid = requireChild(requireChild(added, 'add'), 'device').attrs.get('jid');
    if (typeof jid !== 'object' || jid.kind !== 'lid') throw new Error('no device');
    expect(jid.device).toBe(injected.device);
    await alice.write(jid, 'caught', 'X1');
    await expect
      .poll(() => phone.call('GET', `/faults/injected-device/${injected.attack}`))
      .toMatchObject({ answers: 1, decrypted: [expect.any(String)] });
  });
});

/** As her contacts see her; only the server's answer to herself names it. */
async function lidOfUser(user: InteropUser): Promise<string | undefined> {
  await user.disconnect();
  return attribute(await user.connect(), 'lid');
}
