// What third parties host, fetched by WhatsApp's clients through the network: each request goes on to the provider, and nothing is kept.
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Request } from 'express';
import { HttpError } from './http-error.ts';
import type { ProviderSettings } from './tokens.ts';

export interface MediaProvider {
  /** Where the third party hosts files: scheme, host and port. */
  readonly origin: string;
  /** Only paths that start so are asked for. */
  readonly prefix: string;
}

export function mediaProvider({ discoveryUrl, media = {} }: ProviderSettings): MediaProvider {
  return { origin: new URL(media.origin ?? discoveryUrl).origin, prefix: media.prefix ?? '/media/' };
}

const ANSWER_TIMEOUT_MS = 30_000;
const PASSED_ON = ['range', 'if-range', 'if-none-match', 'if-modified-since'] as const;

export class MediaProxy {
  /** Undefined until a provider is known. */
  provider: MediaProvider | undefined;

  /** The provider's answer to this request, whatever its status. Throws HttpError: 404 for a path that is not the provider's, else 502. */
  async ask(request: Request, { ranges }: { readonly ranges: boolean }): Promise<IncomingMessage> {
    const url = this.#address(request.originalUrl);
    if (!url) throw new HttpError(404, 'not_found', 'there is nothing here');
    const headers = ranges ? PASSED_ON.flatMap((name) => headerOf(request, name)) : [];
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const sent = send(url, {
      method: request.method,
      headers: { 'accept-encoding': 'identity', ...Object.fromEntries(headers) },
      agent: false,
    });
    request.res?.once('close', () => sent.destroy());
    const answer = await answerOf(sent.end());
    const { statusCode = 0 } = answer;
    if (statusCode >= 200 && (statusCode < 300 || statusCode === 304 || statusCode >= 400)) return answer;
    sent.destroy();
    throw new HttpError(502, 'provider_refused', 'the provider answered with something that a proxy does not follow');
  }

  #address(pathAndQuery: string): URL | undefined {
    if (!this.provider || !pathAndQuery.startsWith('/')) return undefined;
    const { origin, prefix } = this.provider;
    const url = new URL(origin + pathAndQuery);
    return url.origin === origin && url.pathname.startsWith(prefix) ? url : undefined;
  }
}

async function answerOf(sent: ClientRequest): Promise<IncomingMessage> {
  try {
    const [answer] = await once(sent, 'response', { signal: AbortSignal.timeout(ANSWER_TIMEOUT_MS) });
    return answer as IncomingMessage;
  } catch (error) {
    sent.destroy();
    throw new HttpError(502, 'provider_unreachable', error instanceof Error ? error.message : 'unknown');
  }
}

function headerOf(request: Request, name: string): [string, string][] {
  const value = request.get(name);
  return value === undefined ? [] : [[name, value]];
}
