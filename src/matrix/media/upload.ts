// Uploads: the homeserver gets all of a file that its source vouches for at its end, or nothing that it would keep.
import { z } from 'zod';
import type { Actor } from '../../model/contact.ts';
import { BridgeError } from '../../model/errors.ts';
import type { FileBytes, MediaUri } from '../../model/media.ts';
import { tooLarge } from '../../model/media-errors.ts';
import { type ClientApi, isError, jsonObject, matrixError } from '../client-api.ts';
import { request as clientRequest } from '../client-request.ts';
import { answerTo, exchange, type Patience, textOf } from './exchange.ts';
import { isMediaUri } from './media-uri.ts';

const what = 'POST /_matrix/media/v3/upload';
const uploaded = z.object({ content_uri: z.string().refine(isMediaUri) });

export interface Upload {
  readonly contentType: string;
  /** Exact, in bytes: homeservers ask for it beforehand. */
  readonly size: number;
  readonly bytes: FileBytes;
  readonly signal: AbortSignal;
}

/** Throws BridgeError `media.wrong-size`, `media.too-large`, `matrix.*`, what `bytes` throws, or the signal's reason. */
export async function upload(api: ClientApi, actor: Actor, file: Upload, patience: Patience): Promise<MediaUri> {
  const { contentType, size, bytes, signal } = file;
  signal.throwIfAborted();
  api.gate.requireOpen();
  const { url, authorization } = api.addressed(actor, clientRequest(what, {}));
  const headers = { authorization, 'content-type': contentType, 'content-length': String(size) };
  const request = exchange(url, { method: 'POST', headers, signal });
  try {
    const response = await answerTo(request, whole(size, bytes), patience);
    const { statusCode: status = 0, headers: answered } = response;
    const answer = jsonObject(await textOf(response, patience.stallMs));
    const parsed = uploaded.safeParse(answer);
    if (status === 200 && request.writableEnded && parsed.success) return parsed.data.content_uri;
    throw status >= 300
      ? matrixError(what, status, answer, answered['retry-after'])
      : new BridgeError('matrix.server-error', `${what}: the answer is not one to an upload`, { retry: 'later' });
  } catch (error) {
    signal.throwIfAborted();
    throw isError(error, 'matrix.too-large') ? tooLarge(size, undefined) : error;
  } finally {
    request.destroy();
  }
}

/** Exactly `size` bytes. The last chunk is held back until the source has ended, for only then its bytes are known to be right. */
async function* whole(size: number, bytes: FileBytes): FileBytes {
  let total = 0;
  let held: Uint8Array | undefined;
  for await (const chunk of bytes) {
    if (chunk.length === 0) continue;
    total += chunk.length;
    if (total > size) throw wrongSize(size);
    if (held !== undefined) yield held;
    held = chunk;
  }
  if (total < size) throw wrongSize(size);
  if (held !== undefined) yield held;
}

function wrongSize(size: number): BridgeError {
  return new BridgeError('media.wrong-size', `a file of ${size} bytes was announced, and other than so many came`);
}
