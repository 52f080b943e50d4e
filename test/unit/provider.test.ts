// The provider: what it signs can be checked by a stranger with the published keys, through every rotation; and whom it refuses.
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import express from 'express';
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  decodeJwt,
  decodeProtectedHeader,
  type JSONWebKeySet,
  jwtVerify,
} from 'jose';
import { afterEach, describe, expect, it } from 'vitest';
import type { AccountId, UserId } from '../../src/model/ids.ts';
import type { TokenPurpose } from '../../src/model/interop.ts';
import type { SigningKey } from '../../src/model/provider.ts';
import { createLogger } from '../../src/observability/logger.ts';
import type { SigningAlgorithm } from '../../src/provider/keys.ts';
import { createProvider } from '../../src/provider/provider.ts';

const hour = 3_600_000;
const day = 24 * hour;
const anna = '@anna:example.org' as UserId;
const audience = 'https://network.example';
const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

/** A provider on a loopback port, with keys in memory and a clock that the test owns. */
async function startProvider(algorithm: SigningAlgorithm = 'ES256', keys = new Map<string, SigningKey>()) {
  const app = express();
  const server = createServer(app);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const time = { now: Date.UTC(2026, 0, 1) };
  const optedIn = new Set<string>([anna, '@eve:elsewhere.example']);
  const leaving = new Set<string>(['@leaver:example.org']);
  const provider = createProvider({
    publicUrl: url,
    audience,
    algorithm,
    tokenLifetimeS: 300,
    serverName: 'example.org',
    keyRotationDays: 90,
    keys: {
      list: async () => [...keys.values()],
      put: async (key) => void keys.set(key.kid, key),
      remove: async (kid) => void keys.delete(kid),
    },
    optIns: { isOptedIn: async (user) => optedIn.has(user), isLeaving: async (user) => leaving.has(user) },
    clock: { now: () => time.now, elapsed: () => time.now, sleep: async () => undefined },
    logger: createLogger({ level: 'silent' }),
  });
  app.use(provider.router);
  await provider.rotateIfDue();
  const get = async (path: string) => await fetch(`${url}${path}`);
  return {
    ...provider,
    url,
    time,
    keys,
    get,
    jwks: async () => (await (await get('/.well-known/jwks.json')).json()) as JSONWebKeySet,
    mint: (purpose: TokenPurpose = 'connect', user = anna) =>
      provider.minter.mint({
        user,
        account: 'a' as AccountId,
        interopAccountId: purpose === 'enlist' ? undefined : '18446744073709551615',
        purpose,
      }),
  };
}

