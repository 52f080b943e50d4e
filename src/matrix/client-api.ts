// HTTP towards the homeserver: one request as one of our users, with a deadline, and errors that say what they mean for retrying.

import type { Disclosed } from '../model/budget/recipients.ts';
import { type Clock, systemClock } from '../model/clock.ts';
import type { Actor } from '../model/contact.ts';
import { UnknownActor } from '../model/damaged-row.ts';
import { BridgeError, type ErrorDetails } from '../model/errors.ts';
import type { JsonObject } from '../model/journal.ts';
import type { Logger } from '../observability/logger.ts';
import { type ClientRequest, prepared, request } from './client-request.ts';
import { HomeserverGate } from './homeserver-gate.ts';

export interface ClientApiOptions {
  readonly homeserverUrl: string;
  readonly asToken: string;
  /** Milliseconds that one request may take. */
  readonly timeoutMs?: number;
  readonly clock?: Clock;
  readonly logger?: Logger;
  readonly disclosed?: Disclosed | undefined;
  /** Called when the homeserver was away and is back. */
  readonly onBack?: (() => void) | undefined;
}

/** What says as whom something is asked: part of the query. */
type Identity = Readonly<Record<string, string>>;
/** Undefined where the answer is not of this kind. */
type Reading<Answer> = (value: unknown) => Answer | undefined;

const deviceIdentity = ({ user, device }: Actor): Identity => ({
  user_id: user,
  device_id: device,
  'org.matrix.msc3202.device_id': device,
});

const unknownActor = ['matrix.unknown-device', 'matrix.unknown-user'];

const defaultTimeoutMs = 60_000;
/** A server that names a longer time is asked again after this one all the same. Milliseconds. */
const longestNamedWaitMs = 3_600_000;

export class ClientApi {
  readonly #base: string;
  readonly #token: string;
  readonly #timeoutMs: number;
  readonly #disclosed: Disclosed;
  /** Shut while the homeserver is away: every request waits there. */
  readonly gate: HomeserverGate;

  constructor(options: ClientApiOptions) {
    this.#base = options.homeserverUrl.replace(/\/+$/, '');
    this.#token = options.asToken;
    this.#timeoutMs = options.timeoutMs ?? defaultTimeoutMs;
    this.#disclosed = options.disclosed ?? (() => undefined);
    const { clock = systemClock, logger, onBack } = options;
    this.gate = new HomeserverGate({ ask: () => this.#ask(), clock, logger, onBack });
  }

  /** As the appservice's own user. */
  asService(request: ClientRequest): Promise<JsonObject> {
    return this.#send(request, {}, objectOf);
  }

  /** As `actor`, without naming a device: for what happens before its device exists and after it is gone. */
  asUser(actor: Actor, request: ClientRequest): Promise<JsonObject> {
    return this.#as(actor, this.#send(request, { user_id: actor.user }, objectOf));
  }

  /**
   * As `actor` from its own device. The stable parameter (MSC4326, Matrix 1.17) goes along with the name it had before (MSC3202):
   * servers take the stable one where they know it and ignore what they do not know.
   */
  asDevice(actor: Actor, request: ClientRequest): Promise<JsonObject> {
    return this.#as(actor, this.#send(request, deviceIdentity(actor), objectOf));
  }

  /** `asDevice` where the answer is a list. */
  listAsDevice(actor: Actor, request: ClientRequest): Promise<readonly unknown[]> {
    return this.#as(actor, this.#send(request, deviceIdentity(actor), listOf));
  }

  /** For bodies and answers that stream: where a request as `actor` goes, and what proves that it may. */
  addressed(actor: Actor, request: ClientRequest): { readonly url: URL; readonly authorization: string } {
    const url = this.#url(prepared(request).path, { user_id: actor.user });
    this.#disclosed('homeserver', url.pathname.length + url.search.length);
    return { url, authorization: `Bearer ${this.#token}` };
  }

  #url(path: string, query: Readonly<Record<string, string>>): URL {
    const url = new URL(`${this.#base}${path}`);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    return url;
  }

  /** Says of whom the homeserver does not know, so that they are made anew. */
  async #as<Answer>(actor: Actor, answer: Promise<Answer>): Promise<Answer> {
    try {
      return await answer;
    } catch (error) {
      const isUnknown = error instanceof BridgeError && isError(error, ...unknownActor);
      throw isUnknown && (await this.#confirms(actor, error.code)) ? new UnknownActor(actor, error) : error;
    }
  }

  /** The words of another server may come through ours, where a room is joined: ours is asked about the actor itself. */
  async #confirms(actor: Actor, code: string): Promise<boolean> {
    try {
      await this.#send(request('GET account/whoami', {}), deviceIdentity(actor), objectOf);
      return false;
    } catch (error) {
      return isError(error, code);
    }
  }

