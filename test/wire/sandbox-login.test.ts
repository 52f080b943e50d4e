import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Sandbox, startSandbox } from '../../src/sandbox/server.ts';
import { attribute, child } from '../../src/whatsapp/binary/index.ts';
import { control, InteropUser, Provider, type TokenChanges } from './sandbox-client.ts';

let provider: Provider;
let sandbox: Sandbox;
const user = (name: string): InteropUser => new InteropUser(sandbox.info, provider, `@${name}:example.org`);
const past = Math.floor(Date.now() / 1000) - 600;

beforeAll(async () => {
  provider = await Provider.start();
  sandbox = await startSandbox({ provider: provider.settings, tcpPort: 0 });
});
afterAll(async () => {
  await sandbox.close();
  provider.stop();
});

const forgeries: readonly (readonly [string, TokenChanges])[] = [
  ['another audience', { claims: { aud: 'somebody-else' } }],
  ['another issuer', { claims: { iss: 'https://evil.example' } }],
  ['another user', { claims: { sub: '@mallory:example.org' } }],
  ['an unknown key id', { kid: 'key-2' }],
  ['another key under the known id', { foreignKey: true }],
  ['no token id', { claims: { jti: undefined } }],
  ['a life of a day', { claims: { exp: past + 86_400 } }],
];

describe('enlistment', () => {
  it('gives an account id, the same one each time', async () => {
    const alice = user('alice');
    const first = await (await alice.enlist()).json();
    expect(first).toEqual({ accountId: expect.stringMatching(/^\d+$/), integrator: sandbox.info.integrator });
    expect(await (await alice.enlist()).json()).toEqual(first);
    expect(BigInt(alice.accountId)).toBeGreaterThan(BigInt(Number.MAX_SAFE_INTEGER));
  });

  it.each([
    ...forgeries,
    ['an expired token', { claims: { iat: past, exp: past + 60 } }] as const,
    ['a token for another purpose', { claims: { purpose: 'connect' } }] as const,
  ])('refuses %s', async (_what, changes) => {
    const response = await user('bob').enlist(changes);
    expect(response.status).toBe(401);
    expect(await response.json()).toMatchObject({
      error: expect.stringMatching(/^token_/),
      message: expect.any(String),
    });
  });

  it('refuses keys that are not signed by the identity', async () => {
    const [carol, dave] = [user('carol'), user('dave')];
    const body = { ...carol.enlistmentBody(), signedPreKey: Reflect.get(dave.enlistmentBody(), 'signedPreKey') };
    const token = await provider.token(carol.identifier, 'enlist', undefined);
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/json' };
    const refused = await fetch(sandbox.info.enlistmentUrl, { method: 'POST', headers, body: JSON.stringify(body) });
    expect([refused.status, await refused.json()]).toMatchObject([400, { error: 'bad_signature' }]);
  });

  it.each([
    ['something that is not JSON', '{', 400],
    ['a body without keys', JSON.stringify({ identifier: '@a:b' }), 400],
    ['a body that is too large', JSON.stringify({ identifier: '@'.padEnd(600_000, 'a') }), 413],
  ])('refuses %s', async (_what, body, status) => {
    const headers = { 'content-type': 'application/json' };
    const refused = await fetch(sandbox.info.enlistmentUrl, { method: 'POST', headers, body });
    expect([refused.status, await refused.json()]).toMatchObject([status, { error: expect.any(String) }]);
  });

  it('takes a user out: the connection ends and phones no longer reach them', async () => {
    const erin = user('erin');
    await erin.enlist();
    await erin.connect();
    await control(sandbox.url, '/sandbox/phones', { number: '31600000001', name: 'Anna' });
    expect((await erin.withdraw()).status).toBe(204);
    const ended = await erin.nextTag('stream:error');
    expect(attribute(child(ended, 'conflict') ?? ended, 'type')).toBe('device_removed');
    await erin.nextTag('closed');
    const message = { to: erin.identifier, text: 'still there?' };
    await expect(control(sandbox.url, '/sandbox/phones/31600000001/messages', message)).rejects.toThrow(
      /^404.*not_reachable/,
    );
    expect((await erin.withdraw()).status).toBe(204);
    expect(attribute(await erin.connect(), 'reason')).toBe('401');
  });
});

