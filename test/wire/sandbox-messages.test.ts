import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import { type LidJid, lidJid, parseJid, phoneJid, SERVER } from '../../src/model/jid.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { attribute, child, requireChild, stanza } from '../../src/whatsapp/binary/index.ts';
import { control, InteropUser, Provider, reached, received } from './sandbox-client.ts';

interface PhoneInfo {
  readonly number: string;
  readonly lid: string;
  readonly identityKey: string;
}

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

async function phone(name: string): Promise<PhoneInfo & { readonly jid: LidJid }> {
  phones += 1;
  const info = await control<PhoneInfo>(sandbox.url, '/sandbox/phones', { number: `3162000000${phones}`, name });
  return { ...info, jid: lidJid(info.lid.split('@')[0] ?? '') };
}

async function enlisted(preKeys?: number): Promise<InteropUser> {
  users += 1;
  const user = new InteropUser(sandbox.info, provider, `@alice${users}:example.org`);
  await user.enlist({}, preKeys);
  return user;
}

const write = async (from: PhoneInfo, to: string, text: string): Promise<string> =>
  (await control<{ id: string }>(sandbox.url, `/sandbox/phones/${from.number}/messages`, { to, text })).id;

describe('phones among themselves', () => {
  it('chat by phone number, and both decrypt', async () => {
    const [anna, bert] = [await phone('Anna'), await phone('Bert')];
    const first = await write(anna, `+${bert.number}`, 'hello Bert');
    expect(await received(sandbox.url, bert.number, 'hello Bert')).toMatchObject({ id: first, from: anna.number });
    await write(bert, anna.number, 'hello Anna');
    await received(sandbox.url, anna.number, 'hello Anna');
    expect((await reached(sandbox.url, anna.number, first, 'delivered')).status).toBe('delivered');
    await control(sandbox.url, `/sandbox/phones/${bert.number}/receipts`, { id: first, type: 'read' });
    expect((await reached(sandbox.url, anna.number, first, 'read')).status).toBe('read');
    const numbers = await Promise.all(
      [[anna, bert] as const, [bert, anna] as const].map(([own, peer]) =>
        control(sandbox.url, `/sandbox/phones/${own.number}/safety-number?with=${peer.number}`),
      ),
    );
    const [annas, berts] = z
      .array(z.object({ safetyNumber: z.string().length(60), scannable: z.base64() }))
      .parse(numbers);
    expect(annas?.safetyNumber).toBe(berts?.safetyNumber);
    // What is scanned says whose key is whose, so each shows the other order.
    expect(annas?.scannable).not.toBe(berts?.scannable);
  });

  it('keep what is sent to a phone that is off', async () => {
    const [anna, bert] = [await phone('Anna'), await phone('Bert')];
    await control(sandbox.url, `/sandbox/phones/${bert.number}/offline`, { offline: true });
    const id = await write(anna, bert.number, 'call me');
    expect((await reached(sandbox.url, anna.number, id, 'sent')).status).toBe('sent');
    await control(sandbox.url, `/sandbox/phones/${bert.number}/offline`, { offline: false });
    await received(sandbox.url, bert.number, 'call me');
  });

  it('ask again for a message that arrives damaged, and find a reinstalled phone', async () => {
    const [anna, bert] = [await phone('Anna'), await phone('Bert')];
    await control(sandbox.url, '/sandbox/faults/corrupt', { to: bert.number });
    const id = await write(anna, bert.number, 'damaged');
    expect(await received(sandbox.url, bert.number, 'damaged')).toMatchObject({ id });
    expect(await control(sandbox.url, '/sandbox/faults/corrupt')).toEqual({ corrupted: [id] });
    const reset = await control<PhoneInfo>(sandbox.url, `/sandbox/phones/${bert.number}/reset`, {});
    expect(reset.identityKey).not.toBe(bert.identityKey);
    await write(anna, bert.number, 'is it you?');
    await received(sandbox.url, bert.number, 'is it you?');
  });
});