describe('provider', () => {
  it.each(['ES256', 'RS256'] as const)(
    'mints %s tokens that verify against what discovery leads to',
    async (algorithm) => {
      const provider = await startProvider(algorithm);
      const token = await provider.mint();
      const discovery = await (await provider.get('/.well-known/openid-configuration')).json();
      expect(discovery.issuer).toBe(provider.url);
      expect(discovery.id_token_signing_alg_values_supported).toEqual([algorithm]);
      const { payload, protectedHeader } = await jwtVerify(token, createRemoteJWKSet(new URL(discovery.jwks_uri)), {
        issuer: provider.url,
        audience,
        subject: anna,
        currentDate: new Date(provider.time.now),
        requiredClaims: ['iat', 'exp', 'jti'],
      });
      expect(protectedHeader.alg).toBe(algorithm);
      expect(payload).toMatchObject({ purpose: 'connect', account_id: '18446744073709551615' });
      expect((payload.exp ?? 0) - (payload.iat ?? 0)).toBe(300);
    },
  );

  it('publishes no private part, and lets the key set be cached for less time than a new key is published ahead', async () => {
    for (const algorithm of ['ES256', 'RS256'] as const) {
      const provider = await startProvider(algorithm);
      const response = await provider.get('/.well-known/jwks.json');
      expect(response.headers.get('cache-control')).toBe('public, max-age=3600');
      const { keys } = (await response.json()) as JSONWebKeySet;
      expect(keys).toHaveLength(1);
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi', 'k']) expect(keys[0]).not.toHaveProperty(secret);
    }
  });

  it('binds tokens to purpose and account, each with an id of its own', async () => {
    const provider = await startProvider();
    const [enlist, again] = [await provider.mint('enlist'), await provider.mint('enlist')];
    expect(decodeJwt(enlist).purpose).toBe('enlist');
    expect(decodeJwt(enlist)).not.toHaveProperty('account_id');
    expect(decodeJwt(enlist).jti).not.toBe(decodeJwt(again).jti);
    await expect(
      provider.minter.mint({ user: anna, account: 'a' as AccountId, interopAccountId: undefined, purpose: 'connect' }),
    ).rejects.toMatchObject({ code: 'provider.no-account-id' });
  });

  it('gives a user who is leaving the token to say so, and no other', async () => {
    const provider = await startProvider();
    const leaver = '@leaver:example.org' as UserId;
    expect(decodeJwt(await provider.mint('withdraw', leaver)).purpose).toBe('withdraw');
    await expect(provider.mint('connect', leaver)).rejects.toMatchObject({ code: 'provider.not-opted-in' });
    await expect(provider.mint('withdraw')).rejects.toMatchObject({ code: 'provider.not-opted-in' });
  });

  it('refuses who has not opted in and who is of another server, even if the register knew them', async () => {
    const provider = await startProvider();
    await expect(provider.mint('connect', '@bob:example.org' as UserId)).rejects.toMatchObject({
      code: 'provider.not-opted-in',
      retry: 'after-action',
    });
    await expect(provider.mint('connect', '@eve:elsewhere.example' as UserId)).rejects.toMatchObject({
      code: 'provider.foreign-user',
    });
    await expect(provider.mint('enlist', '@eve:example.org.elsewhere.example' as UserId)).rejects.toMatchObject({
      code: 'provider.foreign-user',
    });
  });

  it('rotates so that a verifier with a day-old key set accepts every token in every hour of a year', async () => {
    const provider = await startProvider();
    const sets: JSONWebKeySet[] = [];
    const used = new Set<string>();
    for (let hours = 0; hours < 365 * 24; hours += 6) {
      await provider.rotateIfDue();
      sets.push(await provider.jwks());
      const token = await provider.mint();
      used.add(decodeProtectedHeader(token).kid ?? '');
      for (const set of [sets.at(-4) ?? sets.at(0), sets.at(-1)]) {
        if (!set) throw new Error('no key set');
        await jwtVerify(token, createLocalJWKSet(set), { currentDate: new Date(provider.time.now) });
      }
      provider.time.now += 6 * hour;
    }
    expect(used.size).toBe(5);
    expect(Math.max(...sets.map((set) => set.keys.length))).toBe(2);
  }, 30_000);

  it('keeps a replaced key published until the last token it signed has expired, then forgets it', async () => {
    const provider = await startProvider();
    const first = (await provider.jwks()).keys[0]?.kid;
    provider.time.now += 89 * day;
    await provider.rotateIfDue();
    const kids = async () => (await provider.jwks()).keys.map((key) => key.kid);
    expect(await kids()).toHaveLength(2);
    provider.time.now += day - 1;
    const last = await provider.mint();
    expect(decodeProtectedHeader(last).kid).toBe(first);
    provider.time.now += 299_000;
    await provider.rotateIfDue();
    expect(decodeProtectedHeader(await provider.mint()).kid).not.toBe(first);
    await jwtVerify(last, createLocalJWKSet(await provider.jwks()), { currentDate: new Date(provider.time.now) });
    provider.time.now += 2 * hour;
    expect(await kids()).not.toContain(first);
    await provider.rotateIfDue();
    expect([...provider.keys.keys()]).not.toContain(first);
  });

  it('changes the algorithm through a new key, published before its use; simultaneous calls make one key', async () => {
    const before = await startProvider();
    const after = await startProvider('RS256', before.keys);
    await Promise.all([after.rotateIfDue(), after.rotateIfDue(), after.rotateIfDue()]);
    expect((await after.jwks()).keys.map((key) => key.alg)).toEqual(['ES256', 'RS256']);
    expect(decodeProtectedHeader(await after.mint()).alg).toBe('ES256');
    after.time.now += day;
    expect(decodeProtectedHeader(await after.mint()).alg).toBe('RS256');
  });
});
