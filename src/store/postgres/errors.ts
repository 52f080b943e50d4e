// Errors of PostgreSQL in our terms. Its own are never passed on: their details quote the values of rows.
import pg from 'pg';
import { BridgeError } from '../../model/errors.ts';
import { closed, conflict, gone } from '../errors.ts';

/** What is left of an error of the server or the connection: a code. */
class PostgresError extends Error {
  readonly code: string;

  constructor(code: string) {
    super(`PostgreSQL: ${code}`);
    this.name = 'PostgresError';
    this.code = code;
  }
}

/** The connection is lost, or cannot be had: what was asked may be asked again later. */
export const unavailable = (reason: string, cause?: unknown): BridgeError =>
  new BridgeError('store.unavailable', `the database cannot be used now (${reason})`, { retry: 'later', cause });

const refused = (text: string, cause: Error): BridgeError =>
  new BridgeError('store.refused', `PostgreSQL does not let us in: ${text}`, { retry: 'after-action', cause });

/** PostgreSQL, "Error Codes": connection, serialisation, resources, locks, shutdown, system; and a server that only reads. */
const passing = /^(08|40|53|55|57|58)|^25006$/;
const refusals: Readonly<Record<string, string>> = {
  '28P01': 'wrong user or password',
  '28000': 'this user may not connect from here, or only with TLS (pg_hba.conf)',
  '3D000': 'there is no such database; make it with createdb',
  '3F000': 'there is no schema in which this user may make tables',
  '42501': 'this user may not make or change tables in this schema',
};

/** Turns an error of the client library into ours; one of ours comes back as it is. */
export function fromPostgres(error: unknown): unknown {
  if (error instanceof BridgeError || !(error instanceof Error)) return error;
  const code = 'code' in error && typeof error.code === 'string' ? error.code : undefined;
  if (error instanceof pg.DatabaseError) return fromServer(code ?? 'unknown');
  if (error.message === 'Cannot use a pool after calling end on the pool') return closed();
  if (error.message.includes('does not support SSL')) {
    return refused('the server has no TLS; where nobody can listen in between, add ?sslmode=disable', error);
  }
  if (code !== undefined && /CERT|SIGNATURE|ALTNAME/.test(code)) {
    return refused(`the certificate of the server is not trusted (${code}); ?sslrootcert= names its authority`, error);
  }
  // What is left is the network: refused, reset, timed out.
  if (code !== undefined || /connection|client|timeout/i.test(error.message)) {
    return unavailable(code ?? 'connection lost', new PostgresError(code ?? 'connection-lost'));
  }
  return error;
}

function fromServer(code: string): BridgeError | PostgresError {
  const cause = new PostgresError(code);
  if (code === '23503') return gone('a row that this one belongs to', cause);
  if (code === '23505') return conflict('the row', cause);
  const refusal = refusals[code];
  if (refusal !== undefined) return refused(refusal, cause);
  if (code === 'XX001' || code === 'XX002') {
    return new BridgeError('store.corrupt', `the database is damaged (${code}); restore a backup`, {
      retry: 'after-action',
      cause,
    });
  }
  return passing.test(code) ? unavailable(code, cause) : cause;
}

export async function translatingErrors<Result>(work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (error) {
    throw fromPostgres(error);
  }
}
