// One HTTP exchange whose body or answer streams: on a connection of its own, without a deadline for the whole, but never without progress.
import { once } from 'node:events';
import { type ClientRequest, request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { BridgeError } from '../../model/errors.ts';
import type { FileBytes } from '../../model/media.ts';
import { madeForPassing } from '../../model/passing-bytes.ts';
import { unreachable } from '../client-api.ts';

export interface Patience {
  /** How long no byte may move, in milliseconds. */
  readonly stallMs: number;
  /** How long the answer may take to begin, in milliseconds: the homeserver first stores what it got, or fetches what it lacks. */
  readonly answerMs: number;
}

export const defaultPatience: Patience = { stallMs: 60_000, answerMs: 5 * 60_000 };

export interface ExchangeOptions {
  readonly method: 'GET' | 'POST';
  readonly headers: Readonly<Record<string, string>>;
  readonly signal: AbortSignal;
}

/** A request that the caller writes and ends. Aborting the signal destroys it. */
export function exchange(url: URL, { method, headers, signal }: ExchangeOptions): ClientRequest {
  const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
  return send(url, { method, headers, signal, agent: false });
}

/**
 * Writes `bytes`, as fast as they are taken, ends the request and returns the answer. An answer that comes before the end stops the
 * writing. Where `bytes` throws, the request is destroyed before its end, so that its receiver knows that it is not whole. Throws that,
 * or BridgeError `matrix.unreachable`.
 */
export async function answerTo(request: ClientRequest, bytes: FileBytes, patience: Patience): Promise<IncomingMessage> {
  const over = new AbortController();
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).on('error', (error) => reject(broken(error)));
    for (const event of ['response', 'error']) request.once(event, () => over.abort());
  });
  // Who is still busy with `bytes` learns of it later.
  answer.catch(() => undefined);
  try {
    for await (const chunk of bytes) {
      if (over.signal.aborted) break;
      if (!request.write(chunk)) await drained(request, over.signal, patience.stallMs);
    }
    if (!over.signal.aborted) request.end();
    return await inTime(request, patience.answerMs, () => answer);
  } catch (error) {
    request.destroy();
    throw error;
  }
}

async function drained(request: ClientRequest, over: AbortSignal, stallMs: number): Promise<void> {
  try {
    await inTime(request, stallMs, () => once(request, 'drain', { signal: over }));
  } catch {
    // The answer or the error that ended it is seen by who waits for the answer.
  }
}

async function inTime<T>(request: ClientRequest, ms: number, wait: () => Promise<T>): Promise<T> {
  const timer = setTimeout(() => request.destroy(stalled(ms)), ms);
  try {
    return await wait();
  } finally {
    clearTimeout(timer);
  }
}

/** The body of an answer as it comes. The time that the reader takes does not count. */
export async function* bodyOf(response: IncomingMessage, stallMs: number): FileBytes {
  const wait = () => setTimeout(() => response.destroy(stalled(stallMs)), stallMs);
  let timer = wait();
  try {
    for await (const chunk of response) {
      clearTimeout(timer);
      madeForPassing(chunk.length);
      yield chunk as Buffer;
      timer = wait();
    }
  } catch (error) {
    throw broken(error);
  } finally {
    clearTimeout(timer);
  }
}

const longestText = 64 * 1024;

/** The whole body of an answer that should be short; cut where it is not. */
export async function textOf(response: IncomingMessage, stallMs: number): Promise<string> {
  const chunks: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of bodyOf(response, stallMs)) {
    chunks.push(chunk);
    length += chunk.length;
    if (length > longestText) break;
  }
  return Buffer.concat(chunks).toString();
}

function broken(error: unknown): BridgeError {
  return error instanceof BridgeError ? error : unreachable('the connection to the homeserver broke', error);
}

function stalled(ms: number): Error {
  return unreachable(`the homeserver has not moved a byte for ${ms} ms`, undefined);
}
