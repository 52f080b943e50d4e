// One HTTPS request for a file, or for its rest: the answer's head, in time, and its body, at a bearable pace.
import type { IncomingMessage } from 'node:http';
import { type Agent, request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type { Clock } from '../../model/clock.ts';
import { BridgeError } from '../../model/errors.ts';
import type { FileBytes } from '../../model/media.ts';
import { unavailable } from './errors.ts';
import { Pace, type PaceRule } from './pace.ts';

export interface ExchangeTuning extends PaceRule {
  /** For name, connection and TLS, in milliseconds. */
  readonly connectMs: number;
  /** From the request to the first byte of the answer. */
  readonly firstByteMs: number;
}

export interface ExchangeContext {
  readonly agent: Agent;
  readonly clock: Clock;
  readonly tuning: ExchangeTuning;
  readonly signal: AbortSignal;
}

export interface Answer {
  readonly response: IncomingMessage;
  /** To be read once. Throws BridgeError `media.unavailable` where it breaks or trickles. */
  readonly body: FileBytes;
}

/** `from` is the first byte that is wanted. Rejects with BridgeError `media.unavailable`, or with what the agent's lookup says. */
export async function get(url: URL, from: number, { agent, clock, tuning, signal }: ExchangeContext): Promise<Answer> {
  signal.throwIfAborted();
  const headers = { 'accept-encoding': 'identity', ...(from > 0 && { range: `bytes=${from}-` }) };
  const request = httpsRequest(url, { agent, headers, signal });
  const limit = (ms: number, what: string) => deadline(clock, ms, () => request.destroy(unavailable(what)));
  let settle = limit(tuning.connectMs, 'no connection in time');
  const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
  const connected = (): void => {
    settle();
    settle = limit(tuning.firstByteMs, 'no answer in time');
  };
  request.once('socket', (socket: Socket) => {
    if (socket.connecting) socket.once('secureConnect', connected);
    else connected();
  });
  request.once('response', resolve).on('error', reject).end();
  try {
    const response = await promise;
    const pace = new Pace(clock, tuning, () => response.destroy(unavailable('it comes too slowly')));
    response.once('close', () => pace.stop());
    return { response, body: bodyOf(response, pace) };
  } catch (error) {
    throw broken(error);
  } finally {
    settle();
  }
}

async function* bodyOf(response: IncomingMessage, pace: Pace): FileBytes {
  try {
    pace.wait();
    for await (const chunk of response as AsyncIterable<Buffer>) {
      pace.receive(chunk.length);
      yield chunk;
      pace.wait();
    }
  } catch (error) {
    throw broken(error);
  }
}

function broken(error: unknown): BridgeError {
  return error instanceof BridgeError ? error : unavailable('the connection broke', { cause: error });
}

/** Returns how to call it off. */
function deadline(clock: Clock, ms: number, act: () => void): () => void {
  const over = new AbortController();
  void clock.sleep(ms, over.signal).then(() => {
    if (!over.signal.aborted) act();
  });
  return () => over.abort();
}
