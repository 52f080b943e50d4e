// The provider's signing keys: made, published before their first use, retired when the last token they signed has expired.
import { createPrivateKey, createPublicKey, generateKeyPair } from 'node:crypto';
import { promisify } from 'node:util';
import { calculateJwkThumbprint, type JWK } from 'jose';
import { BridgeError } from '../model/errors.ts';
import type { SigningKey } from '../model/provider.ts';

export type SigningAlgorithm = 'ES256' | 'RS256';

export interface RotationRules {
  readonly algorithm: SigningAlgorithm;
  /** How long one key signs, in milliseconds. */
  readonly period: number;
  /** How long a key is published before its first use, because the network caches the key set (docs/protocol.md). */
  readonly lead: number;
  /** How long a key stays published after its last use: the life of a token, and a margin for clocks and caches. */
  readonly overlap: number;
}

export interface RotationPlan {
  /** When a new key has to start signing; undefined where none is needed. */
  readonly createActiveFrom: number | undefined;
  readonly retire: readonly { readonly key: SigningKey; readonly retireAt: number }[];
  readonly remove: readonly SigningKey[];
}

const byStart = (a: SigningKey, b: SigningKey): number => a.activeFrom - b.activeFrom;

/** The key that signs at `now`: the newest one whose time has come; by a clock that was set back that may be none, and then the first. */
export function signingKeyAt(keys: readonly SigningKey[], now: number): SigningKey | undefined {
  const sorted = [...keys].sort(byStart);
  return sorted.findLast((key) => key.activeFrom <= now) ?? sorted[0];
}

/** The keys to publish at `now`: current, next, and those whose tokens may still be around. */
export function publishedKeys(keys: readonly SigningKey[], now: number): SigningKey[] {
  return keys.filter((key) => key.retireAt === undefined || key.retireAt > now).sort(byStart);
}

/** Decides what rotation is due. Pure; the same state and time give the same plan, so a killed rotation is simply run again. */
export function planRotation(keys: readonly SigningKey[], now: number, rules: RotationRules): RotationPlan {
  const current = signingKeyAt(keys, now);
  const hasNext = keys.some((key) => key.activeFrom > now);
  const isOutdated = (key: SigningKey): boolean =>
    key.algorithm !== rules.algorithm || now >= key.activeFrom + rules.period - rules.lead;
  const firstKeyNow = current === undefined && !hasNext ? now : undefined;
  const nextKeyAfterLead = current !== undefined && !hasNext && isOutdated(current) ? now + rules.lead : undefined;
  const sorted = [...keys].sort(byStart);
  return {
    createActiveFrom: firstKeyNow ?? nextKeyAfterLead,
    retire: sorted.flatMap((key, index) => {
      const successor = sorted[index + 1];
      const isReplaced = key.retireAt === undefined && successor !== undefined && successor.activeFrom <= now;
      return isReplaced ? [{ key, retireAt: successor.activeFrom + rules.overlap }] : [];
    }),
    remove: sorted.filter((key) => key.retireAt !== undefined && key.retireAt <= now),
  };
}

const generate = promisify(generateKeyPair);

async function newPrivateKey(algorithm: SigningAlgorithm): Promise<string> {
  const pair = await (algorithm === 'ES256'
    ? generate('ec', { namedCurve: 'P-256' })
    : generate('rsa', { modulusLength: 3072 }));
  return pair.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** The public half as the key set shows it (RFC 7517), made from public parts only. */
export async function publicJwk(privateKey: string): Promise<JWK> {
  return createPublicKey(createPrivateKey(privateKey)).export({ format: 'jwk' }) as JWK;
}

/** Makes a key; its id is the first 96 bits of its thumbprint (RFC 7638), short enough to be logged. */
export async function newSigningKey(algorithm: SigningAlgorithm, now: number, activeFrom: number): Promise<SigningKey> {
  const privateKey = await newPrivateKey(algorithm);
  const thumbprint = await calculateJwkThumbprint(await publicJwk(privateKey));
  const kid = thumbprint.slice(0, 16);
  return { kid, algorithm, privateKey, createdAt: now, activeFrom, retireAt: undefined };
}

/** Throws where there is no key to sign with, which cannot be once rotation has run. */
export function noSigningKey(): BridgeError {
  return new BridgeError('provider.no-key', 'no signing key is active yet', { retry: 'later' });
}
