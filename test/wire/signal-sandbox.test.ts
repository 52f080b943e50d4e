// The whole WhatsApp port, without a bridge, against the sandbox: enlist, connect, find a phone, talk both ways, ask again, leave.
import { randomUUID } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { create, fromBinary, toBinary } from '@bufbuild/protobuf';
import { type CryptoKey, exportJWK, generateKeyPair, SignJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../src/model/clock.ts';
import { type AccountId, type ContactId, newMessageId, type RoomId, type UserId } from '../../src/model/ids.ts';
import type {
  ContactLookup,
  IncomingMessage,
  IncomingReceipt,
  InteropClient,
  InteropNetwork,
  RetryReceipt,
  TokenPurpose,
} from '../../src/model/interop.ts';
import { phoneJid, type UserJid } from '../../src/model/jid.ts';
import type { PeerDevice, SignalCiphertext } from '../../src/model/signal.ts';
import { createLogger } from '../../src/observability/logger.ts';
import { MessageSchema } from '../../src/proto/message_pb.ts';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { createInteropNetwork } from '../../src/whatsapp/network.ts';
import { createSignal } from '../../src/whatsapp/signal/index.ts';
import { CommittedState } from '../support/signal-state.ts';

const account = 'account' as AccountId;
const user = '@user:example.org' as UserId;
const number = '31600000042';
const peer: PeerDevice = { account, contact: 'contact' as ContactId, device: 0 };
const state = new CommittedState();
const signal = createSignal({ reads: state, clock: systemClock });

let provider: Server;
let signingKey: CryptoKey;
let sandbox: Sandbox;
let network: InteropNetwork;
let client: InteropClient;
let interopAccountId: string;

/** What the client told us, in turn. */
type Told =
  | { readonly kind: 'message'; readonly message: IncomingMessage }
  | { readonly kind: 'receipt'; readonly receipt: IncomingReceipt }
  | { readonly kind: 'retry'; readonly retry: RetryReceipt }
  | { readonly kind: 'online' };
const told: Told[] = [];
let listener: (() => void) | undefined;
const next = <Kind extends Told['kind']>(kind: Kind): Promise<Extract<Told, { kind: Kind }>> =>
  new Promise((resolve) => {
    listener = () => {
      const at = told.findIndex((one) => one.kind === kind);
      const [found] = at < 0 ? [] : told.splice(at, 1);
      if (found) resolve(found as Extract<Told, { kind: Kind }>);
    };
    listener();
  });
const tell = async (one: Told): Promise<void> => {
  told.push(one);
  listener?.();
};

const mint = (purpose: TokenPurpose): Promise<string> =>
  new SignJWT({ purpose, ...(purpose === 'connect' && { account_id: interopAccountId }) })
    .setProtectedHeader({ alg: 'ES256', kid: 'k1' })
    .setIssuer('https://example.org')
    .setAudience('sandbox')
    .setSubject(user)
    .setIssuedAt()
    .setExpirationTime('5m')
    .setJti(randomUUID())
    .sign(signingKey);

const control = async (path: string, body?: object): Promise<Record<string, unknown>> => {
  const init = body && { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`${sandbox.url}/sandbox/${path}`, init ?? {});
  const text = await response.text();
  if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
  return text === '' ? {} : JSON.parse(text);
};

beforeAll(async () => {
  const pair = await generateKeyPair('ES256');
  signingKey = pair.privateKey;
  const jwk = { ...(await exportJWK(pair.publicKey)), kid: 'k1', alg: 'ES256', use: 'sig' };
  provider = createServer((request, response) => {
    const origin = `http://${request.headers.host}`;
    const document = { issuer: 'https://example.org', jwks_uri: `${origin}/jwks` };
    response.setHeader('content-type', 'application/json');
    response.end(JSON.stringify(request.url === '/jwks' ? { keys: [jwk] } : document));
  });
  await new Promise<void>((resolve) => provider.listen(0, '127.0.0.1', resolve));
  const discoveryUrl = `http://127.0.0.1:${(provider.address() as AddressInfo).port}`;
  sandbox = await startSandbox({ provider: { discoveryUrl, audience: 'sandbox' } });
  const { chatUrl, rootPublicKey, enlistmentUrl } = sandbox.info;
  const rootKey = new Uint8Array(Buffer.from(rootPublicKey, 'base64'));
  network = createInteropNetwork({
    endpoints: { whatsapp: { chatUrl, rootKey, enlistmentUrl } },
    clock: systemClock,
    logger: createLogger({ level: 'silent' }),
    tuning: { backOffBaseMs: 10, backOffCapMs: 50 },
  });
  await control('phones', { number, name: 'Anna' });
});

afterAll(async () => {
  await client?.stop();
  await sandbox?.close();
  await new Promise((resolve) => provider.close(resolve));
});

const encrypt = (text: string): Promise<SignalCiphertext> =>
  signal.exclusively([peer], async (unit) => {
    const payload = toBinary(MessageSchema, create(MessageSchema, { conversation: text }));
    const ciphertext = await unit.encrypt(peer, payload);
    state.commit(unit.changes());
    return ciphertext;
  });
const decrypt = (ciphertext: SignalCiphertext): Promise<string> =>
  signal.exclusively([peer], async (unit) => {
    const result = await unit.decrypt(peer, ciphertext);
    state.commit(unit.changes());
    return result.outcome === 'plaintext'
      ? (fromBinary(MessageSchema, result.plaintext).conversation ?? '')
      : result.outcome;
  });
const send = async (to: UserJid, text: string) => {
  const id = newMessageId();
  const recipients = [{ device: 0, ciphertext: await encrypt(text) }];
  const encoded = network.encodeMessage('whatsapp', { id, to, recipients });
  return { id, encoded, result: await client.send(encoded, id) };
};
const onPhone = (id: string) => control(`phones/${number}/messages/${id}?waitMs=5000`);

test('from enlistment to farewell', async () => {
  const { keys, changes } = signal.createIdentity(account, 5);
  state.commit(changes);
  const enlistment = await network
    .enlistment('whatsapp')
    .enlist({ user, displayName: 'User', token: await mint('enlist'), keys });
  interopAccountId = enlistment.interopAccountId;
  expect(enlistment.jid).toMatchObject({ kind: 'interop', user: interopAccountId });

  client = network.client(
    {
      id: account,
      network: 'whatsapp',
      user,
      managementRoom: '!r' as RoomId,
      createdAt: 0,
      state: { at: 'active', enlistment },
    },
    () => mint('connect'),
    {
      message: (message) => tell({ kind: 'message', message }),
      receipt: (receipt) => tell({ kind: 'receipt', receipt }),
      retry: (retry) => tell({ kind: 'retry', retry }),
      mediaRetry: async () => {},
      call: async () => {},
      typing: () => {},
      identityChanged: async () => {},
      devicesChanged: async () => {},
      pictureChanged: async () => {},
      preKeysLow: async () => {
        const made = await signal.createPreKeys(account, 30);
        state.commit(made.changes);
        await client.uploadPreKeys(made.keys);
      },
      givenUp: async () => {},
      online: () => tell({ kind: 'online' }),
      offline: () => {},
    },
  );
  client.start();
  await next('online');

  const found = (await client.lookUp(phoneJid(number))) as ContactLookup;
  expect(found).toMatchObject({ devices: [{ device: 0 }], addresses: [{ kind: 'lid' }, phoneJid(number)] });
  expect(await client.lookUp(phoneJid('31600000043'))).toBeUndefined();
  const to = found.addresses.find(({ kind }) => kind === 'lid') as UserJid;

  const bundle = await client.fetchBundle(to, 0);
  if (!bundle) throw new Error('a bundle');
  await signal.exclusively([peer], async (unit) => {
    expect(await unit.start(peer, bundle)).toEqual({ outcome: 'started' });
    state.commit(unit.changes());
  });
  const hello = await send(to, 'hello');
  expect(hello.result).toMatchObject({ accepted: true });
  expect(await onPhone(hello.id)).toMatchObject({ text: 'hello', direction: 'in', from: user });
  expect((await next('receipt')).receipt).toMatchObject({ type: 'delivered', ids: [hello.id], from: to });
  // The same bytes again: accepted, and not read twice.
  expect(await client.send(hello.encoded, hello.id)).toMatchObject({ accepted: true });

  const sent = await control(`phones/${number}/messages`, { to: user, text: 'hi' });
  const { message } = await next('message');
  expect(message).toMatchObject({ id: sent.id, from: to, device: 0, pushName: 'Anna' });
  const [ciphertext] = message.ciphertexts;
  expect(ciphertext && (await decrypt(ciphertext))).toBe('hi');
  await client.sendDeliveryReceipt(message.id, message.from, message.device);
  expect(await control(`phones/${number}/messages/${sent.id}?status=delivered&waitMs=5000`)).toMatchObject({
    status: 'delivered',
  });

  // We ask for a message again with fresh keys: it comes under the same id, in a session of its own.
  const more = await signal.createPreKeys(account, 1);
  state.commit(more.changes);
  const again = await control(`phones/${number}/messages`, { to: user, text: 'unreadable' });
  const first = (await next('message')).message;
  const { registrationId } = more.keys;
  await client.sendRetryReceipt({
    id: first.id,
    to,
    device: 0,
    timestamp: first.timestamp,
    count: 2,
    registrationId,
    keys: more.keys,
  });
  const second = (await next('message')).message;
  expect([second.id, second.ciphertexts[0]?.type]).toEqual([again.id, 'pkmsg']);
  expect(second.ciphertexts[0] && (await decrypt(second.ciphertexts[0]))).toBe('unreadable');

  // Cut off, the client comes back by itself and the conversation goes on.
  const back = next('online');
  await control('network', { disconnect: true });
  await back;
  const after = await send(to, 'still here');
  expect(await onPhone(after.id)).toMatchObject({ text: 'still here' });
  expect(await client.countPreKeys()).toBeGreaterThan(0);

  await network.enlistment('whatsapp').withdraw({ user, interopAccountId, token: await mint('withdraw') });
  await expect(control(`phones/${number}/messages`, { to: user, text: 'gone' })).rejects.toThrow('404');
});
