// A file from the network as it lies there: taken up again where a transfer broke, never more than was allowed.
import type { IncomingMessage } from 'node:http';
import type { BridgeError } from '../../model/errors.ts';
import type { FileBytes } from '../../model/media.ts';
import { byteCount, without } from '../../model/ranges.ts';
import { Attempts, type AttemptTuning } from './attempts.ts';
import { gone, refused, unavailable } from './errors.ts';
import { type Answer, type ExchangeContext, type ExchangeTuning, get } from './exchange.ts';

export interface DownloadContext extends ExchangeContext {
  readonly tuning: ExchangeTuning & AttemptTuning;
  /** Whether a redirect may lead there. */
  isAllowed(address: URL): boolean;
  /** Throws where the file is not wanted if it has so many bytes: on the whole, or so far. */
  accept(bytes: number, whole: boolean): void;
}

export interface Download {
  /** Bytes, as the server says. */
  readonly length: number | undefined;
  /** To be read once. */
  readonly bytes: FileBytes;
}

/** The answer to a request for the file from some byte on. */
interface Part extends Answer {
  /** So many bytes come again. */
  readonly skip: number;
  /** Bytes of the whole file, where the server says. */
  readonly length: number | undefined;
}

const MOST_REDIRECTS = 3;
const REDIRECTS = [301, 302, 303, 307, 308];
const GONE = [403, 404, 410];
/** A range that cannot be satisfied is among them: then the file is not the one that was begun. */
const MAY_PASS = [408, 416, 425, 429];

/**
 * Rejects, or ends the bytes, with BridgeError `media.gone`, `media.refused` or `media.unavailable`, what `accept` throws, or the
 * signal's reason.
 */
export async function download(address: URL, context: DownloadContext): Promise<Download> {
  const attempts = new Attempts(context);
  const first = await attempts.run(0, () => request(address, 0, context));
  const { length } = first;
  const rest = async (from: number): Promise<Part> => {
    const part = await request(address, from, context);
    if (part.length === length || part.length === undefined || length === undefined) return part;
    part.response.destroy();
    throw unavailable('it has changed');
  };

  async function* bytes(): FileBytes {
    let position = 0;
    for (let part = first; ; part = await attempts.run(position, () => rest(position))) {
      try {
        for await (const chunk of without(part.skip, part.body)) {
          position += chunk.length;
          context.accept(position, false);
          yield chunk;
        }
        return;
      } catch (error) {
        await attempts.pause(error, position);
      } finally {
        part.response.destroy();
      }
    }
  }
  return { length, bytes: bytes() };
}

async function request(
  address: URL,
  from: number,
  context: DownloadContext,
  redirects = MOST_REDIRECTS,
): Promise<Part> {
  const answer = await get(address, from, context);
  const { response } = answer;
  try {
    if (!REDIRECTS.includes(response.statusCode ?? 0)) return partOf(answer, from, context);
  } catch (error) {
    response.destroy();
    throw error;
  }
  response.destroy();
  const { location } = response.headers;
  const target = location === undefined ? null : URL.parse(location, address);
  if (redirects === 0 || target === null || !context.isAllowed(target)) throw refused('it is redirected elsewhere');
  return request(target, from, context, redirects - 1);
}

/** Throws the error that the answer stands for. */
function partOf(answer: Answer, from: number, { accept }: DownloadContext): Part {
  const { statusCode: status = 0, headers } = answer.response;
  if (status === 200) {
    const length = byteCount(headers['content-length']);
    if (length !== undefined) accept(length, true);
    return { ...answer, skip: from, length };
  }
  const [, start, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(headers['content-range'] ?? '') ?? [];
  if (status === 206 && from > 0 && byteCount(start) === from) return { ...answer, skip: 0, length: byteCount(total) };
  throw errorOf(answer.response);
}

function errorOf({ statusCode: status = 0, headers }: IncomingMessage): BridgeError {
  if (GONE.includes(status)) return gone(status);
  if (status >= 400 && status < 500 && !MAY_PASS.includes(status)) return refused(`the network answered ${status}`);
  const seconds = headers['retry-after'];
  const wait = seconds !== undefined && /^\d{1,7}$/.test(seconds) ? { retryAfterMs: Number(seconds) * 1000 } : {};
  return unavailable(`the network answered ${status}`, wait);
}