describe('a third-party user and a phone', () => {
  it('talk both ways; the phone is a LID with its number beside it, the user a LID with a telling name', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    const id = await write(anna, alice.identifier, 'hello Alice');
    const message = await alice.nextTag('message');
    expect([attribute(message, 'from'), attribute(message, 'sender_pn')]).toEqual([
      anna.lid,
      `${anna.number}@s.whatsapp.net`,
    ]);
    expect([attribute(message, 'id'), attribute(message, 'notify')]).toEqual([id, 'Anna']);
    expect(await alice.read(message)).toBe('hello Alice');
    alice.send(stanza('receipt', { id, to: anna.jid }));
    expect((await alice.nextTag('ack')).attrs.get('class')).toBe('receipt');
    expect((await reached(sandbox.url, anna.number, id, 'delivered')).status).toBe('delivered');

    expect((await alice.write(anna.jid, 'hello Anna', 'A1')).attrs.get('error')).toBeUndefined();
    expect(await received(sandbox.url, anna.number, 'hello Anna')).toMatchObject({ id: 'A1', from: alice.identifier });
    const receipt = await alice.nextTag('receipt');
    expect([attribute(receipt, 'id'), attribute(receipt, 'type'), attribute(receipt, 'from')]).toEqual([
      'A1',
      undefined,
      anna.lid,
    ]);
  });

  it('learn what was read only where the third-party user shares it too', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    const read = (id: string) => control(sandbox.url, `/sandbox/phones/${anna.number}/receipts`, { id, type: 'read' });
    await alice.connect({ readReceipts: false });
    await alice.write(anna.jid, 'private', 'P1');
    await received(sandbox.url, anna.number, 'private');
    await read('P1');
    await alice.connect({ readReceipts: true });
    await alice.write(anna.jid, 'shared', 'P2');
    await received(sandbox.url, anna.number, 'shared');
    await read('P2');
    const receipt = await alice.next((one) => one.tag === 'receipt' && one.attrs.get('type') === 'read');
    expect(attribute(receipt, 'id')).toBe('P2');
  });

  it('see phone numbers where the network addresses by number', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    await control(sandbox.url, '/sandbox/network', { addressing: 'pn' });
    await write(anna, alice.identifier, 'by number');
    await control(sandbox.url, '/sandbox/network', { addressing: 'lid' });
    const message = await alice.nextTag('message');
    expect([attribute(message, 'from'), attribute(message, 'sender_lid')]).toEqual([
      `${anna.number}@s.whatsapp.net`,
      anna.lid,
    ]);
  });

  it('find each other by number, but nobody who does not exist, and no other third-party user', async () => {
    const [alice, other, anna] = [await enlisted(), await enlisted(), await phone('Anna')];
    await alice.connect();
    const ask = (...users: ReturnType<typeof stanza>[]) => {
      const query = stanza('query', {}, [stanza('devices', { version: 2 }), stanza('lid'), stanza('contact')]);
      const usync = stanza('usync', { sid: '1', mode: 'query' }, [query, stanza('list', {}, users)]);
      return alice.ask('get', 'usync', usync);
    };
    const byNumber = (number: string) => stanza('user', {}, [stanza('contact', {}, Buffer.from(`+${number}`))]);
    const otherJid = parseJid(`${sandbox.info.integrator}-${other.accountId}:0@interop`);
    const answer = await ask(byNumber(anna.number), byNumber('31699999999'), stanza('user', { jid: otherJid }));
    const [found, unknown, ...more] = requireChild(requireChild(answer, 'usync'), 'list').content as (typeof answer)[];
    expect(found && [attribute(found, 'jid'), attribute(requireChild(found, 'lid'), 'val')]).toEqual([
      anna.lid,
      anna.lid,
    ]);
    expect(unknown && attribute(requireChild(unknown, 'contact'), 'type')).toBe('out');
    expect(more).toEqual([]);
    const keys = await alice.ask('get', 'encrypt', stanza('key', {}, [stanza('user', { jid: otherJid })]));
    const [user] = requireChild(keys, 'list').content as (typeof keys)[];
    expect(user && attribute(requireChild(user, 'error'), 'code')).toBe('404');
    const nobody = await alice.encrypt(anna.jid, 'x', 'N1');
    alice.send({ ...nobody, attrs: new Map([...nobody.attrs, ['to', phoneJid('31699999999')]]) });
    expect((await alice.nextTag('ack')).attrs.get('error')).toBe('404');
  });

  it('route a message once, however often it is sent', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    const message = await alice.encrypt(anna.jid, 'once', 'D1');
    for (let i = 0; i < 3; i += 1) {
      alice.send(message);
      expect((await alice.nextTag('ack')).attrs.get('error')).toBeUndefined();
    }
    await alice.write(anna.jid, 'after', 'D2');
    await received(sandbox.url, anna.number, 'after');
    const path = `/sandbox/phones/${anna.number}/messages`;
    const { messages } = await control<{ messages: { text: string }[] }>(sandbox.url, path);
    expect(messages.map(({ text }) => text)).toEqual(['once', 'after']);
  });

  it('get what waited, marked and between preview and end, until they acknowledge it', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await write(anna, alice.identifier, 'one');
    await reached(sandbox.url, anna.number, await write(anna, alice.identifier, 'two'), 'sent');
    await alice.connect({ passive: true });
    expect((await alice.ask('get', 'encrypt', stanza('count'))).attrs.get('type')).toBe('result');
    expect(alice.waiting('message')).toEqual([]);
    await alice.ask('set', 'passive', stanza('active'));
    const preview = requireChild(await alice.nextTag('ib'), 'offline_preview');
    expect([attribute(preview, 'count'), attribute(preview, 'message')]).toEqual(['2', '2']);
    const [one, two] = [await alice.nextTag('message'), await alice.nextTag('message')];
    expect([await alice.read(one), await alice.read(two)]).toEqual(['one', 'two']);
    expect([one, two].map((message) => attribute(message, 'offline'))).toEqual(['1', '1']);
    expect(child(await alice.nextTag('ib'), 'offline')?.attrs.get('count')).toBe('2');
    alice.ack(one);
    await alice.ask('get', 'w:p');
    await alice.disconnect();

    await alice.connect();
    expect(attribute(await alice.nextTag('message'), 'id')).toBe(attribute(two, 'id'));
    await alice.next((candidate) => child(candidate, 'offline') !== undefined);
    expect(alice.waiting('message')).toEqual([]);
  });

  it('are told about a reinstalled phone, and about few one-time keys', async () => {
    const [alice, anna, bert] = [await enlisted(10), await phone('Anna'), await phone('Bert')];
    await alice.connect();
    await alice.write(anna.jid, 'first', 'I1');
    await control(sandbox.url, `/sandbox/phones/${anna.number}/reset`, {});
    const changed = await alice.next((candidate) => child(candidate, 'identity') !== undefined);
    expect([changed.tag, attribute(changed, 'from')]).toEqual(['notification', anna.lid]);
    await write(bert, alice.identifier, 'takes the tenth key');
    const few = await alice.next((candidate) => child(candidate, 'count') !== undefined);
    expect(attribute(requireChild(few, 'count'), 'value')).toBe('9');
  });

  it('repair a conversation by retry receipts in both directions', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    await control(sandbox.url, '/sandbox/faults/corrupt', { to: alice.identifier });
    const id = await write(anna, alice.identifier, 'damaged');
    const damaged = await alice.nextTag('message');
    expect(await alice.read(damaged)).toBeUndefined();
    const registration = Buffer.alloc(4);
    registration.writeUInt32BE(alice.keys.current().registrationId);
    const retry = [
      stanza('retry', { count: 1, id, t: attribute(damaged, 't'), v: 1 }),
      stanza('registration', {}, registration),
    ];
    alice.send(stanza('receipt', { id, to: anna.jid, type: 'retry' }, retry));
    const again = await alice.nextTag('message');
    expect([attribute(again, 'id'), attribute(requireChild(again, 'enc'), 'count')]).toEqual([id, '1']);
    expect(await alice.read(again)).toBe('damaged');

    await control(sandbox.url, '/sandbox/faults/corrupt', { to: anna.number });
    await alice.write(anna.jid, 'damaged too', 'R1');
    const asked = await alice.nextTag('receipt');
    const [type, from, about] = ['type', 'from', 'id'].map((name) => attribute(asked, name));
    expect([type, from, about]).toEqual(['retry', anna.lid, 'R1']);
  });

  it('show a forged retry receipt for what it is: the attacker reads what a blind client answers', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    await alice.write(anna.jid, 'secret', 'S1');
    const forged = { phone: anna.number, to: alice.identifier, id: 'S1' };
    const path = '/sandbox/faults/forged-retry';
    const { attack, identityKey } = await control<{ attack: number; identityKey: string }>(sandbox.url, path, forged);
    const receipt = await alice.next((candidate) => attribute(candidate, 'type') === 'retry');
    const offered = requireChild(requireChild(receipt, 'keys'), 'identity').content;
    expect(Buffer.from(offered as Uint8Array).toString('base64')).toBe(identityKey);
    expect(attribute(receipt, 'from')).toBe(anna.lid);
    expect(await control(sandbox.url, `${path}/${attack}`)).toMatchObject({ answers: 0, decrypted: [] });
    await alice.answerBlindly(receipt, 'secret');
    await alice.nextTag('ack');
    const result = await control<{ decrypted: string[] }>(sandbox.url, `${path}/${attack}`);
    expect(result).toMatchObject({ answers: 1 });
    expect(Buffer.from(result.decrypted[0] ?? '', 'base64').toString()).toContain('secret');
  });
});

