import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { SandboxPhone } from '../../src/demo/sandbox-phone.ts';
import { formatJid, type LidJid, lidJid } from '../../src/model/jid.ts';
import { receiptStanza, typingStanza } from '../../src/sandbox/phone-stanzas.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { attribute, child, requireChild, type Stanza, stanza } from '../../src/whatsapp/binary/index.ts';
import { InteropUser, Provider } from './sandbox-client.ts';

let provider: Provider;
let sandbox: Sandbox;
let phones = 0;
let users = 0;

beforeAll(async () => {
  provider = await Provider.start();
  sandbox = await startSandbox({ provider: provider.settings });
});
afterAll(async () => {
  await sandbox.close();
  provider.stop();
});

const newPhone = (name: string): Promise<SandboxPhone> => {
  phones += 1;
  return SandboxPhone.create(sandbox.url, `3167000${1000 + phones}`, name);
};

async function newUser(): Promise<InteropUser> {
  users += 1;
  const user = new InteropUser(sandbox.info, provider, `@alice${users}:example.org`);
  await user.enlist();
  await user.connect();
  return user;
}

async function lidOf(phone: SandboxPhone): Promise<LidJid> {
  const { lid } = (await phone.call('GET', `/phones/${phone.number}`)) as { lid: string };
  return lidJid(lid.split('@')[0] ?? '');
}

describe('typing', () => {
  it('is seen by phones, from each other and from third-party users, with the time that has passed', async () => {
    const [anna, ben, alice] = [await newPhone('Anna'), await newPhone('Ben'), await newUser()];
    const waiting = ben.seesTyping(anna.number, 'composing');
    await anna.showTyping(ben.number, 'composing');
    const first = await waiting;
    await anna.showTyping(ben.number, 'recording');
    await anna.showTyping(ben.number, 'paused');
    await ben.seesTyping(anna.number, 'recording', first.seq);
    expect((await ben.seesTyping(anna.number, 'paused', first.seq)).seq).toBe(first.seq + 2);
    alice.send(typingStanza(await lidOf(ben), 'composing'));
    expect(await ben.seesTyping(alice.identifier, 'composing')).toMatchObject({ from: alice.identifier });
    expect(await ben.typing(`+${anna.number}`)).toHaveLength(3);
  });

  it('reaches third-party users who are there, and nobody later', async () => {
    const [anna, alice] = [await newPhone('Anna'), await newUser()];
    await anna.showTyping(alice.identifier, 'composing');
    const seen = await alice.nextTag('chatstate');
    expect([attribute(seen, 'from'), child(seen, 'composing') !== undefined]).toEqual([
      formatJid(await lidOf(anna)),
      true,
    ]);
    await alice.disconnect();
    await anna.showTyping(alice.identifier, 'paused');
    await alice.connect();
    await alice.ask('get', 'w:p', stanza('ping'));
    expect(alice.waiting('chatstate')).toEqual([]);
    await anna.post('offline', { offline: true });
    await expect(anna.showTyping(alice.identifier, 'composing')).rejects.toThrow(/409.*offline/);
  });
});

describe('what was played', () => {
  it('is more than read, both ways', async () => {
    const [anna, alice] = [await newPhone('Anna'), await newUser()];
    const id = await anna.sendFile(alice.identifier, { type: 'voice', content: randomBytes(10) });
    await alice.nextTag('message');
    alice.send(receiptStanza(id, await lidOf(anna), 'played'));
    expect((await anna.hasStatus(id, 'played')).status).toBe('played');
    alice.send(receiptStanza(id, await lidOf(anna), 'read'));

    await alice.write(await lidOf(anna), 'hello', 'H1');
    await anna.waitForMessage((message) => message.id === 'H1');
    await anna.confirm('H1', 'played');
    const receipt = await alice.next((one) => one.tag === 'receipt' && attribute(one, 'type') === 'played');
    expect(attribute(receipt, 'id')).toBe('H1');
    expect((await anna.message(id, 'played', 0)).status).toBe('played');
  });
});

describe('what a third-party account sends', () => {
  it('is counted by kind, also when it has left', async () => {
    const [anna, alice] = [await newPhone('Anna'), await newUser()];
    const before = await anna.trafficFrom(alice.identifier);
    expect(before).toEqual({ enlist: 1, login: 1 });
    const lid = await lidOf(anna);
    await alice.write(lid, 'one', 'T1');
    const receipt = await alice.nextTag('receipt');
    alice.ack(receipt);
    alice.send(receiptStanza('X', lid, 'read'));
    alice.send(receiptStanza('X', lid));
    alice.send(typingStanza(lid, 'recording'));
    alice.send(stanza('presence', { type: 'unavailable' }));
    await alice.ask('get', 'w:p', stanza('ping'));
    await alice.withdraw();
    expect(await anna.trafficFrom(alice.identifier)).toEqual({
      ...{ enlist: 1, login: 1, message: 1, 'iq:encrypt': 1, 'iq:w:p': 1, 'ack:receipt': 1, withdraw: 1 },
      ...{ 'receipt:read': 1, 'receipt:delivered': 1, 'chatstate:composing': 1, 'presence:unavailable': 1 },
    });
    await expect(anna.trafficFrom('@nobody:example.org')).rejects.toThrow(/404/);
  });
});

