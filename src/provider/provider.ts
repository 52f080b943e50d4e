// Our HTTP face towards the network: it publishes the keys with which we vouch for our users, and mints the tokens that do so.
import { randomUUID } from 'node:crypto';
import { type Response, Router } from 'express';
import { importPKCS8, SignJWT } from 'jose';
import type { Clock } from '../model/clock.ts';
import { BridgeError } from '../model/errors.ts';
import { serverOf } from '../model/ids.ts';
import type { TokenMinter } from '../model/interop.ts';
import type { OptInRegister, SigningKeyStore } from '../model/provider.ts';
import { Serial } from '../model/serial.ts';
import type { Logger } from '../observability/logger.ts';
import {
  newSigningKey,
  noSigningKey,
  planRotation,
  publicJwk,
  publishedKeys,
  type SigningAlgorithm,
  signingKeyAt,
} from './keys.ts';

const hour = 3_600_000;
const day = 24 * hour;
/** How long anybody may cache the key set, in seconds. A new key is published far longer before its first use. */
const cacheSeconds = 3600;
const publicationLead = day;
const retirementMargin = hour;

export interface ProviderOptions {
  /** The issuer of the tokens and the address under which the network reaches `router`; no trailing slash. */
  readonly publicUrl: string;
  readonly audience: string;
  readonly algorithm: SigningAlgorithm;
  readonly tokenLifetimeS: number;
  readonly serverName: string;
  readonly keys: SigningKeyStore;
  readonly optIns: OptInRegister;
  readonly clock: Clock;
  readonly logger: Logger;
  /** 90 days by default. */
  readonly keyRotationDays?: number;
  /** `/.well-known/jwks.json` by default. */
  readonly jwksPath?: string;
  /** Names of the claims that are not standard; `purpose` and `account_id` by default. */
  readonly claims?: { readonly purpose: string; readonly account_id: string };
}

export interface Provider {
  /** To be mounted at the root of `publicUrl`. */
  readonly router: Router;
  readonly minter: TokenMinter;
  /** Makes, retires and removes keys as their time has come. Call it at start and about every hour. */
  rotateIfDue(): Promise<void>;
}

export function createProvider(options: ProviderOptions): Provider {
  const { publicUrl, audience, algorithm, tokenLifetimeS, serverName, keys, optIns, clock, logger } = options;
  const jwksPath = options.jwksPath ?? '/.well-known/jwks.json';
  const claims = options.claims ?? { purpose: 'purpose', account_id: 'account_id' };
  const rotation = new Serial<'rotation'>();
  const rules = {
    algorithm,
    period: (options.keyRotationDays ?? 90) * day,
    lead: publicationLead,
    overlap: tokenLifetimeS * 1000 + retirementMargin,
  };

  const rotateIfDue = (): Promise<void> =>
    rotation.run('rotation', async () => {
      const now = clock.now();
      const plan = planRotation(await keys.list(), now, rules);
      for (const { key, retireAt } of plan.retire) await keys.put({ ...key, retireAt });
      for (const key of plan.remove) await keys.remove(key.kid);
      if (plan.createActiveFrom === undefined) return;
      const key = await newSigningKey(algorithm, now, plan.createActiveFrom);
      await keys.put(key);
      logger.info({ kid: key.kid, algorithm, activeInMs: plan.createActiveFrom - now }, 'made a signing key');
    });

  const minter: TokenMinter = {
    mint: async ({ user, interopAccountId, purpose, now: byNetwork }) => {
      if (serverOf(user) !== serverName)
        throw new BridgeError('provider.foreign-user', 'a token was asked for a user of another server', {
          userText: `Only users of ${serverName} can use this bridge.`,
        });
      const agreed = purpose === 'withdraw' ? await optIns.isLeaving(user) : await optIns.isOptedIn(user);
      if (!agreed)
        throw new BridgeError('provider.not-opted-in', 'a token was asked for a user who has not opted in', {
          retry: 'after-action',
          userText: 'You have not opted in yet. Send me "opt-in" to begin.',
        });
      if (purpose === 'connect' && interopAccountId === undefined)
        throw new BridgeError('provider.no-account-id', 'a token to connect with needs the account id from enlistment');
      const key = signingKeyAt(await keys.list(), clock.now());
      if (!key) throw noSigningKey();
      const now = Math.floor((byNetwork ?? clock.now()) / 1000);
      return new SignJWT({
        [claims.purpose]: purpose,
        ...(interopAccountId === undefined ? {} : { [claims.account_id]: interopAccountId }),
      })
        .setProtectedHeader({ alg: key.algorithm, kid: key.kid, typ: 'JWT' })
        .setIssuer(publicUrl)
        .setSubject(user)
        .setAudience(audience)
        .setIssuedAt(now)
        .setExpirationTime(now + tokenLifetimeS)
        .setJti(randomUUID())
        .sign(await importPKCS8(key.privateKey, key.algorithm));
    },
  };

  const published = async () => publishedKeys(await keys.list(), clock.now());
  const answer = (response: Response, body: object): void => {
    response.set('Cache-Control', `public, max-age=${cacheSeconds}`).json(body);
  };
  const router = Router();
  router.get('/.well-known/openid-configuration', async (_request, response) => {
    const algorithms = (await published()).map((key) => key.algorithm);
    answer(response, {
      issuer: publicUrl,
      jwks_uri: `${publicUrl}${jwksPath}`,
      response_types_supported: ['id_token'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [...new Set(algorithms)],
      claims_supported: ['iss', 'sub', 'aud', 'iat', 'exp', 'jti', claims.purpose, claims.account_id],
    });
  });
  router.get(jwksPath, async (_request, response) => {
    const jwks = (await published()).map(async ({ kid, algorithm: alg, privateKey }) => ({
      ...(await publicJwk(privateKey)),
      kid,
      alg,
      use: 'sig',
    }));
    answer(response, { keys: await Promise.all(jwks) });
  });

  return { router, minter, rotateIfDue };
}