describe('a bad network', () => {
  it('doubles a message, and delivers again what a broken connection lost', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    await control(sandbox.url, '/sandbox/faults/duplicate', { to: alice.identifier });
    const id = await write(anna, alice.identifier, 'twice');
    const [first, second] = [await alice.nextTag('message'), await alice.nextTag('message')];
    expect([attribute(first, 'id'), attribute(second, 'id')]).toEqual([id, id]);
    alice.ack(first);
    await alice.ask('get', 'w:p');

    await control(sandbox.url, '/sandbox/network', { dropEvery: 1 });
    await write(anna, alice.identifier, 'lost');
    await alice.nextTag('closed');
    await control(sandbox.url, '/sandbox/network', { dropEvery: 0 });
    await alice.connect();
    expect(await alice.read(first)).toBe('twice');
    expect(await alice.read(await alice.nextTag('message'))).toBe('lost');
    await control(sandbox.url, '/sandbox/network', { disconnect: true });
    await alice.nextTag('closed');
  });

  it('delivers a message behind the one after it', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    await control(sandbox.url, '/sandbox/faults/swap', { to: alice.identifier });
    const ids = [await write(anna, alice.identifier, 'first'), await write(anna, alice.identifier, 'second')];
    const seen = [await alice.nextTag('message'), await alice.nextTag('message')].map((one) => attribute(one, 'id'));
    expect(seen).toEqual(ids.toReversed());
    expect(await control(sandbox.url, '/sandbox/faults/swap')).toEqual({ swapped: [ids[0]] });
  });

  it('runs out of one-time keys, and says so', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    await control(sandbox.url, '/sandbox/faults/exhausted-keys', { to: alice.identifier });
    const notification = await alice.nextTag('notification');
    expect(attribute(requireChild(notification, 'count'), 'value')).toBe('0');
    await write(anna, alice.identifier, 'all the same');
    expect(await alice.read(await alice.nextTag('message'))).toBe('all the same');
  });

  it('keeps the order under latency', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    await control(sandbox.url, '/sandbox/network', { latencyMs: 30 });
    for (const text of ['1', '2', '3']) await write(anna, alice.identifier, text);
    await reached(sandbox.url, anna.number, await write(anna, alice.identifier, '4'), 'sent');
    await control(sandbox.url, '/sandbox/network', { latencyMs: 0 });
    await write(anna, alice.identifier, '5');
    const texts = [];
    for (let i = 0; i < 5; i += 1) texts.push(await alice.read(await alice.nextTag('message')));
    expect(texts).toEqual(['1', '2', '3', '4', '5']);
  });

  it('refuses more than may wait for one device', async () => {
    const small = await startSandbox({ provider: provider.settings, limits: { queue: 2 } });
    const alice = new InteropUser(small.info, provider, '@alice:example.org');
    await alice.enlist();
    await control(small.url, '/sandbox/phones', { number: '31630000001', name: 'Anna' });
    const ids = [];
    for (const text of ['1', '2', '3']) {
      const message = { to: alice.identifier, text };
      ids.push((await control<{ id: string }>(small.url, '/sandbox/phones/31630000001/messages', message)).id);
    }
    const last = await reached(small.url, '31630000001', ids[2] ?? '', 'sent');
    expect(last.status).toBe('failed');
    expect((await reached(small.url, '31630000001', ids[1] ?? '', 'sent')).status).toBe('sent');
    await small.close();
  });

  it('carries any protobuf from a phone', async () => {
    const [alice, anna] = [await enlisted(), await phone('Anna')];
    await alice.connect();
    const reaction = Buffer.from('f202050a0012013f', 'hex');
    const body = { to: alice.identifier, raw: reaction.toString('base64') };
    const { id } = await control<{ id: string }>(sandbox.url, `/sandbox/phones/${anna.number}/messages`, body);
    expect(attribute(await alice.nextTag('message'), 'id')).toBe(id);
    expect((await reached(sandbox.url, anna.number, id, 'sent')).type).toBe('reactionMessage');
  });

  it('answers what it does not know, so that no client waits', async () => {
    const alice = await enlisted();
    await alice.connect();
    expect((await alice.ask('set', 'w:stats', stanza('add'))).attrs.get('type')).toBe('result');
    expect((await alice.ask('get', 'w:mex', stanza('query'))).attrs.get('type')).toBe('error');
    expect((await alice.ask('get', 'encrypt', stanza('key'))).attrs.get('type')).toBe('result');
    expect((await alice.ask('get', 'encrypt', stanza('digest'))).content).toHaveLength(1);
    alice.send(stanza('message', { id: 'M1' }));
    expect((await alice.nextTag('ack')).attrs.get('error')).toBe('479');
    alice.send(stanza('receipt', { to: SERVER }));
    expect((await alice.nextTag('stream:error')).attrs.get('code')).toBe('400');
  });
});
