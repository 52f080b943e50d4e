/**
 * The network's enlistment call: opt in and opt out over HTTP. An assumption (docs/protocol.md: that such a call exists is public, its
 * shape is not), so this contract is what the sandbox implements from the other side:
 *
 * Opt in: `POST <enlistmentUrl>`, `Authorization: Bearer <JWT, purpose "enlist">`, `Content-Type: application/json`
 *   { "identifier": "@user:server", "displayName": string, "registrationId": number, "identityKey": base64(32 raw bytes),
 *     "signedPreKey": { "id": number, "publicKey": base64(32), "signature": base64(64) },
 *     "preKeys": [{ "id": number, "publicKey": base64(32) }] }
 *   -> 200 { "accountId": "<unsigned 64-bit decimal>", "integrator": number (16 bits) }
 *   Idempotent per identifier: the same account id again, the keys replaced.
 * Opt out: `DELETE <enlistmentUrl>/<identifier, URI-encoded>`, `Authorization: Bearer <JWT, purpose "withdraw">`
 *   -> 204, also for an unknown identifier.
 * Errors: 4xx or 5xx with { "error": code, "message": text }; 429 and 503 may carry `Retry-After` in seconds.
 * Base64 is the standard alphabet with padding.
 */
import { z } from 'zod';
import { BridgeError } from '../model/errors.ts';
import type { EnlistmentApi } from '../model/interop.ts';
import { interopJid } from '../model/jid.ts';
import type { PublicKeys } from '../model/signal.ts';
import type { NetworkTime } from './network-time.ts';

const TOKEN_REFUSED = 401;
const MAX_ANSWER_BYTES = 64 * 1024;
const MAX_ACCOUNT_ID = (1n << 64n) - 1n;

const enlisted = z.object({
  accountId: z
    .string()
    .regex(/^[1-9]\d{0,19}$/)
    .refine((text) => BigInt(text) <= MAX_ACCOUNT_ID),
  integrator: z.int().min(0).max(0xffff),
});
const refusal = z.object({ error: z.string().regex(/^[\w.-]{1,64}$/) });

export interface EnlistmentOptions {
  /** Without a trailing slash. */
  readonly url: string;
  /** For the whole call, in milliseconds. */
  readonly timeoutMs: number;
  /** Learns what the service shows of its clock (RFC 9110, `Date`). */
  readonly time?: NetworkTime;
}

export function createEnlistmentApi({ url, timeoutMs, time }: EnlistmentOptions): EnlistmentApi {
  const call = async (
    method: string,
    target: string,
    token: string,
    { body, signal }: { readonly body?: object; readonly signal?: AbortSignal | undefined } = {},
  ): Promise<Response> => {
    const timeout = AbortSignal.timeout(timeoutMs);
    try {
      const response = await fetch(target, {
        method,
        headers: { authorization: `Bearer ${token}`, ...(body && { 'content-type': 'application/json' }) },
        ...(body && { body: JSON.stringify(body) }),
        redirect: 'error',
        signal: signal ? AbortSignal.any([signal, timeout]) : timeout,
      });
      if (response.status === TOKEN_REFUSED) time?.forget();
      time?.shown(Date.parse(response.headers.get('date') ?? ''));
      return response;
    } catch (cause) {
      throw new BridgeError('enlistment.unreachable', 'the enlistment service cannot be reached', {
        retry: 'later',
        cause,
      });
    }
  };

  return {
    async enlist({ user, displayName, token, keys, signal }) {
      const body = { identifier: user, displayName, ...keysInJson(keys) };
      const response = await call('POST', url, token, { body, signal });
      if (!response.ok) throw await refused(response);
      const answer = enlisted.safeParse(await readJson(response));
      if (!answer.success) throw malformed(answer.error);
      const { accountId, integrator } = answer.data;
      return { interopAccountId: accountId, jid: interopJid(integrator, accountId) };
    },

    async withdraw({ user, token }) {
      const response = await call('DELETE', `${url}/${encodeURIComponent(user)}`, token);
      if (!response.ok && response.status !== 404) throw await refused(response);
      await response.body?.cancel();
    },
  };
}

function keysInJson({ registrationId, identityKey, signedPreKey, preKeys }: PublicKeys): object {
  return {
    registrationId,
    identityKey: base64(identityKey),
    signedPreKey: {
      id: signedPreKey.id,
      publicKey: base64(signedPreKey.publicKey),
      signature: base64(signedPreKey.signature),
    },
    preKeys: preKeys.map(({ id, publicKey }) => ({ id, publicKey: base64(publicKey) })),
  };
}

function base64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64');
}

async function readJson(response: Response): Promise<unknown> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  try {
    for await (const chunk of response.body ?? []) {
      length += chunk.length;
      // Leaving the loop cancels the rest of the body.
      if (length > MAX_ANSWER_BYTES) throw new RangeError('the answer is too large');
      chunks.push(chunk);
    }
    return JSON.parse(Buffer.concat(chunks).toString('utf8'));
  } catch (cause) {
    throw malformed(cause);
  }
}

function malformed(cause: unknown): BridgeError {
  return new BridgeError('enlistment.malformed', 'the enlistment service gave an answer that makes no sense', {
    retry: 'later',
    cause,
  });
}

async function refused(response: Response): Promise<BridgeError> {
  const { status } = response;
  const answer = refusal.safeParse(await readJson(response).catch(() => undefined));
  const reason = `the enlistment service answered ${status}${answer.success ? ` (${answer.data.error})` : ''}`;
  if (status === 429 || status >= 500) {
    const seconds = Number(response.headers.get('retry-after') ?? Number.NaN);
    return new BridgeError('enlistment.unavailable', reason, {
      retry: 'later',
      ...(Number.isFinite(seconds) && seconds >= 0 && { retryAfterMs: seconds * 1000 }),
    });
  }
  // A token is minted for each call, and the network may not have fetched our newest key yet.
  if (status === TOKEN_REFUSED) return new BridgeError('enlistment.token-refused', reason, { retry: 'later' });
  return new BridgeError('enlistment.refused', reason, {
    retry: 'never',
    userText: 'The network refused the registration for third-party chats.',
  });
}
