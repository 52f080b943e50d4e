// Checks the third party's tokens (JWT) against the keys that it publishes (OpenID discovery, JWKS).
import { createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Clock } from '../model/clock.ts';
import { BridgeError } from '../model/errors.ts';

export interface ProviderSettings {
  /** The third party's OpenID document, or the origin under whose `/.well-known/openid-configuration` it lies. */
  readonly discoveryUrl: string;
  /** What `aud` must be. */
  readonly audience: string;
  /** What `iss` must be; undefined trusts what the document says. */
  readonly issuer?: string | undefined;
  /** Where the third party hosts files; absent parts are the origin of `discoveryUrl` and `/media/`. */
  readonly media?: { readonly origin?: string | undefined; readonly prefix?: string | undefined } | undefined;
}

export type TokenPurpose = 'enlist' | 'connect' | 'withdraw';

/** Code `token.expired`, `token.invalid`, or `token.unverifiable` where the keys could not be fetched. */
export class TokenError extends BridgeError {}

const MAX_LIFETIME_SECONDS = 3600;
const UNREACHABLE = new Set<string>([errors.JWKSTimeout.code, errors.JOSEError.code]);
const CLOCK_TOLERANCE_SECONDS = 5;

const discoverySchema = z.object({ issuer: z.string().min(1), jwks_uri: z.url() });
const claimsSchema = z.object({
  sub: z.string().min(1),
  iat: z.number(),
  exp: z.number(),
  jti: z.string().min(1),
  purpose: z.enum(['enlist', 'connect', 'withdraw']),
  account_id: z
    .string()
    .regex(/^\d{1,20}$/)
    .optional(),
});

interface Keys {
  readonly issuer: string;
  readonly keys: JWTVerifyGetKey;
}

export class Tokens {
  readonly #clock: Clock;
  #settings: ProviderSettings | undefined;
  #keys: Promise<Keys> | undefined;

  constructor(clock: Clock, settings: ProviderSettings | undefined) {
    this.#clock = clock;
    this.#settings = settings;
  }

  get settings(): ProviderSettings | undefined {
    return this.#settings;
  }

  configure(settings: ProviderSettings): void {
    this.#settings = settings;
    this.#keys = undefined;
  }

  /**
   * Returns the subject of a valid token. A token may be used again while it lives: it is bound to one purpose and account,
   * and a client whose connection broke during login repeats it. Throws TokenError.
   */
  async verify(
    token: string,
    expected: { readonly purpose: TokenPurpose; readonly accountId: string | undefined },
  ): Promise<{ readonly subject: string }> {
    const settings = this.#settings;
    if (!settings) throw new TokenError('token.unverifiable', 'no provider is configured', { retry: 'later' });
    const { issuer, keys } = await this.#discover(settings);
    const payload = await this.#check(token, keys, issuer, settings.audience);
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success) throw new TokenError('token.invalid', `claim ${claims.error.issues[0]?.path.join('.')}`);
    const { sub, iat, exp, purpose, account_id } = claims.data;
    if (exp - iat > MAX_LIFETIME_SECONDS) throw new TokenError('token.invalid', 'lives longer than an hour');
    if (purpose !== expected.purpose) throw new TokenError('token.invalid', 'made for another purpose');
    // A withdrawal may be repeated when the account is gone, and asked for before its id was known.
    const named = account_id !== undefined && expected.accountId !== undefined;
    if ((purpose === 'connect' || (purpose === 'withdraw' && named)) && account_id !== expected.accountId) {
      throw new TokenError('token.invalid', 'made for another account');
    }
    return { subject: sub };
  }

  async #check(token: string, keys: JWTVerifyGetKey, issuer: string, audience: string) {
    try {
      const { payload } = await jwtVerify(token, keys, {
        issuer,
        audience,
        algorithms: ['ES256', 'RS256'],
        clockTolerance: CLOCK_TOLERANCE_SECONDS,
        maxTokenAge: MAX_LIFETIME_SECONDS,
        currentDate: new Date(this.#clock.now()),
      });
      return payload;
    } catch (error) {
      if (error instanceof errors.JWTExpired) throw new TokenError('token.expired', 'expired', { cause: error });
      // The library reports an HTTP failure of the key set under its generic code.
      const reachable = error instanceof errors.JOSEError && !UNREACHABLE.has(error.code);
      if (reachable) throw new TokenError('token.invalid', error.code, { cause: error });
      throw new TokenError('token.unverifiable', 'key set not available', { retry: 'later', cause: error });
    }
  }

  #discover(settings: ProviderSettings): Promise<Keys> {
    this.#keys ??= discover(settings).catch((error: unknown) => {
      this.#keys = undefined;
      throw new TokenError('token.unverifiable', 'OpenID document not available', { retry: 'later', cause: error });
    });
    return this.#keys;
  }
}

async function discover(settings: ProviderSettings): Promise<Keys> {
  const suffix = '/.well-known/openid-configuration';
  const url = settings.discoveryUrl.endsWith(suffix)
    ? settings.discoveryUrl
    : settings.discoveryUrl.replace(/\/$/, '') + suffix;
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000), redirect: 'error' });
  if (!response.ok) throw new Error(`OpenID document: HTTP ${response.status}`);
  const document = discoverySchema.parse(await response.json());
  if (settings.issuer !== undefined && settings.issuer !== document.issuer) throw new Error('another issuer');
  // A short cooldown: a key that was published a moment ago is found, a flood of unknown key ids does not reach the provider.
  const keys = createRemoteJWKSet(new URL(document.jwks_uri), { cooldownDuration: 1_000, timeoutDuration: 5_000 });
  return { issuer: document.issuer, keys };
}
