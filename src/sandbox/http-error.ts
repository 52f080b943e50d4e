// Refusals over HTTP: a status, a stable code and a sentence, as JSON.
import type { ErrorRequestHandler, Request } from 'express';
import { z } from 'zod';
import { BridgeError, errorCode } from '../model/errors.ts';
import type { Logger } from '../observability/logger.ts';

/** Answered as `{ "error": code, "message": text }`. */
export class HttpError extends BridgeError {
  readonly status: number;

  constructor(status: number, code: string, message: string) {
    super(code, message);
    this.status = status;
  }
}

/** Returns the request's body as the schema describes it. Throws HttpError 400. */
export function readBody<Schema extends z.ZodType>(schema: Schema, request: Request): z.output<Schema> {
  return read(schema, request.body ?? {});
}

export function readQuery<Schema extends z.ZodType>(schema: Schema, request: Request): z.output<Schema> {
  return read(schema, request.query);
}

function read<Schema extends z.ZodType>(schema: Schema, input: unknown): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  throw new HttpError(400, 'invalid_request', z.prettifyError(parsed.error));
}

/** What to throw where a file of the caller's was read: HttpError 400 if that is what failed, otherwise the same. */
export function readingFailure(error: unknown): unknown {
  const isReading = error instanceof Error && 'syscall' in error && ['open', 'read'].includes(String(error.syscall));
  return isReading ? new HttpError(400, 'unreadable', 'there is no file to read at this path') : error;
}

/** Must have four parameters: that is how express knows it. */
export function answerErrors(logger: Logger): ErrorRequestHandler {
  return (error: unknown, _request, response, _next) => {
    if (error instanceof HttpError) {
      response.status(error.status).json({ error: error.code, message: error.message });
      return;
    }
    const status = bodyParserStatus(error);
    if (status !== undefined) {
      const [code, message] = status === 413 ? ['too_large', 'the body is too large'] : ['invalid_request', 'not JSON'];
      response.status(status).json({ error: code, message });
      return;
    }
    logger.error({ err: error, code: errorCode(error) }, 'request failed');
    response.status(500).json({ error: 'internal', message: 'the sandbox failed; see its log' });
  };
}

/** express's body parsers put the status on their errors. */
function bodyParserStatus(error: unknown): number | undefined {
  if (!(error instanceof Error) || !('status' in error) || typeof error.status !== 'number') return undefined;
  return error.status >= 400 && error.status < 500 ? error.status : undefined;
}
