// Fetching a file from the media host as a client does.
import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { BridgeError } from '../model/errors.ts';
import type { FileBytes } from './media-cipher.ts';

/** `gone` is for good as far as this address is concerned; `unavailable` is worth another try. */
export type FetchFailure = 'gone' | 'refused' | 'unavailable';

/** Code `media.<failure>`. */
export class FetchError extends BridgeError {
  readonly failure: FetchFailure;

  constructor(failure: FetchFailure, cause?: unknown) {
    super(`media.${failure}`, `the media host did not give the file: ${failure}`, { cause });
    this.failure = failure;
  }
}

const SILENCE_MS = 30_000;
const GONE = new Set([403, 404, 410]);

/** `origin` is empty before the host listens. Rejects with FetchError; the stream may break with any error. */
export async function fetchFile(origin: string, path: string, signal: AbortSignal): Promise<IncomingMessage> {
  // Phones are up before their network is.
  if (origin === '') throw new FetchError('unavailable');
  if (!URL.canParse(origin + path)) throw new FetchError('refused');
  const sent = request(origin + path, { agent: false, signal, timeout: SILENCE_MS });
  sent.once('timeout', () => sent.destroy(new FetchError('unavailable')));
  const [answer] = await once(sent.end(), 'response').catch((cause: unknown) => {
    throw new FetchError('unavailable', cause);
  });
  const { statusCode = 0 } = answer as IncomingMessage;
  if (statusCode === 200) return answer as IncomingMessage;
  sent.destroy();
  if (GONE.has(statusCode)) throw new FetchError('gone');
  throw new FetchError(statusCode >= 500 || statusCode === 429 ? 'unavailable' : 'refused');
}

/** The same bytes in larger pieces: connections give small ones, and each costs its turn. */
export async function* gathered(bytes: FileBytes, length: number): AsyncGenerator<Uint8Array> {
  let parts: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bytes) {
    parts.push(chunk);
    size += chunk.length;
    if (size < length) continue;
    yield Buffer.concat(parts);
    parts = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(parts);
}