describe('login', () => {
  it('lets an enlisted user in, over WebSocket and over TCP, and names their hidden id', async () => {
    const frank = user('frank');
    await frank.enlist();
    for (const url of [sandbox.info.chatUrl, sandbox.info.tcpUrl ?? '']) {
      const success = await frank.connect({ url });
      expect([success.tag, attribute(success, 'lid')]).toEqual(['success', expect.stringMatching(/^\d{15}@lid$/)]);
      await frank.disconnect();
    }
  });

  it.each([
    ...forgeries.map(([what, changes]) => [what, changes, what === 'another user' ? '401' : '414'] as const),
    ['an expired token', { claims: { iat: past, exp: past + 60 } }, '413'] as const,
    ['a token for another purpose', { claims: { purpose: 'enlist' } }, '414'] as const,
    ['a token for another account', { claims: { account_id: '1' } }, '414'] as const,
    ['a token for no account', { claims: { account_id: undefined } }, '414'] as const,
  ])('refuses %s', async (_what, changes, reason) => {
    const grace = user('grace');
    await grace.enlist();
    const failure = await grace.connect({ changes });
    expect([failure.tag, attribute(failure, 'reason')]).toEqual(['failure', reason]);
    await grace.nextTag('closed');
  });

  it('asks to come back later while the keys cannot be fetched', async () => {
    const heidi = user('heidi');
    await heidi.enlist();
    const elsewhere = await startSandbox({});
    const failure = await heidi.connect({ url: elsewhere.info.chatUrl }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 'noise.certificate-untrusted-root' });
    const stranger = new InteropUser(elsewhere.info, provider, heidi.identifier);
    stranger.accountId = heidi.accountId;
    expect(attribute(await stranger.connect(), 'reason')).toBe('503');
    await control(elsewhere.url, '/sandbox/provider', provider.settings);
    expect(attribute(await stranger.connect(), 'reason')).toBe('401');
    expect((await stranger.enlist()).status).toBe(200);
    expect((await stranger.connect()).tag).toBe('success');
    await elsewhere.close();
  });

  it('ends the first connection when a second one logs in', async () => {
    const [first, second] = [user('ivan'), user('ivan')];
    await first.enlist();
    second.accountId = first.accountId;
    await first.connect();
    await second.connect();
    const ended = await first.nextTag('stream:error');
    expect(attribute(child(ended, 'conflict') ?? ended, 'type')).toBe('replaced');
    await first.nextTag('closed');
    expect((await second.ask('get', 'w:p')).attrs.get('type')).toBe('result');
  });

  it('closes a connection that has been silent for too long', async () => {
    const short = await startSandbox({ provider: provider.settings, limits: { keepAliveMs: 100 } });
    const judy = new InteropUser(short.info, provider, '@judy:example.org');
    await judy.enlist();
    await judy.connect();
    expect((await judy.nextTag('closed')).tag).toBe('closed');
    await short.close();
  });

  it('takes no more connections than its limit', async () => {
    const small = await startSandbox({ provider: provider.settings, limits: { connections: 1 } });
    const ken = new InteropUser(small.info, provider, '@ken:example.org');
    await ken.enlist();
    await ken.connect();
    await expect(
      new InteropUser(small.info, provider, ken.identifier).connectWith(new Uint8Array()),
    ).rejects.toMatchObject({
      code: 'noise.connect-failed',
    });
    expect((await ken.ask('get', 'w:p')).attrs.get('type')).toBe('result');
    await small.close();
  });
});
