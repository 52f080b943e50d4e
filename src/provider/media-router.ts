// How the network fetches what we host: by a name that nobody can guess, in pieces if it likes.
import { type NextFunction, type Response, Router } from 'express';
import type { Clock } from '../model/clock.ts';
import type { AccountId } from '../model/ids.ts';
import type { HostedFiles } from '../model/media.ts';
import { madeForPassing } from '../model/passing-bytes.ts';
import type { Logger } from '../observability/logger.ts';
import { codeOf, isHostedName } from './hosted-directory.ts';

/** Below `provider.public_url`. */
export const mediaPath = '/media';

/** How long a reader may take nothing, in milliseconds. */
const readerStallMs = 60_000;

/** Answers that are under way, by account. */
export type Serving = Map<AccountId, Set<Response>>;

export interface MediaRouterOptions {
  readonly directory: string;
  readonly files: HostedFiles;
  readonly serving: Serving;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** A file that is unknown, expired or lost is passed over, like every path where there is nothing: the answers do not differ. */
export function mediaRouter({ directory, files, serving, clock, logger }: MediaRouterOptions): Router {
  const router = Router();
  // Who knows a name may fetch the file: no name and no path gets into the log.
  const fail = (response: Response, error: unknown): void => {
    logger.error({ code: codeOf(error) }, 'a hosted file could not be served');
    if (response.headersSent) response.destroy();
    else response.status(503).json({ error: 'Try again later.' });
  };
  router.get(`${mediaPath}/:name`, async (request, response, next) => {
    const { name } = request.params;
    try {
      const file = isHostedName(name) ? await files.find(name) : undefined;
      if (file === undefined || file.expiresAt <= clock.now()) return next();
      keepWhileServed(serving, file.account, response);
      if (isWholeFile(request.headers.range, file.size)) delete request.headers.range;
      response.once('pipe', (stream) => stream.on('data', (chunk: Uint8Array) => madeForPassing(chunk.length)));
      response.setTimeout(readerStallMs, () => response.destroy());
      response.sendFile(file.name, sendOptions(directory), (error) => settle(response, error, next, fail));
    } catch (error) {
      fail(response, error);
    }
  });
  return router;
}

function keepWhileServed(serving: Serving, account: AccountId, response: Response): void {
  const answers = serving.get(account) ?? new Set();
  serving.set(account, answers.add(response));
  response.once('close', () => {
    answers.delete(response);
    if (answers.size === 0) serving.delete(account);
  });
}

/** The last bytes of a file that has fewer are all of it (RFC 9110, 14.1.2); the library would say that there are none. */
function isWholeFile(range: string | undefined, size: number): boolean {
  return Number(/^bytes=-(\d+)$/.exec(range ?? '')?.[1]) >= size;
}

const sendOptions = (root: string) => ({
  root,
  lastModified: false,
  cacheControl: false,
  headers: {
    'Content-Type': 'application/octet-stream',
    'Cache-Control': 'private, no-store',
    'X-Content-Type-Options': 'nosniff',
  },
});

function settle(
  response: Response,
  error: Error | undefined,
  next: NextFunction,
  fail: (response: Response, error: unknown) => void,
): void {
  if (error === undefined) return;
  const status = 'status' in error ? error.status : undefined;
  if (response.headersSent || response.destroyed) response.destroy();
  else if (status === 416 || status === 412) response.status(status).end();
  else if (status === 404) next();
  else fail(response, error);
}
