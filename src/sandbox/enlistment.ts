// The enlistment API: a third-party service brings a user in, with their keys, and takes them out again.
import express, { type Router as HttpRouter, type Request } from 'express';
import { z } from 'zod';
import { parseUserId } from '../model/ids.ts';
import { INTEGRATOR } from './directory.ts';
import { HttpError, readBody } from './http-error.ts';
import type { Network } from './network.ts';
import { announceIdentityChange } from './notifications.ts';
import { signatureHolds } from './pre-keys.ts';
import type { Router } from './router.ts';
import { TokenError, type TokenPurpose, type Tokens } from './tokens.ts';

const BODY_LIMIT = '512kb';
const MAX_PRE_KEYS = 2_000;

const bytes = (length: number) =>
  z
    .base64()
    .transform((text) => new Uint8Array(Buffer.from(text, 'base64')))
    .refine((decoded) => decoded.length === length, `must be ${length} bytes`);
const keyId = z.int().min(1).max(0xffffff);
const oneTimeKey = z.object({ id: keyId, publicKey: bytes(32) });
const identifierSchema = z.string().refine((text) => parseUserId(text) !== undefined, 'must be a Matrix user ID');

const enlistSchema = z.object({
  identifier: identifierSchema,
  displayName: z.string().trim().min(1).max(100),
  registrationId: z.int().min(0).max(0xffffffff),
  identityKey: bytes(32),
  signedPreKey: oneTimeKey.extend({ signature: bytes(64) }),
  preKeys: z.array(oneTimeKey).max(MAX_PRE_KEYS),
});

export function enlistmentApi(network: Network, router: Router, tokens: Tokens): HttpRouter {
  const api = express.Router();

  api.use('/enlist', (_request, response, next) => {
    response.setHeader('date', new Date(network.clock.now()).toUTCString());
    next();
  });
  api.post('/enlist', express.json({ limit: BODY_LIMIT }), async (request, response) => {
    const { identifier, displayName, preKeys, ...keys } = readBody(enlistSchema, request);
    await authorise(tokens, request, 'enlist', identifier, undefined);
    if (!signatureHolds(keys.identityKey, keys.signedPreKey)) {
      throw new HttpError(400, 'bad_signature', 'the signed pre-key is not signed by the identity key');
    }
    const { account, reached } = network.state.transaction(() => {
      const enlisted = network.directory.enlist(identifier, displayName);
      const device = { account: enlisted.id, device: 0 };
      const { identityChanged } = network.preKeys.upload(device, keys, preKeys);
      return { account: enlisted, reached: identityChanged ? announceIdentityChange(network, enlisted) : [] };
    });
    router.traffic.count(identifier, 'enlist');
    router.flush(reached);
    response.json({ accountId: account.interopId, integrator: INTEGRATOR });
  });

  api.delete('/enlist/:identifier', async (request, response) => {
    const { identifier } = request.params;
    const account = network.directory.byIdentifier(identifier);
    await authorise(tokens, request, 'withdraw', identifier, account?.interopId);
    router.traffic.count(identifier, 'withdraw');
    if (account) {
      network.directory.remove(account.id);
      router.end(account.id, 'removed');
    }
    response.status(204).end();
  });

  return api;
}

/** Throws HttpError 401 unless the bearer token proves that its holder speaks for `identifier`. */
async function authorise(
  tokens: Tokens,
  request: Request,
  purpose: TokenPurpose,
  identifier: string,
  accountId: string | undefined,
): Promise<void> {
  const token = /^Bearer (\S+)$/i.exec(request.get('authorization') ?? '')?.[1];
  if (token === undefined) throw new HttpError(401, 'token_missing', 'a bearer token is required');
  try {
    const { subject } = await tokens.verify(token, { purpose, accountId });
    if (subject !== identifier) throw new TokenError('token.invalid', 'made for another user');
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const status = error.code === 'token.unverifiable' ? 503 : 401;
    throw new HttpError(status, error.code.replace('.', '_'), error.message);
  }
}