  async #send<Answer>(request: ClientRequest, identity: Identity, read: Reading<Answer>): Promise<Answer> {
    const opening = await this.gate.pass();
    try {
      const answer = await this.#request(request, identity, read);
      this.gate.succeeded();
      return answer;
    } catch (error) {
      if (error instanceof BridgeError && concernsEverybody(error)) this.gate.failed(opening, error);
      throw error;
    }
  }

  /** Whatever a homeserver that knows us answers, it is there. */
  async #ask(): Promise<void> {
    try {
      await this.#request(request('GET account/whoami', {}), {}, objectOf);
    } catch (error) {
      if (!(error instanceof BridgeError) || concernsEverybody(error)) throw error;
    }
  }

  async #request<Answer>(request: ClientRequest, identity: Identity, read: Reading<Answer>): Promise<Answer> {
    const { endpoint: what } = request;
    const { method, path, body, metadataBytes } = prepared(request);
    const url = this.#url(path, { ...request.query, ...identity });
    let status: number;
    let text: string;
    let retryAfter: string | null;
    try {
      const response = await fetch(url, {
        method,
        headers: { authorization: `Bearer ${this.#token}`, 'content-type': 'application/json' },
        signal: AbortSignal.timeout(this.#timeoutMs),
        ...(body === undefined ? {} : { body }),
      });
      this.#disclosed('homeserver', url.pathname.length + url.search.length + metadataBytes);
      status = response.status;
      retryAfter = response.headers.get('retry-after');
      text = await limitedText(what, response);
    } catch (cause) {
      if (isError(cause, tooLargeAnswer)) throw cause;
      throw unreachable(`${what}: the homeserver cannot be reached at ${this.#base}`, cause);
    }
    const answer = parsed(text);
    const wanted = read(answer);
    if (status >= 200 && status < 300 && wanted !== undefined) return wanted;
    throw matrixError(what, status, objectOf(answer), retryAfter);
  }
}

export function unreachable(message: string, cause: unknown): BridgeError {
  return new BridgeError('matrix.unreachable', message, { retry: 'later', cause });
}

/** Far above every answer that is of use: one is held in memory whole. */
const mostAnswerBytes = 32 * 1024 * 1024;
const tooLargeAnswer = 'matrix.answer-too-large';

