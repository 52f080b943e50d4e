// How a connection to PostgreSQL is made: its address, TLS, types, and prepared statements.
import { readFileSync } from 'node:fs';
import pg, { type ClientConfig } from 'pg';
import { BridgeError } from '../../model/errors.ts';

export interface PostgresAddress {
  /** For errors and messages: without user, password and options. */
  readonly name: string;
  readonly config: ClientConfig;
}

/** Nobody waits longer for a connection or an answer. Milliseconds. */
const CONNECT_TIMEOUT_MS = 10_000;
const QUERY_TIMEOUT_MS = 30_000;

const invalid = (text: string): BridgeError =>
  new BridgeError('store.address', `the address of the PostgreSQL database: ${text}`, { retry: 'after-action' });

/**
 * Reads a `postgres://` address. Over a network the server must prove with a certificate who it is, unless `sslmode=disable` says
 * otherwise. Throws BridgeError `store.address`, which never repeats what it was given.
 */
export function postgresAddress(url: string): PostgresAddress {
  if (!URL.canParse(url)) throw invalid('it is no postgres:// address; special characters in it are written %XX');
  const { hostname, port, pathname, searchParams } = new URL(url);
  const host = searchParams.get('host') ?? decodeURIComponent(hostname);
  const mode = searchParams.get('sslmode');
  if (mode !== null && mode !== 'disable' && mode !== 'verify-full') {
    throw invalid('sslmode is verify-full (the default over a network) or disable');
  }
  const authority = searchParams.get('sslrootcert');
  if (authority !== null) requireReadable(authority);
  const isLocal = host.startsWith('/') || ['localhost', '127.0.0.1', '[::1]', ''].includes(host);
  const isPlain = mode === 'disable' || (mode === null && authority === null && isLocal);
  return {
    name: `postgres://${host}${port && `:${port}`}${pathname}`,
    config: {
      connectionString: url,
      ...(isPlain ? {} : { ssl: true }),
      application_name: 'matrix-appservice-whatsapp',
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      query_timeout: QUERY_TIMEOUT_MS,
      keepAlive: true,
      types: { getTypeParser },
    },
  };
}

function requireReadable(file: string): void {
  try {
    readFileSync(file);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown';
    throw invalid(`the certificate authority ${file} cannot be read (${code})`);
  }
}

/** Row ids, counts and times are far below 2^53; the library by itself gives them as text. */
const getTypeParser: typeof pg.types.getTypeParser = (type: number, format?: 'text' | 'binary') =>
  type === pg.types.builtins.INT8 && format !== 'binary' ? Number : pg.types.getTypeParser(type, format);

/** More than the distinct statements of this program: lists of varying length in conditions would otherwise pile up on the server. */
const MAX_STATEMENTS = 500;
const statements = new Map<string, string>();

/** Texts of PostgreSQL hold every character but this one; where somebody sends it in an id, the id is looked up in vain. */
function withoutNul(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withoutNul);
  return typeof value === 'string' && value.includes('\0') ? value.replaceAll('\0', '\ufffd') : value;
}

/** A query that each connection prepares once. */
export function prepared(text: string, values: readonly unknown[]): pg.QueryConfig {
  let name = statements.get(text);
  if (name === undefined && statements.size < MAX_STATEMENTS) {
    name = `s${statements.size}`;
    statements.set(text, name);
  }
  return { text, values: values.map(withoutNul), ...(name === undefined ? {} : { name }) };
}
