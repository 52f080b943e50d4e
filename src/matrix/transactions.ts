// The face towards the homeserver: takes what it pushes, hands it over to be stored, and only then answers 200.
import { createHash, timingSafeEqual } from 'node:crypto';
import express, { type ErrorRequestHandler, type RequestHandler, type Router } from 'express';
import { z } from 'zod';
import { errorCode } from '../model/errors.ts';
import { parseUserId } from '../model/ids.ts';
import type { MatrixEvent } from '../model/journal.ts';
import type { TransactionSink } from '../model/matrix.ts';
import { acknowledgesFirst, passed } from '../observability/fail-points.ts';
import { type Logger, saidByItself } from '../observability/logger.ts';
import { readEphemeral, withoutEphemeral } from './ephemeral.ts';
import { roomEvent } from './room-event.ts';

export interface TransactionRouterOptions {
  readonly hsToken: string;
  readonly logger: Logger;
  /** Bytes. 100 events of 64 KiB and as many to-device messages are the most that Synapse puts into one transaction. */
  readonly bodyLimit?: number;
}

const defaultBodyLimit = 32 * 1024 * 1024;

const pushedBody = z.looseObject({ events: z.array(z.unknown()).catch([]) });

/**
 * The application service API (Matrix spec v1.17): transactions, ping, and the user and room queries, also under the paths without
 * `/_matrix/app/v1`. A store that rejects gives 503, so that the homeserver pushes the transaction again.
 */
export function transactionRouter(sink: TransactionSink, options: TransactionRouterOptions): Router {
  const { logger } = options;
  const router = express.Router();
  const paths = (path: string): string[] => [`/_matrix/app/v1${path}`, path];
  const authenticated = requireToken(options.hsToken);
  const seen = new WeakSet<object>();
  const json = express.json({ limit: options.bodyLimit ?? defaultBodyLimit, type: () => true });

  router.put(paths('/transactions/:txnId'), authenticated, json, async (request, response) => {
    const { txnId } = request.params;
    const parsed = pushedBody.safeParse(request.body);
    if (!parsed.success || typeof txnId !== 'string') {
      response.status(400).json({ errcode: 'M_BAD_JSON', error: 'A transaction is a JSON object.' });
      return;
    }
    const { events, ...body } = parsed.data;
    if (!seen.has(request.socket)) sink.reconnected();
    seen.add(request.socket);
    if (acknowledgesFirst) response.json({});
    try {
      const transaction = { id: txnId, body: withoutEphemeral(body), events: wellFormed(events, txnId, logger) };
      await sink.store(transaction, readEphemeral(body));
    } catch (error) {
      const level = saidByItself(error) ? 'debug' : 'error';
      logger[level]({ transaction: txnId, code: errorCode(error), err: error }, 'a transaction could not be stored');
      response.status(503).json({ errcode: 'M_UNKNOWN', error: 'The transaction could not be stored.' });
      return;
    }
    if (!acknowledgesFirst) response.json({});
    passed('M3-transaction-answered');
  });

  router.get(paths('/users/:userId'), authenticated, async (request, response) => {
    const { userId } = request.params;
    const user = typeof userId === 'string' ? parseUserId(userId) : undefined;
    if (user !== undefined && (await sink.userExists(user))) response.json({});
    else response.status(404).json({ errcode: 'M_NOT_FOUND', error: 'There is no such user.' });
  });

  router.get(paths('/rooms/:alias'), authenticated, (_request, response) => {
    response.status(404).json({ errcode: 'M_NOT_FOUND', error: 'This bridge has no room aliases.' });
  });

  router.post('/_matrix/app/v1/ping', authenticated, (_request, response) => {
    response.json({});
  });

  router.use('/_matrix/app', (_request, response) => {
    response.status(404).json({ errcode: 'M_UNRECOGNIZED', error: 'Unknown endpoint.' });
  });
  router.use(failure(logger));
  return router;
}

/** One malformed event must not fail its transaction: the homeserver would push it, and nothing else, for ever. */
function wellFormed(events: readonly unknown[], transaction: string, logger: Logger): MatrixEvent[] {
  const accepted: MatrixEvent[] = [];
  for (const event of events) {
    const parsed = roomEvent.safeParse(event);
    if (parsed.success) {
      accepted.push(parsed.data as MatrixEvent);
    } else {
      const keys = parsed.error.issues.map((issue) => issue.path.join('.') || 'event').join(' ');
      logger.warn({ transaction, reason: `malformed: ${keys}` }, 'an event was dropped');
    }
  }
  return accepted;
}

/** The token comes as bearer token, from older homeservers as query parameter. Checked before the body is read. */
function requireToken(hsToken: string): RequestHandler {
  const digest = (text: string) => createHash('sha256').update(text).digest();
  const expected = digest(hsToken);
  return (request, response, next) => {
    const [, bearer] = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '') ?? [];
    const { access_token: query } = request.query;
    const token = bearer ?? (typeof query === 'string' ? query : undefined);
    if (token === undefined) response.status(401).json({ errcode: 'M_MISSING_TOKEN', error: 'A token is missing.' });
    // Digests have one length, so that the comparison takes the same time whatever was sent.
    else if (timingSafeEqual(digest(token), expected)) next();
    else response.status(403).json({ errcode: 'M_FORBIDDEN', error: 'This is not the token of the registration.' });
  };
}

const bodyError = z.object({ type: z.string(), status: z.number() });

function failure(logger: Logger): ErrorRequestHandler {
  return (error, request, response, next) => {
    if (response.headersSent) return next(error);
    const known = bodyError.safeParse(error);
    const type = known.success ? known.data.type : '';
    if (type === 'request.aborted') return next(error);
    if (type === 'entity.too.large') {
      logger.error({ path: request.path }, 'a transaction is larger than the limit');
      response.status(413).json({ errcode: 'M_TOO_LARGE', error: 'The body is larger than this bridge accepts.' });
    } else if (type.startsWith('entity.') || type.startsWith('encoding.') || type.startsWith('charset.')) {
      response.status(400).json({ errcode: 'M_NOT_JSON', error: 'The body is not JSON.' });
    } else {
      logger.error({ path: request.path, code: errorCode(error), err: error }, 'a request failed');
      response.status(500).json({ errcode: 'M_UNKNOWN', error: 'Internal error.' });
    }
  };
}
