// HTTP towards the homeserver: one request as one of our users, with a deadline, and errors that say what they mean for retrying.

import type { Actor } from '../model/contact.ts';
import { BridgeError, type ErrorDetails } from '../model/errors.ts';
import type { JsonObject } from '../model/journal.ts';

export interface ClientApiOptions {
  readonly homeserverUrl: string;
  readonly asToken: string;
  /** Milliseconds that one request may take. */
  readonly timeoutMs?: number;
}

export interface ClientRequest {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Made with `path`, so that every segment is encoded. */
  readonly path: string;
  readonly query?: Readonly<Record<string, string>>;
  /** JSON, or text that is JSON already. */
  readonly body?: JsonObject | string;
}

const defaultTimeoutMs = 60_000;

/** Joins `segments` to a path below `/_matrix/client/v3`, each encoded. */
export function path(...segments: readonly string[]): string {
  return ['/_matrix/client/v3', ...segments.map(encodeURIComponent)].join('/');
}

export class ClientApi {
  readonly #base: string;
  readonly #token: string;
  readonly #timeoutMs: number;

  constructor(options: ClientApiOptions) {
    this.#base = options.homeserverUrl.replace(/\/+$/, '');
    this.#token = options.asToken;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
  }

  /** As the appservice's own user. */
  asService(request: ClientRequest): Promise<JsonObject> {
    return this.#send(request, {});
  }

  /** As `actor`, without naming a device: for what happens before its device exists and after it is gone. */
  asUser(actor: Actor, request: ClientRequest): Promise<JsonObject> {
    return this.#send(request, { user_id: actor.user });
  }

  /**
   * As `actor` from its own device. The stable parameter (MSC4326, Matrix 1.17) goes along with the name it had before (MSC3202):
   * servers take the stable one where they know it and ignore what they do not know.
   */
  asDevice(actor: Actor, request: ClientRequest): Promise<JsonObject> {
    const device = { device_id: actor.device, 'org.matrix.msc3202.device_id': actor.device };
    return this.#send(request, { user_id: actor.user, ...device });
  }

  /** For bodies and answers that stream: where a request as `actor` goes, and what proves that it may. */
  addressed(actor: Actor, path: string): { readonly url: URL; readonly authorization: string } {
    return { url: this.#url(path, { user_id: actor.user }), authorization: `Bearer ${this.#token}` };
  }

  #url(path: string, query: Readonly<Record<string, string>>): URL {
    const url = new URL(`${this.#base}${path}`);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    return url;
  }

  async #send(request: ClientRequest, identity: Readonly<Record<string, string>>): Promise<JsonObject> {
    const url = this.#url(request.path, { ...request.query, ...identity });
    const what = `${request.method} ${request.path}`;
    const { body } = request;
    let status: number;
    let text: string;
    try {
      const response = await fetch(url, {
        method: request.method,
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(this.#timeoutMs),
        ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      });
      status = response.status;
      text = await response.text();
    } catch (cause) {
      throw unreachable(`${what}: the homeserver cannot be reached at ${this.#base}`, cause);
    }
    const answer = jsonObject(text);
    if (status >= 200 && status < 300 && answer !== undefined) return answer;
    throw matrixError(what, status, answer);
  }
}

export function unreachable(message: string, cause: unknown): BridgeError {
  return new BridgeError('matrix.unreachable', message, { retry: 'later', cause });
}

export function jsonObject(text: string): JsonObject | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;
  } catch {
    return undefined;
  }
}

/** Only the error code of the answer is kept: its text may quote what we sent. */
export function matrixError(what: string, status: number, answer: JsonObject | undefined): BridgeError {
  const errcode = typeof answer?.errcode === 'string' ? answer.errcode : '';
  const error = (code: string, details: ErrorDetails = {}) =>
    new BridgeError(`matrix.${code}`, `${what}: ${status}${errcode ? ` ${errcode}` : ''}`, details);
  if (errcode === 'M_LIMIT_EXCEEDED' || status === 429) {
    const wait = answer?.retry_after_ms;
    return error('rate-limited', { retry: 'later', ...(typeof wait === 'number' ? { retryAfterMs: wait } : {}) });
  }
  // With whatever status: Synapse answers 502 where another server's file is too large for it.
  if (errcode === 'M_TOO_LARGE' || status === 413) return error('too-large');
  if (status >= 500) return error('server-error', { retry: 'later' });
  if (errcode.endsWith('M_UNKNOWN_DEVICE')) return error('unknown-device');
  // Our token is not known yet, or not any more: until the registrations on both sides agree, whatever is to be sent has to wait.
  if (errcode === 'M_UNKNOWN_TOKEN' || status === 401) return error('unauthorised', { retry: 'later' });
  if (errcode === 'M_USER_IN_USE') return error('user-in-use');
  if (errcode === 'M_UNRECOGNIZED') return error('unrecognised');
  if (errcode === 'M_FORBIDDEN' || status === 403) return error('forbidden');
  if (status === 404) return error('not-found');
  // Anything else that is no answer of a homeserver comes from what stands between us: a proxy while the server starts.
  return answer === undefined ? error('server-error', { retry: 'later' }) : error('refused');
}

export function isError(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof BridgeError && codes.includes(error.code);
}
