// Reads: a pool of connections under kysely, which compiles the writes as well.
import {
  Kysely,
  type PostgresCursor,
  PostgresDialect,
  type PostgresPoolClient,
  type PostgresQueryResult,
} from 'kysely';
import pg from 'pg';
import { isUnavailable } from '../errors.ts';
import type { Tables } from '../tables.ts';
import { type PostgresAddress, prepared } from './client.ts';
import { translatingErrors } from './errors.ts';

/** Connections of one bridge for reads; what comes while all are busy waits. */
const MAX_READERS = 10;

/** Reads see what was committed before they began. They reject with BridgeError `store.*`. */
export function openReads({ config }: PostgresAddress): Kysely<Tables> {
  return openPool<Tables>({ ...config, max: MAX_READERS });
}

/** For changes of the schema: they may rebuild an index over many rows, and take their time. */
export function openPatiently({ config }: PostgresAddress): Kysely<unknown> {
  return openPool({ ...config, query_timeout: undefined, max: 1 });
}

function openPool<Schema>(config: pg.PoolConfig): Kysely<Schema> {
  const pool = new pg.Pool(config);
  // An idle connection that is lost is replaced at the next read; without a listener it would end the process.
  pool.on('error', () => undefined);
  // Likewise one that is lost while somebody has it: an event that nobody listens to would end the process. Its queries fail by themselves.
  pool.on('connect', (client) => client.on('error', () => undefined));
  const dialect = new PostgresDialect({
    pool: {
      options: pool.options,
      connect: async () => new PreparedClient(await translatingErrors(pool.connect())),
      end: () => pool.end(),
    },
  });
  return new Kysely<Schema>({ dialect });
}

/** What kysely wants of a connection, with prepared statements and our errors. */
class PreparedClient implements PostgresPoolClient {
  readonly #client: pg.PoolClient;
  /** It may hang: back in the pool it would be the first to be taken again. */
  #suspect = false;

  constructor(client: pg.PoolClient) {
    this.#client = client;
  }

  query<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>>;
  query<Row>(cursor: PostgresCursor<Row>): PostgresCursor<Row>;
  query<Row>(
    query: string | PostgresCursor<Row>,
    parameters: readonly unknown[] = [],
  ): Promise<PostgresQueryResult<Row>> | PostgresCursor<Row> {
    if (typeof query !== 'string') throw new TypeError('reads are not streamed');
    return this.#run<Row>(query, parameters);
  }

  release(destroy = false): void {
    this.#client.release(destroy || this.#suspect);
  }

  async #run<Row>(sql: string, parameters: readonly unknown[]): Promise<PostgresQueryResult<Row>> {
    try {
      const { command, rowCount, rows } = await translatingErrors(this.#client.query(prepared(sql, parameters)));
      return { command: command as PostgresQueryResult<Row>['command'], rowCount: rowCount ?? 0, rows };
    } catch (error) {
      if (isUnavailable(error)) this.#suspect = true;
      throw error;
    }
  }
}