async function limitedText(what: string, response: Response): Promise<string> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of response.body ?? []) {
    bytes += chunk.length;
    if (bytes > mostAnswerBytes) throw new BridgeError(tooLargeAnswer, `${what}: the answer is too large`);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** Undefined where it is no JSON. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const listOf = (value: unknown): readonly unknown[] | undefined => (Array.isArray(value) ? value : undefined);
const objectOf = (value: unknown): JsonObject | undefined =>
  typeof value === 'object' && value !== null && !Array.isArray(value) ? { ...value } : undefined;

export function jsonObject(text: string): JsonObject | undefined {
  return objectOf(parsed(text));
}

/** Nobody is there, or nobody who knows us. One request that a homeserver itself refuses says nothing of the others. */
function concernsEverybody({ code }: BridgeError): boolean {
  return code === 'matrix.unreachable' || code === 'matrix.no-homeserver' || code === 'matrix.unauthorised';
}

/** Only the error code of the answer is kept: its text may quote what we sent. `retryAfter`: the header of that name. */
export function matrixError(
  what: string,
  status: number,
  answer: JsonObject | undefined,
  retryAfter?: string | null,
): BridgeError {
  const errcode = wordOf(answer?.errcode);
  const error = (code: string, details: ErrorDetails = {}) =>
    new BridgeError(`matrix.${code}`, `${what}: ${status}${errcode ? ` ${errcode}` : ''}`, details);
  const later = (code: string): BridgeError =>
    error(code, { retry: 'later', ...namedWait(answer?.retry_after_ms, retryAfter) });
  if (errcode === 'M_LIMIT_EXCEEDED' || status === 429) return later('rate-limited');
  // With whatever status: Synapse answers 502 where another server's file is too large for it.
  if (errcode === 'M_TOO_LARGE' || status === 413) return error('too-large');
  // Synapse 1.163 has reached us by then, and stumbled over its own next try, which has just begun (`force_retry`).
  if (typeof answer?.error === 'string' && answer.error.startsWith('AlreadyCalled')) return error('reached-already');
  // A homeserver that fails or refuses one request says so in its own words; other words are those of what stands between us and has not reached it.
  if (status >= 400 && status !== 401 && typeof answer?.errcode !== 'string') return later('no-homeserver');
  if (status >= 500) return later('server-error');
  if (errcode.endsWith('M_UNKNOWN_DEVICE')) return error('unknown-device');
  // Synapse's words for a user of ours that is not in its database, as after an older backup was restored.
  if (status === 403 && typeof answer?.error === 'string' && answer.error.includes('has not registered this user')) {
    return error('unknown-user');
  }
  // Our token is not known yet, or not any more: until the registrations on both sides agree, whatever is to be sent has to wait.
  if (errcode === 'M_UNKNOWN_TOKEN' || status === 401) return error('unauthorised', { retry: 'later' });
  if (errcode === 'M_USER_IN_USE') return error('user-in-use');
  if (errcode === 'M_DUPLICATE_ANNOTATION') return error('duplicate-annotation');
  if (errcode === 'M_UNRECOGNIZED') return error('unrecognised');
  if (errcode === 'M_FORBIDDEN' || status === 403) return error('forbidden');
  if (status === 404) return error('not-found');
  // A success that is no JSON comes from what stands between us, too.
  return answer === undefined ? later('no-homeserver') : error('refused');
}

/** A code is a word, whatever a server sends as one. */
function wordOf(errcode: unknown): string {
  return typeof errcode === 'string' && /^[A-Za-z0-9_.]{1,100}$/.test(errcode) ? errcode : '';
}

/** How long the server wants to be left alone: in the body in milliseconds, in the header in seconds or as a date. The longer counts. */
function namedWait(bodyMs: unknown, header: string | null | undefined): { readonly retryAfterMs?: number } {
  const fromHeader =
    header === null || header === undefined || header === ''
      ? Number.NaN
      : /^\d+$/.test(header)
        ? Number(header) * 1000
        : Date.parse(header) - Date.now();
  const waits = [typeof bodyMs === 'number' ? bodyMs : Number.NaN, fromHeader].filter((ms) => ms > 0);
  return waits.length === 0 ? {} : { retryAfterMs: Math.min(longestNamedWaitMs, Math.max(...waits)) };
}

export function isError(error: unknown, ...codes: readonly string[]): boolean {
  return error instanceof BridgeError && codes.includes(error.code);
}

/** Resolves to undefined where the homeserver's error is one that is expected here. */
export async function unless<Answer>(
  codes: string | readonly string[],
  answer: Promise<Answer>,
): Promise<Answer | undefined> {
  try {
    return await answer;
  } catch (error) {
    if (isError(error, ...[codes].flat().map((code) => `matrix.${code}`))) return undefined;
    throw error;
  }
}