describe('a profile picture', () => {
  const ask = async (user: InteropUser, of: LidJid, attrs = {}): Promise<Stanza> => {
    const picture = stanza('picture', { type: 'image', query: 'url', ...attrs });
    return user.askAbout(of, 'w:profile:picture', picture);
  };

  it('is fetched from the media host, and its change told to those who know the phone', async () => {
    const [anna, alice] = [await newPhone('Anna'), await newUser()];
    const lid = await lidOf(anna);
    expect(attribute(await ask(alice, lid), 'type')).toBe('error');
    await anna.send(alice.identifier, 'hello');
    await alice.nextTag('message');
    const image = randomBytes(5000);
    await anna.setPicture(image);
    const notification = await alice.nextTag('notification');
    const set = requireChild(notification, 'set');
    expect([attribute(notification, 'type'), attribute(set, 'jid')]).toEqual(['picture', formatJid(lid)]);
    const picture = requireChild(await ask(alice, lid), 'picture');
    expect(attribute(picture, 'id')).toBe(attribute(set, 'id'));
    expect(attribute(picture, 'url')).toBe(`https://${sandbox.info.mediaHost}${attribute(picture, 'direct_path')}`);
    expect(child(await ask(alice, lid, { id: attribute(set, 'id') }), 'picture')).toBeUndefined();
    alice.ack(notification);
    await anna.setPicture(null);
    await anna.setPicture(null);
    const removed = await alice.nextTag('notification');
    expect(child(removed, 'delete')).toBeDefined();
    expect(attribute(await ask(alice, lid), 'type')).toBe('error');
    expect(alice.waiting('notification')).toEqual([]);
  });

  it('is refused where there is none to read', async () => {
    const anna = await newPhone('Anna');
    await expect(anna.setPicture('/nowhere/at/all')).rejects.toThrow(/400.*unreadable/);
    await expect(anna.post('picture', {})).rejects.toThrow(/400/);
  });
});

describe('a call', () => {
  it('rings at a third-party user, who may decline it', async () => {
    const [anna, alice] = [await newPhone('Anna'), await newUser()];
    const id = await anna.ring(alice.identifier, { video: true });
    const call = await alice.nextTag('call');
    const offer = requireChild(call, 'offer');
    expect([attribute(offer, 'call-id'), attribute(offer, 'caller_pn')]).toEqual([id, `${anna.number}@s.whatsapp.net`]);
    expect([attribute(call, 'from'), attribute(offer, 'call-creator')]).toEqual([
      formatJid(await lidOf(anna)),
      attribute(call, 'from'),
    ]);
    expect(child(offer, 'video')).toBeDefined();
    alice.ack(call);
    const reject = stanza('reject', { 'call-id': id, 'call-creator': await lidOf(anna), count: 0 });
    alice.send(stanza('call', { id: 'C1', to: await lidOf(anna) }, [reject]));
    expect(attribute(await alice.next((one) => one.tag === 'ack' && attribute(one, 'id') === 'C1'), 'type')).toBe(
      'reject',
    );
    expect((await anna.callIs(id, 'rejected')).state).toBe('rejected');
  });

  it('waits for who is not there, and ends once', async () => {
    const [anna, ben] = [await newPhone('Anna'), await newPhone('Ben')];
    await ben.post('offline', { offline: true });
    const id = await anna.ring(ben.number);
    await ben.post('offline', { offline: false });
    const [ringing] = await ben.calls(0, 10_000);
    expect(ringing).toMatchObject({ id, from: anna.number, direction: 'in', video: false });
    await anna.hangUp(id);
    expect((await ben.callIs(id, 'ended')).state).toBe('ended');
    const again = await anna.ring(ben.number);
    await ben.calls(1, 10_000);
    await ben.hangUp(again);
    expect((await anna.callIs(again, 'rejected')).state).toBe('rejected');
    await anna.hangUp(again);
    expect((await anna.callIs(again, 'rejected')).state).toBe('rejected');
  });
});

describe('a file that the network has lost', () => {
  it('is uploaded again for a third-party user who asks for it', async () => {
    const [anna, alice] = [await newPhone('Anna'), await newUser()];
    const content = randomBytes(20_000);
    const id = await anna.sendFile(alice.identifier, { type: 'image', content, fault: { fault: 'drop' } });
    const message = (await alice.decrypt(await alice.nextTag('message')))?.imageMessage;
    const { mediaKey = new Uint8Array(), directPath = '' } = message ?? {};
    const retry = await alice.askForFile(id, await lidOf(anna), mediaKey);
    expect(retry).toMatchObject({ result: 1, stanzaId: id, directPath: expect.stringMatching(/^\/v\//) });
    if (typeof retry !== 'object') throw new Error('an error');
    expect(retry.directPath).not.toBe(directPath);
    const stored = await anna.message(id, 'sent', 0);
    expect(Buffer.from(stored.raw, 'base64').includes(retry.directPath ?? '?')).toBe(true);

    expect(await alice.askForFile(id, await lidOf(anna), randomBytes(32), mediaKey)).toMatchObject({ result: 3 });
    expect(await alice.askForFile('UNKNOWN', await lidOf(anna), mediaKey)).toBe('2');
  });
});
