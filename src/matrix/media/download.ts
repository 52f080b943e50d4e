// Downloads: one file, if need be in several pieces, never more than was allowed.
import type { IncomingMessage } from 'node:http';
import type { Clock } from '../../model/clock.ts';
import type { Actor } from '../../model/contact.ts';
import { BridgeError } from '../../model/errors.ts';
import type { FileBytes, MediaUri, OpenedFile, TransferOptions } from '../../model/media.ts';
import { tooLarge } from '../../model/media-errors.ts';
import { byteCount, without } from '../../model/ranges.ts';
import { type ClientApi, isError, jsonObject, matrixError } from '../client-api.ts';
import { type ClientRequest, request as clientRequest } from '../client-request.ts';
import { answerTo, bodyOf, exchange, type Patience, textOf } from './exchange.ts';
import { partsOf } from './media-uri.ts';

const what = 'GET media/download';
/** Since Matrix 1.11, and before; the later only where the server does not know the former: it no longer has newer files. */
const current = 'GET /_matrix/client/v1/media/download/{server}/{media}';
const former = 'GET /_matrix/media/v3/download/{server}/{media}';

/** How often a broken transfer is taken up again, and after how many milliseconds the first time; then twice as long each time. */
const mostResumptions = 5;
const firstDelayMs = 250;
const mostRedirects = 3;

/** The answer to a request for a file from some byte on. */
interface Part {
  readonly response: IncomingMessage;
  /** Bytes that were read before. */
  readonly skip: number;
  /** Bytes of the whole file, where the server says. */
  readonly size: number | undefined;
}

export interface DownloadContext {
  readonly api: ClientApi;
  readonly clock: Clock;
  readonly patience: Patience;
}

/** Rejects, or ends the bytes, with BridgeError `media.gone`, `media.too-large`, `media.refused`, `media.unavailable` or `matrix.*`. */
export async function download(
  context: DownloadContext,
  actor: Actor,
  uri: MediaUri,
  { maxBytes, signal }: TransferOptions,
): Promise<OpenedFile> {
  const { clock, patience } = context;
  const request = async (from: number): Promise<Part> => {
    const part = await requestPart(context, actor, uri, from, signal);
    if ((part.size ?? 0) <= maxBytes) return part;
    part.response.destroy();
    throw tooLarge(part.size, maxBytes);
  };
  const first = await request(0).catch((error: unknown) => {
    throw errorFor(error, signal);
  });
  const { size } = first;
  // Whoever opens a file and never reads it does not keep a connection; who reads it later takes it up again.
  const unread = setTimeout(() => first.response.destroy(), patience.stallMs).unref();

  async function* bytes(): FileBytes {
    clearTimeout(unread);
    let position = 0;
    for (let resumptions = 0; ; resumptions++) {
      try {
        const part = resumptions === 0 ? first : await request(position);
        if (part.size !== size) throw new BridgeError('media.corrupt', 'a file changed while it was read');
        for await (const chunk of without(part.skip, bodyOf(part.response, patience.stallMs))) {
          position += chunk.length;
          if (position > maxBytes) throw tooLarge(size, maxBytes);
          yield chunk;
        }
        return;
      } catch (error) {
        const mayPass = isError(error, 'matrix.unreachable', 'matrix.no-homeserver', 'matrix.server-error');
        if (!mayPass || signal.aborted || resumptions === mostResumptions) throw errorFor(error, signal);
      }
      await clock.sleep(firstDelayMs * 2 ** resumptions, signal);
    }
  }
  return { size, bytes: bytes() };
}

async function requestPart(
  { api, patience }: DownloadContext,
  actor: Actor,
  uri: MediaUri,
  from: number,
  signal: AbortSignal,
): Promise<Part> {
  signal.throwIfAborted();
  const range = from === 0 ? {} : { range: `bytes=${from}-` };
  const file = partsOf(uri);
  const ask = async (request: ClientRequest): Promise<Part> => {
    api.gate.requireOpen();
    const { url, authorization } = api.addressed(actor, request);
    const headers = { ...range, authorization, 'accept-encoding': 'identity' };
    return partOf(await follow(url, headers, signal, patience), from, patience);
  };
  try {
    return await ask(clientRequest(current, file));
  } catch (error) {
    // A server, or a proxy before it, that knows nothing of the path may answer without a code of Matrix, as one does that has not reached it.
    if (!isError(error, 'matrix.unrecognised', 'matrix.no-homeserver')) throw error;
    try {
      return await ask(clientRequest(former, file));
    } catch (again) {
      // Newer servers keep their files from the former path: its word counts only where the current one was answered.
      const isSilent =
        isError(error, 'matrix.no-homeserver') && isError(again, 'matrix.not-found', 'matrix.unrecognised');
      throw isSilent ? error : again;
    }
  }
}

/** A redirect leads to where the homeserver keeps its files (MSC3916); our token is for the homeserver alone. */
async function follow(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  patience: Patience,
  redirects = mostRedirects,
): Promise<IncomingMessage> {
  const response = await answerTo(exchange(url, { method: 'GET', headers, signal }), nothing(), patience);
  const { statusCode, headers: answered } = response;
  if ((statusCode !== 307 && statusCode !== 308) || answered.location === undefined) return response;
  response.destroy();
  const target = URL.canParse(answered.location, url) ? new URL(answered.location, url) : undefined;
  if (redirects === 0 || target === undefined || !['https:', url.protocol].includes(target.protocol)) {
    throw new BridgeError('matrix.server-error', `${what}: a redirect that cannot be followed`, { retry: 'later' });
  }
  const { authorization: _, ...anonymous } = headers;
  return follow(target, target.origin === url.origin ? headers : anonymous, signal, patience, redirects - 1);
}

async function* nothing(): FileBytes {}

/** Throws the error that the answer stands for. */
async function partOf(response: IncomingMessage, from: number, { stallMs }: Patience): Promise<Part> {
  const { statusCode: status = 0, headers } = response;
  if (status === 200) return { response, skip: from, size: byteCount(headers['content-length']) };
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+)$/.exec(headers['content-range'] ?? '') ?? [];
  if (status === 206 && from > 0 && byteCount(start) === from) return { response, skip: 0, size: byteCount(total) };
  const answer = jsonObject(await textOf(response, stallMs));
  response.destroy();
  throw matrixError(what, status, answer, headers['retry-after']);
}

/** The errors of transfers, whichever side a file comes from. */
function errorFor(error: unknown, signal: AbortSignal): unknown {
  if (signal.aborted) return signal.reason;
  if (!(error instanceof BridgeError) || error.code.startsWith('media.')) return error;
  if (error.code === 'matrix.not-found' || error.code === 'matrix.unrecognised') {
    return new BridgeError('media.gone', 'the homeserver does not have the file', {
      userText: 'The homeserver does not have the file any more.',
      cause: error,
    });
  }
  if (error.code === 'matrix.too-large') return tooLarge(undefined, undefined);
  if (error.retry !== 'later') return error;
  return new BridgeError('media.unavailable', 'the homeserver does not give the file at the moment', {
    retry: 'later',
    ...(error.retryAfterMs === undefined ? {} : { retryAfterMs: error.retryAfterMs }),
    cause: error,
  });
}
